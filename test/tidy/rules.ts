import { codeOf, commentsOf, importsOf, type Sources } from './source.ts';

/** What is wrong, one line each: the file first. */
export type Violations = readonly string[];

/** The floors of the house, from the ground up. A file may import from its own floor and those below. */
const FLOORS: readonly (readonly string[])[] = [
  ['base/'],
  ['wire/'],
  ['node/'],
  ['membership/'],
  ['quorum/'],
  ['lock/'],
  ['waiting/'],
  ['redlock/', 'redlock.ts', 'index.ts'],
  ['compat/', 'otel/'],
  ['cli/'],
];

/** An annex of the house: a way in of its own, on the ground floor. */
const FENCING = 'fencing/';

/** Stands beside the house: may import anything, and nothing may import it. */
const TESTING = 'testing/';

export function upwardImports(sources: Sources): Violations {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    if (path.startsWith(TESTING)) continue;
    const floor = floorOf(path);
    if (floor === undefined) violations.push(`${path} stands on no floor`);
    for (const imported of importsOf(path, text).filter((name) => sources.has(name))) {
      if (!mayImport(path, imported)) violations.push(`${path} imports ${imported}`);
    }
  }
  return violations;
}

function mayImport(path: string, imported: string): boolean {
  if (path.startsWith(FENCING) && imported.startsWith(FENCING)) return true;
  if (imported.startsWith(FENCING) || imported.startsWith(TESTING)) return false;
  return (floorOf(imported) ?? Number.POSITIVE_INFINITY) <= (floorOf(path) ?? 0);
}

function floorOf(path: string): number | undefined {
  if (path.startsWith(FENCING)) return 0;
  const floor = FLOORS.findIndex((rooms) =>
    rooms.some((room) => (room.endsWith('/') ? path.startsWith(room) : path === room)),
  );
  return floor === -1 ? undefined : floor;
}

/** Imports of types count: two files that need each other's types are one concept. */
export function importCycles(sources: Sources): Violations {
  const violations: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      violations.push([...trail.slice(trail.indexOf(path)), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const imported of importsOf(path, sources.get(path) ?? '')) {
      if (sources.has(imported)) visit(imported, [...trail, path]);
    }
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return violations;
}

/** Imports of files that are not there, or that go around the file's name. */
export function strayImports(sources: Sources): Violations {
  return [...sources].flatMap(([path, text]) =>
    importsOf(path, text)
      .filter((name) => /\.\w+$/.test(name) && !sources.has(name))
      .map((name) => `${path} imports ${name}, which is not in src`),
  );
}

/** The servers for tests, scripts and examples: a library of its own. */
const FLEET = 'scripts/fleet/';

/** Imports of tests outside of the tests, and imports of the fleet that are not of the fleet. Paths are of the project. */
export function outwardImports(project: Sources): Violations {
  return [...project].flatMap(([path, text]) => {
    if (path.startsWith('test/') || !/\.[cm]?[jt]s$/.test(path)) return [];
    return importsOf(path, text)
      .filter((name) => /(?:^|\/)test\//.test(name) || (path.startsWith(FLEET) && isOfAnother(name)))
      .map((name) => `${path} imports ${name}`);
  });
}

function isOfAnother(name: string): boolean {
  return /\.\w+$/.test(name) && !name.startsWith(FLEET);
}

const TIME_AND_CHANCE = [
  /\bDate\.now\b/,
  /\bnew Date\(\s*\)/,
  /(?<!new )(?<![\w.])Date\(/,
  /(?<![\w.])performance\b/,
  /\bset(?:Timeout|Interval|Immediate)\b/,
  /\bMath\.random\b/,
  /\bprocess\.(?:hrtime|uptime)\b/,
  /\bAbortSignal\.timeout\b/,
  // Fake timers replace them, too.
  /(?<!platform\.)\bqueueMicrotask\b/,
  /\bprocess\.nextTick\b/,
  /\bcrypto\.\w/,
  /\brandom(?:Bytes|UUID|Int|Fill)/,
];

/** Virtual time moves on when real promise callbacks have run, and only the event loop tells when that is. */
const EXEMPT_FROM_HIDDEN_INPUTS = new Set(['testing/timeline.ts has setImmediate']);

const TIMED_MODULES = /^node:(?:timers|perf_hooks)/;

/** Time and chance enter at the base, and nowhere above it: a simulation runs all the rest. */
export function hiddenInputs(sources: Sources): Violations {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    if (path.startsWith('base/')) continue;
    for (const name of importsOf(path, text)) {
      if (TIMED_MODULES.test(name)) violations.push(`${path} imports ${name}`);
    }
    violations.push(...found(path, codeOf(text), TIME_AND_CHANCE));
  }
  return violations.filter((violation) => !EXEMPT_FROM_HIDDEN_INPUTS.has(violation));
}

/** An index is a list of names. */
export function indexesThatAreNoLists(sources: Sources): Violations {
  const violations: string[] = [];
  for (const [path, text] of sources) {
    if (!/(?:^|\/)index\.ts$/.test(path)) continue;
    const rest = codeOf(text).replaceAll(/export (?:type )?\{[^{}]*\} from '';/g, '');
    if (rest.trim() !== '') violations.push(`${path} is more than a list: ${rest.trim()}`);
  }
  return violations;
}

const LOOPHOLES = [/(?<![.\w])any\b(?!\s*[:=(])/, /[\w$)\]]!(?!=)/];
const SILENCED = [/@ts-(?:ignore|expect-error|nocheck)/, /biome-ignore/, /eslint-disable/];
const UNFINISHED = [/\bTODO\b/, /\bFIXME\b/, /\bXXX\b/];

/** Ways around the type checker: `any`, `!`, and comments that silence a tool. */
export function loopholes(sources: Sources): Violations {
  return [...sources].flatMap(([path, text]) => [
    ...found(path, codeOf(text), LOOPHOLES),
    ...found(path, text, SILENCED),
  ]);
}

export function unfinishedWork(sources: Sources): Violations {
  return [...sources].flatMap(([path, text]) => found(path, text, UNFINISHED));
}

function withoutComments(lua: string): string {
  return lua.replace(/^[ \t]*--(?!\[\[).*\n/gm, '');
}

/** Lua files whose text no script has in it. */
export function unloadedLua(lua: Sources, scripts: readonly string[]): Violations {
  return [...lua].flatMap(([path, text]) => {
    // A comment of this form stands for another file; a script may have no other.
    const pieces = withoutComments(text).split(/--\[\[ [\w-]+ \]\]/);
    const isLoaded = scripts
      .map(withoutComments)
      .some((script) => pieces.every((piece) => script.includes(piece)));
    return isLoaded ? [] : [`${path} is loaded by no script`];
  });
}

/** The name of a file, with its folders or some of them. `Node.js` is none, nor is an address, a pattern, or a part of a longer name. */
const FILE_NAME =
  /(?<![\w.$/<>{}@*:-])(?:\.{1,2}\/)*(?:[\w.-]+\/)*[\w.-]+\.(?:[cm]?ts|[cm]js|lua|md|json|pml|c|ya?ml|svg|html|sh)\b(?![\w/*-])/g;

/** What a reader is told to save under that name. */
const SAVED_BY_READERS = new Set(['first.mjs']);

/**
 * Files that comments and pages name and that do not exist. A name may leave out folders at its beginning; what
 * `.gitignore` lists is made while the project runs.
 */
export function strayFileNames(sources: Sources): Violations {
  const endings = new Set([...sources.keys()].flatMap(endingsOf));
  const ignored = (sources.get('.gitignore') ?? '').split('\n').filter((line) => line !== '');
  const exists = (name: string) =>
    endings.has(name) || SAVED_BY_READERS.has(name) || ignored.some((made) => name.startsWith(made));
  return [...sources].flatMap(([path, text]) => {
    const names = new Set(commentsOf(path, text).match(FILE_NAME));
    return [...names]
      .filter((name) => !exists(name.replace(/^(?:\.{1,2}\/)+/, '')))
      .map((name) => `${path} names ${name}, which does not exist`);
  });
}

/** A path, and what is left of it without its first folder, without the first two, and so on. */
function endingsOf(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.map((_, index) => parts.slice(index).join('/'));
}

function found(path: string, text: string, patterns: readonly RegExp[]): Violations {
  return patterns.flatMap((pattern) => {
    const [match] = pattern.exec(text) ?? [];
    return match === undefined ? [] : [`${path} has ${match}`];
  });
}
