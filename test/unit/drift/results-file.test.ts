import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseArguments } from '../../../scripts/drift/arguments.ts';
import { planOf } from '../../../scripts/drift/plan.ts';
import type { Measured } from '../../../scripts/drift/points.ts';
import { ResultsFile } from '../../../scripts/drift/results-file.ts';

const ORIGIN = { seed: 1, code: 'abc' };

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorlock-results-'));
  path = join(folder, 'results.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true }));

const measured = planOf('quick').flatMap((point): Measured[] =>
  point.kind === 'threshold' ? [{ kind: point.kind, point, result: { safe: 0.01, unsafe: 0.02 } }] : [],
);

describe('the file of results', () => {
  it('goes on where a run was cut short, in the middle of a line too', () => {
    const [first, second] = measured;
    if (first === undefined || second === undefined) throw new Error('the plan has too few thresholds');
    new ResultsFile(path, ORIGIN).add(first);
    const whole = readFileSync(path, 'utf8');
    appendFileSync(path, whole.slice(0, 20));
    const resumed = new ResultsFile(path, ORIGIN);
    expect(resumed.resultOf(first.point)).toEqual(first);
    expect(resumed.resultOf(second.point)).toBeUndefined();
    resumed.add(second);
    expect(new ResultsFile(path, ORIGIN).resultOf(second.point)).toEqual(second);
  });

  it('knows nothing of another seed or other code, nor when it begins anew', () => {
    const [first] = measured;
    if (first === undefined) throw new Error('the plan has no thresholds');
    new ResultsFile(path, ORIGIN).add(first);
    expect(new ResultsFile(path, { ...ORIGIN, seed: 2 }).resultOf(first.point)).toBeUndefined();
    expect(new ResultsFile(path, { ...ORIGIN, code: 'def' }).resultOf(first.point)).toBeUndefined();
    expect(new ResultsFile(path, ORIGIN, { fresh: true }).resultOf(first.point)).toBeUndefined();
  });
});

describe('the arguments of simulate:drift', () => {
  it('are quick or default, with a seed and a folder', () => {
    expect(parseArguments([])).toMatchObject({ extent: 'default', seed: 1, fresh: false });
    expect(parseArguments(['--quick', '--seed', '7', '--fresh'])).toMatchObject({ extent: 'quick', seed: 7 });
  });

  it.each([
    [['--seed=-1'], '--seed must be an integer'],
    [['--seed', 'x'], '--seed must be an integer'],
    [['--out', ' '], '--out must be a folder'],
    [['--what'], '--what'],
  ])('refuse %j', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
  });
});
