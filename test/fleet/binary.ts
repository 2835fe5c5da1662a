import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';

const SERVER_NAMES = ['redis-server', 'valkey-server'];

/** Package managers put servers here, and an ordinary user's PATH may lack the sbin half. */
const EXTRA_DIRECTORIES = [
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/bin',
  '/usr/sbin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
];

/**
 * The server every fleet node runs: `QUORLOCK_REDIS_SERVER` if set, else the first redis-server, else the
 * first valkey-server. `scripts/setup.mjs` follows the same rules; it has to stand alone, because it runs
 * before anything that can read TypeScript is installed.
 */
export function findServerBinary(environment: NodeJS.ProcessEnv = process.env): string {
  const { QUORLOCK_REDIS_SERVER: chosen, PATH: path = '' } = environment;
  if (chosen !== undefined && chosen !== '') {
    if (isExecutable(chosen)) return chosen;
    throw new Error(
      `QUORLOCK_REDIS_SERVER is "${chosen}", which is not an executable file: set it to the full path of a redis-server or valkey-server, or unset it`,
    );
  }
  const onPath = path.split(delimiter).filter((directory) => directory !== '');
  const directories = [...new Set([...onPath, ...EXTRA_DIRECTORIES])];
  for (const name of SERVER_NAMES) {
    for (const directory of directories) {
      const candidate = join(directory, name);
      if (isExecutable(candidate)) return candidate;
    }
  }
  throw new Error(
    `no redis-server or valkey-server found in ${directories.join(', ')}: run "npm run setup", which installs one or says how to, or set QUORLOCK_REDIS_SERVER to its full path`,
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
