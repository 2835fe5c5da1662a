import { batchScript } from '../../src/wire/scripts.ts';
import { entered } from './entered.ts';
import { linesOf, readSources, type Sources } from './sources.ts';
import { type FunctionLength, functionsOf, mutableFieldsOf } from './syntax.ts';

/** Where the classes are that know of waiters. */
const WAITING = 'waiting/';

/** Entries of their own, beside the core. */
const BESIDE_THE_CORE = ['testing/', 'fencing/', 'compat/', 'cli/', 'otel/'];

const LUA = 'wire/lua/';

const MOST_LINES_OF_A_FUNCTION = 70;
const LONGEST_SHOWN = 10;

/** One number that is kept small. */
export interface Line {
  readonly what: string;
  /** What it was in the library's first design; undefined: it was not counted. */
  readonly before: number | undefined;
  readonly now: number;
  /** What it is to be at most. */
  readonly budget: number;
}

export interface Budget {
  readonly lines: readonly Line[];
  /** The longest functions of src, the longest first. */
  readonly longest: readonly FunctionLength[];
  /** The mutable fields of the waiting state, as `Class.field`. */
  readonly fields: readonly string[];
  /** The Lua files whose text stands in the batch script more than once, and how often. */
  readonly copies: ReadonlyMap<string, number>;
}

/** Counts all of it in the code as it is. */
export async function measure(): Promise<Budget> {
  const sources = await readSources();
  const { acquire, release } = await entered();
  const scripts = [...sources].filter(([path]) => path.endsWith('.ts'));
  const longest = scripts
    .flatMap(([path, text]) => functionsOf(path, text))
    .sort((a, b) => b.lines - a.lines)
    .slice(0, LONGEST_SHOWN);
  const fields = scripts
    .filter(([path]) => path.startsWith(WAITING))
    .flatMap(([path, text]) => mutableFieldsOf(path, text));
  const copies = copiesIn(batchScript.source, sources);
  const line = (what: string, before: number | undefined, now: number, budget: number): Line => ({
    what,
    before,
    now,
    budget,
  });
  const lines = [
    line('files entered by an uncontended acquire', 42, acquire.files, 20),
    line('functions entered by that acquire', 161, acquire.functions, 75),
    line('files entered by release when no caller waits', 22, release.files, 12),
    line('functions entered by that release', 77, release.functions, 40),
    line('mutable fields of the waiting state', 34, fields.length, 16),
    line('lines of the core, Lua included', 9_913, coreLines(sources), 7_000),
    line('characters of the composed batch script', 78_447, batchScript.source.length, 40_000),
    line('Lua files that stand in it more than once', undefined, copies.size, 0),
    line('lines of the longest function', undefined, longest[0]?.lines ?? 0, MOST_LINES_OF_A_FUNCTION),
  ];
  return { lines, longest, fields, copies };
}

function coreLines(sources: Sources): number {
  let lines = 0;
  for (const [path, text] of sources) {
    if (!BESIDE_THE_CORE.some((folder) => path.startsWith(folder))) lines += linesOf(text);
  }
  return lines;
}

/** A Lua file may have a place for another one in it, see `wire/scripts.ts`: its longest piece stands for it. */
export function copiesIn(script: string, sources: Sources): ReadonlyMap<string, number> {
  const copies = new Map<string, number>();
  for (const [path, text] of sources) {
    if (!path.startsWith(LUA)) continue;
    const pieces = withoutComments(text).split(/--\[\[ [\w-]+ \]\]/);
    const [longest = ''] = pieces.map((piece) => piece.trim()).sort((a, b) => b.length - a.length);
    const count = longest === '' ? 0 : withoutComments(script).split(longest).length - 1;
    if (count > 1) copies.set(path.slice(LUA.length), count);
  }
  return copies;
}

/** Whole lines of comment, which a script may leave out. */
function withoutComments(lua: string): string {
  return lua.replace(/^[ \t]*--(?!\[\[).*\n/gm, '');
}
