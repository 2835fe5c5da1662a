import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { onProcessEnd } from '../../fleet/last-resort.ts';
import { ensurePeerPackages, MODULES, pinnedPackages } from './peer-packages.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/**
 * A temporary folder in which processes find every library as an installed package, quorlock as it would be published,
 * and all find the same driver. Nothing is compiled while they run.
 */
export class Workspace implements Disposable {
  readonly #folder: string;
  readonly #disarm: () => void;
  /** What every process runs. */
  readonly program: string;

  /** Quorlock as it would be published, if it is there. */
  readonly quorlock: string;

  private constructor(folder: string, disarm: () => void) {
    this.#folder = folder;
    this.#disarm = disarm;
    this.program = join(folder, 'worker.js');
    this.quorlock = join(folder, 'node_modules', 'quorlock', 'dist', 'index.mjs');
  }

  /** @throws {Error} the library does not compile; the compiler has said why */
  static async make({ withQuorlock = true }: { readonly withQuorlock?: boolean } = {}): Promise<Workspace> {
    ensurePeerPackages();
    const folder = mkdtempSync(join(tmpdir(), 'quorlock-bench-'));
    const workspace = new Workspace(
      folder,
      onProcessEnd(() => remove(folder)),
    );
    try {
      // Ends the search for a package that this folder belongs to.
      writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
      linkPeers(folder);
      if (withQuorlock) installQuorlock(folder);
      await compileWorker(folder);
      return workspace;
    } catch (error) {
      workspace[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#disarm();
    remove(this.#folder);
  }
}

function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

function linkPeers(folder: string): void {
  for (const name of Object.keys(pinnedPackages())) {
    const link = join(folder, 'node_modules', name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(MODULES, name), link, 'junction');
  }
}

function installQuorlock(folder: string): void {
  const { status } = spawnSync(process.execPath, [join(ROOT, 'scripts', 'build.mjs')], { stdio: 'inherit' });
  if (status !== 0) throw new Error('quorlock does not compile: npm run build failed');
  const target = join(folder, 'node_modules', 'quorlock');
  cpSync(join(ROOT, 'package.json'), join(target, 'package.json'));
  // A copy: this build may be replaced by another one while processes still start.
  cpSync(join(ROOT, 'dist'), join(target, 'dist'), { recursive: true });
}

async function compileWorker(folder: string): Promise<void> {
  await build({
    entryPoints: [join(ROOT, 'bench', 'worker', 'worker.ts')],
    outdir: folder,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // The paths of bench/tsconfig.json are for the type checker; these packages are found where they are installed.
    tsconfigRaw: {},
    logLevel: 'error',
  });
}
