import { readdir, readFile } from 'node:fs/promises';

/** Source files by their paths below src, with `/` whatever the system. */
export type Sources = ReadonlyMap<string, string>;

/** Reads all files under src that end like this. */
export async function readSources(ending: string): Promise<Sources> {
  const src = new URL('../../src/', import.meta.url);
  const paths = (await readdir(src, { recursive: true })).map((path) => path.replaceAll('\\', '/'));
  const wanted = paths.filter((path) => path.endsWith(ending)).toSorted();
  const texts = await Promise.all(wanted.map((path) => readFile(new URL(path, src), 'utf8')));
  return new Map(wanted.map((path, index) => [path, texts[index] ?? '']));
}

/** Folders that are made, not written. */
const MADE = new Set(['node_modules', 'dist', 'coverage']);

/** Reads all files of the project that have text: those of these folders, and those that stand beside them. */
export async function readProject(folders: readonly string[]): Promise<Sources> {
  const root = new URL('../../', import.meta.url);
  const lists = await Promise.all(folders.map((folder) => pathsIn(root, folder)));
  const beside = (await readdir(root, { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => name);
  const paths = [...beside, ...lists.flat()].toSorted();
  const texts = await Promise.all(paths.map((path) => readFile(new URL(path, root), 'utf8')));
  return new Map(paths.map((path, index) => [path, texts[index] ?? '']));
}

async function pathsIn(root: URL, folder: string): Promise<readonly string[]> {
  const entries = await readdir(new URL(`${folder}/`, root), { withFileTypes: true });
  const lists = entries
    .filter(({ name }) => !MADE.has(name))
    .map(async (entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? await pathsIn(root, path) : [path];
    });
  return (await Promise.all(lists)).flat();
}

/** Comments, strings, templates and regular expressions, in the order in which one can hide another. */
const LITERALS =
  /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|`((?:\\.|[^`\\])*)`|(?<=[(,=:[!&|?{};]\s*|\breturn\s)(\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])*\/)/g;

/** A file without its comments. */
export function withoutComments(text: string): string {
  return text.replaceAll(LITERALS, (literal, comment?: string) => (comment === undefined ? literal : ''));
}

/** What the comments of a file say; of a page, all of it. */
export function commentsOf(path: string, text: string): string {
  if (path.endsWith('.md')) return text;
  if (path.endsWith('.lua')) return (text.match(/--.*/g) ?? []).join('\n');
  if (!/\.(?:[cm]?ts|mjs|c|pml)$/.test(path)) return '';
  return [...text.matchAll(LITERALS)].map(([, comment = '']) => comment).join('\n');
}

/** A file without comments, and without what strings, templates and regular expressions say: what runs. */
export function codeOf(text: string): string {
  return text.replaceAll(LITERALS, (_, comment?: string, quoted?: string, template?: string) => {
    if (comment !== undefined) return '';
    if (quoted !== undefined) return "''";
    if (template === undefined) return '/./';
    // What a template puts in is code, and is judged as code.
    return `(${[...template.matchAll(/\$\{([^{}]*)\}/g)].map(([, code]) => codeOf(code ?? '')).join(', ')})`;
  });
}

/** What a file imports or exports again: paths below src, and the names of packages. */
export function importsOf(path: string, text: string): readonly string[] {
  const specifiers = withoutComments(text).matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"\n]+)['"]/g);
  return [...specifiers].map(([, specifier = '']) =>
    specifier.startsWith('.') ? new URL(specifier, `file:///${path}`).pathname.slice(1) : specifier,
  );
}
