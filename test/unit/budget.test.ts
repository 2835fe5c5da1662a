import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { copiesIn, type Line } from '../../scripts/budget/budget.ts';
import { functionsOf, mutableFieldsOf } from '../../scripts/budget/syntax.ts';

/**
 * What no line may exceed. A line that has reached its budget is held there; one that has not, where it is: lower its
 * number whenever it gets better.
 */
const CEILINGS: Readonly<Record<string, number>> = {
  'files entered by an uncontended acquire': 19,
  'functions entered by that acquire': 74,
  'files entered by release when no caller waits': 12,
  'functions entered by that release': 47,
  'mutable fields of the waiting state': 16,
  'lines of the core, Lua included': 14_794,
  'characters of the composed batch script': 30_594,
  'Lua files that stand in it more than once': 0,
  'lines of the longest function': 70,
};

const SCRIPT = fileURLToPath(new URL('../../scripts/budget.ts', import.meta.url));

describe('the budget', () => {
  let lines: readonly Line[];
  // A process of its own: the test runner puts functions of its own into the files that are counted.
  beforeAll(async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', SCRIPT, '--json']);
    lines = JSON.parse(stdout).lines;
  });

  it('has a ceiling for every line', () => {
    expect(lines.map(({ what }) => what)).toEqual(Object.keys(CEILINGS));
  });

  it('is not exceeded any further', () => {
    const exceeded = lines.filter(({ what, now }) => now > ceilingOf(what));
    expect(exceeded.map(({ what, now }) => `${what}: ${now}, at most ${ceilingOf(what)}`)).toEqual([]);
  });

  it('is held where it has been reached', () => {
    const loose = lines.filter(({ what, now, budget }) => now <= budget && ceilingOf(what) > budget);
    expect(loose.map(({ what, budget }) => `${what}: its ceiling can be the budget, ${budget}`)).toEqual([]);
  });

  it('counts something', () => {
    for (const { what, now } of lines) {
      if (what !== 'Lua files that stand in it more than once') expect(now, what).toBeGreaterThan(0);
    }
  });
});

function ceilingOf(what: string): number {
  return CEILINGS[what] ?? 0;
}

describe('functionsOf', () => {
  it('names functions, and counts their lines without the comment before them', () => {
    const text = [
      '/** What it does. */',
      'export function one(): void {',
      '  two();',
      '}',
      'const two = (): void => {',
      '};',
      'class C {',
      '  readonly #field = () => 1;',
      '  /** Braces in a text: { */',
      "  #method(): string { return '{'; }",
      '}',
      'one(() => {});',
    ].join('\n');
    expect(functionsOf('a.ts', text)).toEqual([
      { where: 'a.ts:2', name: 'one', lines: 3 },
      { where: 'a.ts:5', name: 'two', lines: 2 },
      { where: 'a.ts:8', name: '#field', lines: 1 },
      { where: 'a.ts:10', name: '#method', lines: 1 },
      { where: 'a.ts:12', name: '(without a name)', lines: 1 },
    ]);
  });

  it('refuses what is no TypeScript', () => {
    expect(() => functionsOf('a.ts', 'function {')).toThrow(/a\.ts: /);
  });
});

describe('mutableFieldsOf', () => {
  it('finds the fields of objects that are not readonly', () => {
    const text = [
      'export class C {',
      '  static count = 0;',
      '  readonly #fixed = new Map<string, number>();',
      '  readonly name: string;',
      '  #state: string | undefined;',
      '  public open = true;',
      '  get size(): number { return 1; }',
      '}',
      'interface I { field: number }',
    ].join('\n');
    expect(mutableFieldsOf('a.ts', text)).toEqual(['C.#state', 'C.open']);
  });
});

describe('copiesIn', () => {
  it('counts Lua files whose text stands in a script more than once', () => {
    const sources = new Map([
      ['wire/lua/one.lua', '-- One.\nlocal one = 1\n'],
      ['wire/lua/two.lua', '-- Two.\nlocal two = 2\n--[[ one ]]\n'],
      ['wire/lua/three.lua', 'local three = 3\n'],
      ['wire/other.ts', 'local two = 2'],
    ]);
    const script = 'local two = 2\nlocal one = 1\nlocal one = 1\n-- One.\n';
    expect(copiesIn(script, sources)).toEqual(new Map([['one.lua', 2]]));
  });
});
