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

/** Comments, strings, templates and regular expressions, in the order in which one can hide another. */
const LITERALS =
  /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|`((?:\\.|[^`\\])*)`|(?<=[(,=:[!&|?{};]\s*|\breturn\s)(\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n*])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n])*\/)/g;

/** A file without its comments. */
export function withoutComments(text: string): string {
  return text.replaceAll(LITERALS, (literal, comment?: string) => (comment === undefined ? literal : ''));
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
