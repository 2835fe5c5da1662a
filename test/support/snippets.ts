import { readdir, readFile } from 'node:fs/promises';

/** Where a program finds the package, and where its code in this repository does. Longest path first. */
const ENTRIES = [
  ["'../../../../src/fencing/index.ts'", "'quorlock/fencing'"],
  ["'../../../../src/otel/index.ts'", "'quorlock/otel'"],
  ["'../../../../src/testing/index.ts'", "'quorlock/testing'"],
  ["'../../../../src/index.ts'", "'quorlock'"],
] as const;

/** The code that a page of documentation shows, in its order. */
export function shownOn(page: string): readonly string[] {
  return [...page.matchAll(/^```(?:ts|js)\n(.*?)^```$/gms)].map(([, code = '']) => code);
}

/**
 * The code in a folder of snippets, as a page shows it. Being files, snippets are linted, type-checked and run like
 * all other code; a page must show every one of them, letter by letter.
 */
export async function snippetsIn(folder: URL): Promise<readonly string[]> {
  const files = (await readdir(folder)).toSorted();
  return Promise.all(files.map((file) => snippet(new URL(file, folder))));
}

/** One of them. */
export async function snippet(file: URL): Promise<string> {
  const code = await readFile(file, 'utf8');
  return ENTRIES.reduce((text, [path, name]) => text.replaceAll(path, name), code);
}

/** The ports of the nodes that the pages' programs connect to: those of docker-compose.redis5.yml. */
export const README_PORTS: readonly number[] = [7101, 7102, 7103, 7104, 7105];

export const README_URLS: readonly string[] = README_PORTS.map((port) => `redis://127.0.0.1:${port}`);

/** A program of a page made to run here: with the package from src, on these nodes in place of its own. */
export function runnable(program: string, urls: readonly string[]): string {
  const here = program.replaceAll("'quorlock'", "'./src/index.ts'");
  return README_PORTS.reduce((code, port, index) => code.replaceAll(`${port}`, portOf(urls[index])), here);
}

function portOf(url = ''): string {
  return new URL(url).port;
}
