import { expect, it } from 'vitest';
import { chooseSeed, seedAfter } from '../../../scripts/support/seeds.ts';
import { run } from './random/run.ts';
import { termsOf } from './random/terms.ts';

/** How many worlds are drawn, one after the other. */
const RUNS = 60;

const LONGEST_TEST_MS = 120_000;

const seed = chooseSeed();

/**
 * Callers of several programs take turns under leases, while whatever can go wrong goes wrong: each sees whether another
 * one holds what it got, whether its token is above those before it, and whether a handle that is over stays so. In the
 * end nothing may be left.
 */
it(
  `callers that take turns break no promise, QUORLOCK_SEED=${seed}`,
  async () => {
    let [locks, handOvers] = [0, 0];
    for (let index = 0; index < RUNS; index += 1) {
      const terms = termsOf(seedAfter(seed, index));
      const outcome = await run(terms);
      locks += outcome.locks;
      handOvers += outcome.handOvers;
      const again = `The same again: QUORLOCK_SEED=${terms.seed}, ${JSON.stringify(terms)}`;
      expect(outcome.faults, again).toEqual([]);
    }
    // Or else nothing was tried.
    expect(handOvers).toBeGreaterThan(locks / 10);
  },
  LONGEST_TEST_MS,
);
