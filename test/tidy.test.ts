import { beforeAll, describe, expect, it } from 'vitest';
import * as commandScripts from '../src/cli/scripts.ts';
import { redisGuard } from '../src/fencing/index.ts';
import * as scripts from '../src/wire/scripts.ts';
import {
  hiddenInputs,
  importCycles,
  indexesThatAreNoLists,
  loopholes,
  outwardImports,
  strayFileNames,
  strayImports,
  unfinishedWork,
  unloadedLua,
  upwardImports,
  type Violations,
} from './tidy/rules.ts';
import {
  codeOf,
  commentsOf,
  readProject,
  readSources,
  type Sources,
  withoutComments,
} from './tidy/source.ts';

let sources: Sources;
let lua: Sources;
beforeAll(async () => {
  sources = await readSources('.ts');
  lua = await readSources('.lua');
});

describe('src', () => {
  it('is read', () => {
    expect(sources.size).toBeGreaterThan(40);
    expect(lua.size).toBeGreaterThan(8);
  });

  it('imports downwards only', () => expect(upwardImports(sources)).toEqual([]));
  it('has no circle of imports', () => expect(importCycles(sources)).toEqual([]));
  it('imports files that are there', () => expect(strayImports(sources)).toEqual([]));
  it('takes time and chance from its base', () => expect(hiddenInputs(sources)).toEqual([]));
  it('has indexes that are lists of names', () => expect(indexesThatAreNoLists(sources)).toEqual([]));
  it('goes around neither the type checker nor the linter', () => expect(loopholes(sources)).toEqual([]));
  it('is finished', () => expect(unfinishedWork(new Map([...sources, ...lua]))).toEqual([]));

  it('loads every Lua file that it has', async () => {
    let guard = '';
    const client = {
      eval: async (script: string) => {
        guard = script;
        return ['ok'];
      },
    };
    await redisGuard(client).register('page', 1);
    const loaded = Object.values(scripts).map(({ source }) => source);
    expect(unloadedLua(lua, [...loaded, guard, ...Object.values(commandScripts)])).toEqual([]);
  });
});

describe('the project', () => {
  it('names no file that does not exist, in comments and on its pages', async () => {
    const project = await readProject(['bench', 'docs', 'examples', 'scripts', 'src', 'test']);
    expect(project.size).toBeGreaterThan(sources.size);
    expect(strayFileNames(project)).toEqual([]);
  });

  it('imports tests in tests only, and in the fleet nothing but the fleet', async () => {
    const project = await readProject(['bench', 'examples', 'scripts', 'src', 'test']);
    expect(outwardImports(project)).toEqual([]);
  });
});

describe('the rules of the house find', () => {
  it.each<[string, Record<string, string>, Violations]>([
    [
      'an import of a floor above',
      { 'wire/run.ts': "import { Node } from '../node/node.ts';", 'node/node.ts': '' },
      ['wire/run.ts imports node/node.ts'],
    ],
    [
      'an import of types from a floor above, over several lines',
      { 'base/vote.ts': "import type {\n  Lock,\n} from '../lock/lock.ts';", 'lock/lock.ts': '' },
      ['base/vote.ts imports lock/lock.ts'],
    ],
    [
      'an import at run time',
      { 'base/vote.ts': "const lock = await import('../lock/lock.ts');", 'lock/lock.ts': '' },
      ['base/vote.ts imports lock/lock.ts'],
    ],
    [
      'an export of a floor above',
      { 'lock/lock.ts': "export { Redlock } from '../redlock.ts';", 'redlock.ts': '' },
      ['lock/lock.ts imports redlock.ts'],
    ],
    [
      'fencing that imports more than the base',
      {
        'fencing/token.ts': "import '../wire/run.ts';\nimport '../base/vote.ts';",
        'wire/run.ts': '',
        'base/vote.ts': '',
      },
      ['fencing/token.ts imports wire/run.ts'],
    ],
    [
      'a house that imports its annex',
      { 'redlock.ts': "import './fencing/token.ts';", 'fencing/token.ts': '' },
      ['redlock.ts imports fencing/token.ts'],
    ],
    [
      'a library that imports what tests it',
      {
        'redlock.ts': "import './testing/clock-face.ts';",
        'testing/clock-face.ts': "import '../redlock.ts';",
      },
      ['redlock.ts imports testing/clock-face.ts'],
    ],
    ['a folder that is no floor', { 'utils/misc.ts': '' }, ['utils/misc.ts stands on no floor']],
  ])('%s', (_, files, violations) => expect(upwardImports(of(files))).toEqual(violations));

  it('a circle of imports', () => {
    const files = of({
      'base/a.ts': "import './b.ts';",
      'base/b.ts': "import type { C } from './c.ts';",
      'base/c.ts': "export * from './a.ts';",
      'base/d.ts': "import './a.ts';",
    });
    expect(importCycles(files)).toEqual(['base/a.ts → base/b.ts → base/c.ts → base/a.ts']);
  });

  it('no circle where two ways lead to one file', () => {
    const files = of({
      'base/a.ts': "import './b.ts';\nimport './c.ts';",
      'base/b.ts': "import './c.ts';",
      'base/c.ts': '',
    });
    expect(importCycles(files)).toEqual([]);
  });

  it('an import from outside of src', () => {
    const files = of({
      'base/a.ts': "import { version } from '../../package.json';\nimport { Redis } from 'ioredis';",
    });
    expect(strayImports(files)).toEqual(['base/a.ts imports package.json, which is not in src']);
  });

  it.each<[string, Record<string, string>, Violations]>([
    [
      'a script that imports from the tests',
      { 'scripts/faults/run.ts': "import { a } from '../../test/support/a.ts';" },
      ['scripts/faults/run.ts imports test/support/a.ts'],
    ],
    [
      'a program in a text that imports from the tests',
      { 'scripts/run.mjs': "const program = `import { a } from './test/support/a.ts';`;" },
      ['scripts/run.mjs imports scripts/test/support/a.ts'],
    ],
    [
      'a configuration that imports from the tests',
      { 'vitest.config.ts': "import { a } from './test/support/a.ts';" },
      ['vitest.config.ts imports test/support/a.ts'],
    ],
    [
      'a fleet that imports from what uses it',
      {
        'scripts/fleet/fleet.ts':
          "import { nap } from '../support/time.ts';\nimport { join } from 'node:path';",
      },
      ['scripts/fleet/fleet.ts imports scripts/support/time.ts'],
    ],
    ['nothing in a test', { 'test/a.test.ts': "import { a } from './support/a.ts';" }, []],
    ['nothing in the fleet by itself', { 'scripts/fleet/a.ts': "import { b } from './b.ts';" }, []],
    ['nothing on a page', { 'docs/a.md': "import { a } from './test/support/a.ts';" }, []],
  ])('%s', (_, files, violations) => expect(outwardImports(of(files))).toEqual(violations));

  it.each([
    'Date.now()',
    'new Date()',
    'Date()',
    'performance.now()',
    'setTimeout(f, 1)',
    'globalThis.setInterval(f, 1)',
    'setImmediate(f)',
    'Math.random()',
    'process.hrtime.bigint()',
    'AbortSignal.timeout(5)',
    'queueMicrotask(f)',
    'process.nextTick(f)',
    'crypto.randomUUID()',
    `\`at \${Date.now()} ms\``,
  ])('%s above the base', (expression) => {
    const text = `export const value = ${expression};`;
    expect(hiddenInputs(of({ 'wire/clients/ioredis.ts': text }))).not.toEqual([]);
    expect(hiddenInputs(of({ 'base/clock.ts': text }))).toEqual([]);
  });

  it('the one exemption, and only that', () => {
    expect(hiddenInputs(of({ 'testing/timeline.ts': 'const later = setImmediate;' }))).toEqual([]);
    expect(hiddenInputs(of({ 'testing/timeline.ts': 'setTimeout(f);' }))).toHaveLength(1);
    expect(hiddenInputs(of({ 'testing/clock-face.ts': 'setImmediate(f);' }))).toHaveLength(1);
  });

  it('timers that are imported', () => {
    const text = "import { setTimeout as sleep } from 'node:timers/promises';";
    expect(hiddenInputs(of({ 'node/node.ts': text }))).toContain('node/node.ts imports node:timers/promises');
  });

  it('nothing in a comment, a string, or a date that is given', () => {
    const text = [
      '// Date.now() would step.',
      '/* Math.random() */',
      "const message = 'never setTimeout()';",
      `const other = \`not performance, \${message}\`;`,
      'const pattern = /setInterval/;',
      'const date = new Date(clock.wall());',
      'clock.after(1, f);',
    ].join('\n');
    expect(hiddenInputs(of({ 'node/node.ts': text }))).toEqual([]);
  });

  it.each(["export * from './redlock.ts';", "export * as all from './redlock.ts';", 'export const one = 1;'])(
    'an index with %s',
    (line) => {
      const list = "export { a,\n  type B } from './a.ts';\nexport type { C } from './c.ts';\n";
      expect(indexesThatAreNoLists(of({ 'index.ts': list }))).toEqual([]);
      expect(indexesThatAreNoLists(of({ 'fencing/index.ts': list + line }))).toHaveLength(1);
    },
  );

  it.each([
    'let value: any;',
    'const list = [] as any[];',
    'const map = new Map<string, any>();',
    'nodes[0]!.close();',
    'const first = find()!;',
    'let late!: string;',
    '// @ts-ignore',
    '// @ts-expect-error: later',
    '// biome-ignore lint/suspicious/noExplicitAny: later',
  ])('a loophole: %s', (line) => expect(loopholes(of({ 'lock/lock.ts': line }))).toHaveLength(1));

  it('no loophole in plain code', () => {
    const text = "// any node!\nif (!isHeld && a !== b) throw new Error('any!');\nAbortSignal.any([signal]);";
    expect(loopholes(of({ 'lock/lock.ts': text }))).toEqual([]);
  });

  it.each(['// TODO: later', '-- FIXME', '/* XXX */'])('work to be done: %s', (line) =>
    expect(unfinishedWork(of({ 'lock/lock.ts': line }))).toHaveLength(1),
  );

  it('a Lua file that no script loads', () => {
    const files = of({ 'wire/lua/a.lua': 'return 1\n', 'wire/lua/b.lua': 'return 2\n' });
    expect(unloadedLua(files, ['-- both\nreturn 1\n'])).toEqual(['wire/lua/b.lua is loaded by no script']);
  });
});

describe('the name of a file that does not exist is found', () => {
  const there = {
    '.gitignore': 'chaos-report/\nnode_modules/\n',
    'src/wire/lua/batch.lua': '',
    'src/base/vote.ts': '',
    'docs/failures.md': '',
  };

  it.each<[string, string, string]>([
    ['in a comment', 'src/wire/batch.ts', '/** See `lua/runs.lua`. */'],
    ['in a comment at the end of a line', 'src/wire/batch.ts', 'const a = 1; // see lua/runs.lua.'],
    ['in one of Lua', 'src/wire/lua/keys.lua', '-- lua/runs.lua has it'],
    ['on a page', 'README.md', 'It is in `lua/runs.lua`.'],
    ['in a link', 'README.md', 'It is [here](lua/runs.lua#top).'],
  ])('%s', (_, path, text) =>
    expect(strayFileNames(of({ ...there, [path]: text }))).toEqual([
      `${path} names lua/runs.lua, which does not exist`,
    ]),
  );

  it.each([
    [
      'src/a.ts',
      '// See lua/batch.lua, wire/lua/batch.lua, batch.lua, ../base/vote.ts and docs/failures.md.',
    ],
    ['src/a.ts', "const name = 'lua/runs.lua';"],
    ['README.md', 'Node.js writes chaos-report/chaos.json, `*.test.ts` and https://host/page.html.'],
    ['README.md', 'Save it as `first.mjs`.'],
  ])('%s: and none in %s', (path, text) =>
    expect(strayFileNames(of({ ...there, [path]: text }))).toEqual([]),
  );
});

describe('a file is read as', () => {
  it('comments alone', () => {
    expect(commentsOf('a.ts', "const url = 'redis://host'; // where\n/* and how */")).toBe(
      '\n// where\n/* and how */',
    );
    expect(commentsOf('a.lua', 'local a = 1 -- one\n')).toBe('-- one');
  });

  it('text without comments, but with strings that look like one', () => {
    expect(withoutComments("const url = 'redis://host'; // where\n/* a\n b */const b = 1;")).toBe(
      "const url = 'redis://host'; \nconst b = 1;",
    );
  });

  it('code without text, but with what templates put in', () => {
    expect(codeOf(`f('it\\'s', "//", \`\${a} of \${b('x')} /* */\`, /[/']\\/'/g, a / b / c);`)).toBe(
      "f('', '', (a, b('')), /./g, a / b / c);",
    );
  });
});

function of(files: Record<string, string>): Sources {
  return new Map(Object.entries(files));
}
