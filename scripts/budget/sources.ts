import { readdir, readFile } from 'node:fs/promises';

/** Files by their paths below src, with `/` whatever the system. */
export type Sources = ReadonlyMap<string, string>;

/** All TypeScript and Lua files of src. */
export async function readSources(): Promise<Sources> {
  const src = new URL('../../src/', import.meta.url);
  const paths = (await readdir(src, { recursive: true }))
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.(?:ts|lua)$/.test(path))
    .toSorted();
  const texts = await Promise.all(paths.map((path) => readFile(new URL(path, src), 'utf8')));
  return new Map(paths.map((path, index) => [path, texts[index] ?? '']));
}

export function linesOf(text: string): number {
  return text === '' ? 0 : text.trimEnd().split('\n').length;
}
