import { execFileSync } from 'node:child_process';
import { accessSync, constants, realpathSync, statSync } from 'node:fs';
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
  const [first] = ordinaryServers(environment);
  if (first !== undefined) return first;
  throw new Error(
    `no redis-server or valkey-server found in ${directoriesOf(environment).join(', ')}: run "npm run setup", which installs one or says how to, or set QUORLOCK_REDIS_SERVER to its full path`,
  );
}

/**
 * All servers that a test of every version is to run on: `QUORLOCK_REDIS_SERVER` if set, else the first redis-server
 * and the first valkey-server; and those that `QUORLOCK_SERVERS` lists, separated as in PATH.
 */
export function findServerBinaries(environment: NodeJS.ProcessEnv = process.env): readonly string[] {
  const { QUORLOCK_SERVERS: list = '' } = environment;
  const listed = list.split(delimiter).filter((path) => path !== '');
  for (const path of listed) checkExecutable(path, 'QUORLOCK_SERVERS lists');
  const all = [...ordinaryServers(environment), ...listed];
  if (all.length === 0) return [findServerBinary(environment)];
  // One program may have several names: a package of one server can stand in for the other.
  const programs = all.map((path) => realpathSync(path));
  return all.filter((_, index) => programs.indexOf(programs[index] ?? '') === index);
}

/** What a server calls itself: `redis 7.0.15`. */
export function nameServer(binary: string): string {
  const text = execFileSync(binary, ['--version'], { encoding: 'utf8' });
  const [, name, version] = /^(\w+) server v=(\S+)/i.exec(text) ?? [];
  if (name === undefined) throw new Error(`${binary} is no Redis server: its version is "${text.trim()}"`);
  return `${name.toLowerCase()} ${version}`;
}

function ordinaryServers(environment: NodeJS.ProcessEnv): readonly string[] {
  const { QUORLOCK_REDIS_SERVER: chosen = '' } = environment;
  if (chosen !== '') {
    checkExecutable(chosen, 'QUORLOCK_REDIS_SERVER is');
    return [chosen];
  }
  const directories = directoriesOf(environment);
  return SERVER_NAMES.flatMap(
    (name) => directories.map((directory) => join(directory, name)).find(isExecutable) ?? [],
  );
}

function directoriesOf({ PATH: path = '' }: NodeJS.ProcessEnv): readonly string[] {
  const onPath = path.split(delimiter).filter((directory) => directory !== '');
  return [...new Set([...onPath, ...EXTRA_DIRECTORIES])];
}

function checkExecutable(path: string, origin: string): void {
  if (isExecutable(path)) return;
  throw new Error(
    `${origin} "${path}", which is not an executable file: give the full path of a redis-server or valkey-server, or unset it`,
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
