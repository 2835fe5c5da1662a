import { readFileSync } from 'node:fs';

/**
 * The text of a Lua script beside this file. In the package another module is in its place, see `scripts/build.mjs`.
 * That one contains the texts: no file is beside a program that a bundler has put together.
 */
export function textOf(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}
