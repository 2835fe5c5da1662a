import { expect, test } from 'vitest';
import type { Defect } from '../../scripts/faults/defects.ts';
import { type Discipline, drawMix } from '../../scripts/faults/simulator/mix.ts';
import { run } from '../../scripts/faults/simulator/run.ts';
import { type Violation, violationsOf } from '../../scripts/faults/simulator/verdict.ts';

/** Calm enough that nothing but the defect can break a promise. */
async function promisesBroken(
  defects: readonly Defect[],
  discipline: Discipline,
): Promise<ReadonlySet<string>> {
  const calm = { faults: [], nodes: 3, loss: 0, apart: 0, rateError: 0, hot: 0.8, machines: 3, permits: 2 };
  const mix = { ...drawMix(7, 'none', 200), ...calm, waiting: 0.5, extending: 0.3, counts: true };
  return new Set(violationsOf(await run({ ...mix, discipline, defects })).map(({ promise }) => promise));
}

/** The checkers of the simulator find what they are there for; the fleet's find the same in fleet.test.ts. */
test.each<[Defect, Discipline, readonly Violation['promise'][]]>([
  ['no lock', 'exclusive', ['exclusion', 'token order', 'updates']],
  ['tokens', 'exclusive', ['token order']],
  ['early release', 'exclusive', ['exclusion', 'extension order']],
  ['permits', 'permits', ['permits']],
  ['never', 'exclusive', ['liveness']],
  ['late', 'exclusive', ['waitTime']],
  ['timers', 'exclusive', ['memory']],
  ['keys', 'exclusive', ['memory']],
])('a library with the defect "%s", where locks are %s, breaks %j', async (defect, discipline, promises) => {
  const broken = await promisesBroken([defect], discipline);
  for (const promise of promises) expect(broken).toContain(promise);
});

test.each<Discipline>(['exclusive', 'shared', 'permits', 'sets'])(
  'and one without a defect none, where locks are %s',
  async (discipline) => {
    expect(await promisesBroken([], discipline)).toEqual(new Set());
  },
);
