import { expect, it } from 'vitest';
import { run } from '../../../scripts/faults/simulator/run.ts';
import { drawTurns } from '../../../scripts/faults/simulator/turns.ts';
import { describeFailure, violationsOf } from '../../../scripts/faults/simulator/verdict.ts';
import { chooseSeed, seedAfter } from '../../../scripts/support/seeds.ts';

/** How many worlds are drawn, one after the other. */
const RUNS = 60;
const LONGEST_TEST_MS = 120_000;
const seed = chooseSeed();

/**
 * Callers of several programs take turns under leases, while whatever can go wrong goes wrong: none holds what another
 * one does, tokens grow, and a handle that is over stays so. In the end nothing may be left.
 */
it(
  `callers that take turns break no promise, QUORLOCK_SEED=${seed}`,
  async () => {
    let [locks, handOvers] = [0, 0];
    for (let index = 0; index < RUNS; index += 1) {
      const findings = await run(drawTurns(seedAfter(seed, index)));
      locks += findings.locks;
      handOvers += findings.attempts.filter(({ grant }) => grant?.ended?.how === 'handed over').length;
      const violations = violationsOf(findings);
      expect(violations, describeFailure(findings, violations)).toEqual([]);
    }
    // Or else nothing was tried.
    expect(handOvers).toBeGreaterThan(locks / 10);
  },
  LONGEST_TEST_MS,
);
