import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script and the name Redis caches it under. */
export interface Script {
  readonly source: string;
  readonly sha1: string;
}

function load(...names: readonly string[]): Script {
  const source = names
    .map((name) => readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8'))
    .join('\n');
  return { source, sha1: createHash('sha1').update(source).digest('hex') };
}

/** Carries the operations of one tick to one node, see `lua/batch.lua`. */
export const batchScript: Script = load(
  'prelude',
  'acquire',
  'confirm',
  'extend',
  'release',
  'inspect',
  'batch',
);

/** Looks at one server and writes its marker, see `lua/marker.lua`. */
export const markerScript: Script = load('marker');
