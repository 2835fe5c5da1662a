import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Has a package.json and a lock file of its own: who installs quorlock, or works on it, needs no peers. */
const FOLDER = fileURLToPath(new URL('../../../bench/', import.meta.url));

/** Where the peers are installed. */
export const MODULES = join(FOLDER, 'node_modules');

/** The packages that are measured, and the driver they share: the version of each, as it is pinned. */
export function pinnedPackages(): Readonly<Record<string, string>> {
  const { dependencies } = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  return dependencies;
}

/**
 * Installs the peers if they are missing or are not the locked ones.
 *
 * @throws {Error} npm failed; it has said why
 */
export function ensurePeerPackages(): void {
  const locked = versionsIn(join(FOLDER, 'package-lock.json'));
  const installed = versionsIn(join(MODULES, '.package-lock.json'));
  if (locked === installed) return;
  console.log(`${installed === undefined ? 'installing' : 'updating'} the peers in bench/`);
  const args = ['ci', '--prefix', FOLDER, '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const { npm_execpath: cli } = process.env;
  const { status } = cli?.endsWith('npm-cli.js')
    ? spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' })
    : spawnSync('npm', args, { stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) throw new Error('the peers could not be installed: npm ci --prefix bench failed');
}

/** What is in a lock file, in a form that can be compared; undefined if there is none. */
function versionsIn(lockFile: string): string | undefined {
  try {
    const { packages } = JSON.parse(readFileSync(lockFile, 'utf8')) as {
      readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
    };
    return Object.entries(packages)
      .filter(([path]) => path !== '')
      .map(([path, { version, integrity }]) => `${path} ${version} ${integrity}`)
      .sort()
      .join('\n');
  } catch {
    return undefined;
  }
}
