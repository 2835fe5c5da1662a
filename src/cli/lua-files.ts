import { readFileSync } from 'node:fs';

/**
 * The text of a Lua script beside this file. In the package another module is in the place of this one, see
 * `scripts/build.mjs`: it has the texts in it, since no file is beside a program that a bundler has put together.
 */
export function textOf(name: string): string {
  return readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8');
}
