// Brings a fresh clone to where `npm start` and `npm test` run: dependencies, and a Redis server for the fleet.
// Run before every one of them, so it costs a few file reads when nothing is missing. It stands alone: no
// dependency may be installed yet.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPOSE_FILE = 'docker-compose.redis5.yml';

// The rules of scripts/fleet/binary.ts, which cannot be imported from here.
const SERVER_NAMES = ['redis-server', 'valkey-server'];
const EXTRA_DIRECTORIES = [
  '/usr/local/bin',
  '/usr/local/sbin',
  '/usr/bin',
  '/usr/sbin',
  '/opt/homebrew/bin',
  '/home/linuxbrew/.linuxbrew/bin',
];

/** Ends the run with a message that the user can act on. */
class SetupError extends Error {}

try {
  checkNode();
  const installedModules = ensureModules();
  const installedServer = ensureServer();
  if (process.argv.includes('--browser')) ensureBrowser();
  const asked = process.env.npm_lifecycle_event === 'setup';
  if (asked && !installedModules && !installedServer) say(`nothing to do (server: ${findServer()})`);
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new SetupError(
    `Node.js ${process.versions.node} is too old: quorlock needs ${OLDEST_NODE.join('.')} or newer (https://nodejs.org/en/download)`,
  );
}

// --- dependencies ---------------------------------------------------------------------------------------

function ensureModules() {
  const reason = whyModulesAreStale();
  if (reason === undefined) return false;
  say(`${reason}; npm installs what is missing, which takes a moment`);
  const exact = existsSync(join(ROOT, 'package-lock.json')) ? npm('pipe', 'ci') : undefined;
  if (exact?.status === 0) return true;
  // A lock file written where a registry lacked the optional packages of other platforms has gaps, and npm ci
  // refuses it as a whole. npm install keeps to what is locked, fills the gaps, and here leaves the file alone.
  if (exact !== undefined && !exact.stderr.includes('EUSAGE')) {
    process.stderr.write(exact.stderr);
    throw new SetupError(`npm ci failed; see above${exact.error ? ` (${exact.error.message})` : ''}`);
  }
  const filled = npm('inherit', 'install', '--no-save');
  if (filled.status !== 0) throw new SetupError('npm install failed; see above');
  return true;
}

function npm(stderr, ...command) {
  // A production environment would leave out the very tools the demo and the tests are run with.
  // And a silent npm further up would silence the error code that tells one failure from another.
  const args = [...command, '--include=dev', '--loglevel=error', '--no-audit', '--no-fund'];
  const options = { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 2, stderr] };
  const { npm_execpath: cli } = process.env;
  if (cli?.endsWith('npm-cli.js')) return spawnSync(process.execPath, [cli, ...args], options);
  return spawnSync('npm', args, { ...options, shell: process.platform === 'win32' });
}

/**
 * npm writes down what it installed in node_modules/.package-lock.json, as its last step. Comparing that with
 * the lock file entry by entry is exact where time stamps are not: a checkout sets them anew.
 */
function whyModulesAreStale() {
  const installed = readPackages(join(ROOT, 'node_modules', '.package-lock.json'));
  if (installed === undefined) return 'dependencies are not installed';
  const locked = readPackages(join(ROOT, 'package-lock.json'));
  if (locked === undefined) return undefined;
  for (const [path, wanted] of Object.entries(locked)) {
    if (path === '') continue;
    const actual = installed[path];
    if (actual === undefined && isOptional(wanted)) continue;
    if (actual === undefined) return `${path} is not installed`;
    if (actual.version !== wanted.version || actual.integrity !== wanted.integrity) {
      return `${path} is not the locked version`;
    }
  }
  for (const [path, actual] of Object.entries(installed)) {
    if (!(path in locked) && !isOptional(actual)) return `${path} is installed but no longer locked`;
  }
  return undefined;
}

/** Which of these are installed depends on the platform, so a difference in them says nothing. */
function isOptional(entry) {
  return Boolean(entry.optional || entry.devOptional);
}

function readPackages(lockFile) {
  try {
    return JSON.parse(readFileSync(lockFile, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

// --- a Redis server -------------------------------------------------------------------------------------

function ensureServer() {
  if (findServer() !== undefined) return false;
  if (!hasApt() || process.getuid?.() !== 0) throw new SetupError(howToInstallServer());
  say('no redis-server or valkey-server found: installing the redis-server package');
  installWithApt();
  const server = findServer();
  if (server === undefined) throw new SetupError(howToInstallServer());
  say(`installed ${server}; its own service was not started, the fleet runs it on ports of its own`);
  return true;
}

function findServer() {
  const { QUORLOCK_REDIS_SERVER: chosen, PATH: path = '' } = process.env;
  if (chosen !== undefined && chosen !== '') {
    if (isExecutable(chosen)) return chosen;
    throw new SetupError(
      `QUORLOCK_REDIS_SERVER is "${chosen}", which is not an executable file: set it to the full path of a redis-server or valkey-server, or unset it`,
    );
  }
  const directories = [
    ...path.split(delimiter).filter((directory) => directory !== ''),
    ...EXTRA_DIRECTORIES,
  ];
  return SERVER_NAMES.flatMap((name) => directories.map((directory) => join(directory, name))).find(
    isExecutable,
  );
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Only the tests of the drift report need one, and without it they are skipped. */
function ensureBrowser() {
  const directories = [...(process.env.PATH ?? '').split(delimiter), ...EXTRA_DIRECTORIES];
  const names = ['chromium', 'chromium-browser', 'google-chrome'];
  if (names.some((name) => directories.some((directory) => isExecutable(join(directory, name))))) return;
  const isPossible = hasApt() && process.getuid?.() === 0;
  if (isPossible) {
    say('no Chromium found: installing the chromium package, for the tests of the drift report');
    apt('update');
    if (apt('install', '-y', '--no-install-recommends', 'chromium')) return;
  }
  say('no Chromium: the tests of the drift report are skipped. Install the chromium package to run them');
}

/**
 * Debian's package starts a server on 6379 as it is installed. policy-rc.d is the switch both its init
 * helpers ask first; one that exists already is an administrator's (or an image's) decision and stays.
 */
function installWithApt() {
  const policy = '/usr/sbin/policy-rc.d';
  // Children get the terminal's Ctrl-C as well and end; this process has to live to take the switch back.
  const stayAlive = () => undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stayAlive);
  const addedPolicy = !existsSync(policy);
  if (addedPolicy) writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755, flag: 'wx' });
  try {
    // An outdated index is no reason to stop: the package may well be in it.
    if (!apt('update')) say('apt-get update failed; trying with the index as it is');
    if (!apt('install', '-y', '--no-install-recommends', 'redis-server')) {
      throw new SetupError(`apt-get could not install redis-server; see above.\n${howToInstallServer()}`);
    }
  } finally {
    if (addedPolicy) rmSync(policy, { force: true });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.off(signal, stayAlive);
  }
}

function apt(...args) {
  const { status } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 2, 2],
  });
  return status === 0;
}

function hasApt() {
  return (
    ['debian', 'ubuntu'].some((family) => linuxFamilies().includes(family)) &&
    isExecutable('/usr/bin/apt-get')
  );
}

/** This distribution and those it descends from, as it says itself. */
function linuxFamilies() {
  try {
    const release = readFileSync('/etc/os-release', 'utf8');
    const values = [...release.matchAll(/^(?:ID|ID_LIKE)="?([^"\n]*)"?$/gm)].map((match) => match[1]);
    return values.join(' ').split(/\s+/);
  } catch {
    return [];
  }
}

function howToInstallServer() {
  const lines = [
    'the fleet needs a local redis-server or valkey-server, and none was found.',
    `  ${installCommand()}`,
    '  or set QUORLOCK_REDIS_SERVER to the full path of one.',
  ];
  if (dockerAnswers()) {
    lines.push(
      'A Docker engine answers, but the fleet kills and freezes its servers by signal, and a signal to the',
      'docker client does not reach the server in the container. For programs of your own it will do:',
      `  docker compose -f ${COMPOSE_FILE} up -d    (five masters on 127.0.0.1:7101-7105)`,
    );
  }
  return lines.join('\n');
}

function installCommand() {
  if (process.platform === 'darwin') return 'macOS: brew install redis';
  if (process.platform === 'win32')
    return 'Windows: work inside WSL (Ubuntu), then: sudo apt-get install -y redis-server';
  const families = linuxFamilies();
  const asRoot = process.getuid?.() === 0 ? '' : 'sudo ';
  const commands = [
    [['debian', 'ubuntu'], 'apt-get update && apt-get install -y --no-install-recommends redis-server'],
    [['fedora', 'rhel', 'centos'], 'dnf install -y valkey || dnf install -y redis'],
    [['alpine'], 'apk add redis'],
    [['arch'], 'pacman -S --noconfirm valkey'],
    [['suse', 'opensuse'], 'zypper install -y redis'],
  ];
  const known = commands.find(([names]) => names.some((name) => families.includes(name)));
  if (known === undefined)
    return 'install it with your package manager, or from https://redis.io/docs/latest/operate/oss_and_stack/install/';
  return known[1].replace(/(^|&& |\|\| )/g, `$1${asRoot}`);
}

function dockerAnswers() {
  return spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 5_000 }).status === 0;
}
