import { readFileSync } from 'node:fs';

/**
 * The text of a Lua script beside this file. In the package another module replaces this one, see `scripts/build.mjs`:
 * it contains the texts, since a bundled program has no files beside it.
 */
export function textOf(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}
