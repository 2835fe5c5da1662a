import { expect, test } from 'vitest';
import type { Defect } from '../../scripts/faults/defects.ts';
import { runOnFleet } from '../../scripts/faults/fleet/run.ts';
import { describeVerdict } from '../../scripts/faults/fleet/words.ts';
import { chooseSeed } from '../../scripts/support/seeds.ts';

const seed = chooseSeed();
const never = new AbortController().signal;

/** The checkers of runs on real servers find what they are there for; the simulator's find the same in simulator.test.ts. */
test.each<[defects: readonly Defect[], scenario: string, found: readonly RegExp[]]>([
  [
    ['no lock'],
    'calm',
    [/overlaps of holders that acted/, /tokens that were not unique/, /updates lost in spite of the guard/],
  ],
  [['tokens'], 'inside', [/tokens that were not unique or did not grow/]],
  [
    ['early release', 'permits', 'timers', 'keys'],
    'calm',
    [
      /overlaps of validities/,
      /extensions of locks that a later one had replaced/,
      /times more permits than there are/,
      /things left after close/,
      /keys without an owner: lock:of no caller/,
    ],
  ],
  [['never', 'late'], 'calm', [/waits that never ended/, /waits that ended late/]],
])('a library with the defects %j is found out', async (defects, scenario, found) => {
  const verdict = await runOnFleet({ scenario, seed, durationMs: 8_000, defects }, never);
  console.log(`${describeVerdict(verdict)}, QUORLOCK_SEED=${seed}`);
  for (const what of found) expect(verdict.broken.join('\n')).toMatch(what);
});
