import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const { exports, peerDependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** The packages that a program may install beside this one. */
export const DRIVERS = Object.keys(peerDependencies);

/** The sources of entries that have no folder of their name. */
const PATHS = { index: 'index', redlock: 'compat/redlock' };

/**
 * What a program can import, as package.json says: `dist/<name>.cjs` is the entry's code, `dist/<name>.mjs` the same for
 * `import`. The folder of its source has the name of the entry, if {@link PATHS} does not say otherwise.
 */
export const ENTRIES = Object.values(exports)
  .filter((target) => typeof target === 'object')
  .map(({ require: { default: code } }) => basename(code, '.cjs'))
  .map((name) => ({ name, path: PATHS[name] ?? `${name}/index` }));

/** What Node.js runs: the command that package.json names, and the process that it starts. */
export const PROGRAMS = [
  { name: 'cli', path: 'cli/main', isCommand: true },
  { name: 'watcher', path: 'cli/watcher', isCommand: false },
];
