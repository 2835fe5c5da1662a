import { createHash } from 'node:crypto';
import { textOf } from './lua-files.ts';

/** A Lua script and the name Redis caches it under. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

/** A line of Lua that stands for another file: text that several files share, where a function would cost too much. */
const PLACE = /--\[\[ ([\w-]+) \]\]/g;

function read(name: string): string {
  return textOf(name).replace(PLACE, (_, other: string) =>
    other === 'operations' ? operations() : read(other),
  );
}

function script(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** The operations of a call by name, and the file and the function that do them. */
const OPERATIONS: readonly (readonly [name: string, file: string, lua?: string])[] = [
  ['acquire', 'acquire'],
  ['contend', 'acquire'],
  ['release', 'release'],
  ['confirm', 'confirm'],
  ['extend', 'extend'],
  ['inspect', 'inspect'],
  ['enter', 'waiting', 'enter'],
  ['leave', 'waiting', 'leave'],
  ['waiting', 'waiting'],
  ['share', 'share'],
  ['confirm-share', 'share', 'confirm_share'],
  ['extend-share', 'share', 'extend_share'],
  ['release-share', 'share', 'release_share'],
];

/** The operations on a slot of a semaphore, and the operation on a lock that each is made of. */
const PERMITS: readonly (readonly [name: string, of: string])[] = [
  ['permit', 'acquire'],
  ['extend-permit', 'extend'],
];

/**
 * The source of a Lua function that makes an operation's function on demand: Redis makes every function that it comes
 * by anew in each call, which would cost more than most calls' operations.
 */
function operations(): string {
  const several = `if n > 1 and (name == 'acquire' or name == 'contend') then\n${read('acquire-all')}\nreturn acquire_all\nend`;
  const branches = OPERATIONS.map(
    ([name, file, lua = file]) => `if name == '${name}' then\n${read(file)}\nreturn ${lua}\nend`,
  );
  const permits = PERMITS.map(
    ([name, of]) =>
      `if name == '${name}' then\n${read(of)}\n${read('permit')}\n` +
      `return function(...) return permit(${of}, ...) end\nend`,
  );
  const parts = [read('keys'), read('queue'), read('counter'), several, ...branches, ...permits];
  return `${read('helpers')}\noperation = function(name, n)\n${parts.join('\n')}\nend`;
}

/** Carries the operations of one tick to one node, see `lua/batch.lua`. */
export const batchScript: Script = script(`${read('prelude')}\n${read('batch')}`);

/** Looks at one server and writes its marker, see `lua/marker.lua`. */
export const markerScript: Script = script(read('marker'));
