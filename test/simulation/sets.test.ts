import { describe, expect, test } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import { randomSets, runLoops, someOf, wantAll } from './sets/scenes.ts';

const LONGEST_TEST_MS = 3_600_000;

/** How many random sets are asked for in all, half of them where programs die or hang. */
const { QUORLOCK_SETS: sets = '4000' } = process.env;

/** How many of those one run has. */
const CALLS_A_RUN = 100;

const seed = chooseSeed();

describe('a caller that wants several resources', () => {
  test.each([
    ['two, each of them in a loop', { resources: ['a', 'b'], loops: 1, longestHoldMs: 20, times: 20 }],
    ['two, each of them in three loops', { resources: ['a', 'b'], loops: 3, longestHoldMs: 20, times: 20 }],
    [
      'five, each of them in three loops',
      { resources: [...'abcde'], loops: 3, longestHoldMs: 20, times: 20 },
    ],
    [
      'five that are held for a second',
      { resources: [...'abcde'], loops: 3, longestHoldMs: 1_000, times: 3 },
    ],
  ])('is served after those that have waited for longer, and two holds more: %s', async (_, scene) => {
    const { waits, failures } = await wantAll({ ...scene, seed });
    console.log(`served after ${waits.map((ms) => ms.toFixed(0)).join(', ')} ms`);
    expect(failures, `QUORLOCK_SEED=${seed}`).toBe(0);
    const most = (scene.loops - 1 + 3) * scene.longestHoldMs;
    expect(Math.max(...waits), `QUORLOCK_SEED=${seed}`).toBeLessThan(most);
  });
});

describe('sixteen programs', () => {
  test('that want two of three resources each have nearly as many locks as of one resource', async () => {
    const set = (_: number, dice: Parameters<typeof someOf>[2]) => someOf(2, ['a', 'b', 'c'], dice);
    const figures = await runLoops({ programs: 16, holdMs: 1, forMs: 3_000, seed, set });
    const { perSecond, commandsPerLock, failures, overlaps } = figures;
    console.log(`two of three: ${perSecond} locks/s, ${commandsPerLock.toFixed(1)} commands a lock`);
    expect({ failures, overlaps }, `QUORLOCK_SEED=${seed}`).toEqual({ failures: 0, overlaps: 0 });
    expect(perSecond, `QUORLOCK_SEED=${seed}`).toBeGreaterThanOrEqual(500);
    expect(commandsPerLock, `QUORLOCK_SEED=${seed}`).toBeLessThanOrEqual(20);
  });

  test('that dine like philosophers all eat, half of them at a time', async () => {
    const set = (index: number) => [`fork ${index}`, `fork ${(index + 1) % 16}`];
    const { perSecond, failures, overlaps } = await runLoops({
      programs: 16,
      holdMs: 10,
      forMs: 3_000,
      // How well they alternate depends on who begins.
      seed: 1,
      set,
    });
    console.log(`philosophers: ${perSecond} locks/s of 800`);
    expect({ failures, overlaps }).toEqual({ failures: 0, overlaps: 0 });
    expect(perSecond).toBeGreaterThanOrEqual(700);
  });
});

describe(`${sets} random sets`, () => {
  const runs = Math.ceil(Number(sets) / 2 / CALLS_A_RUN);

  test('are all served, none after more holds than there are programs', {
    timeout: LONGEST_TEST_MS,
  }, async () => {
    let locks = 0;
    let [most, worst] = [0, ''];
    for (let count = 0; count < runs; count += 1) {
      const { figures, programs, longestHoldMs, story } = await randomSets(
        seedAfter(seed, count),
        CALLS_A_RUN,
        false,
      );
      expect({ failures: figures.failures, overlaps: figures.overlaps }, story).toEqual({
        failures: 0,
        overlaps: 0,
      });
      locks += figures.locks;
      const longest = Math.max(...figures.waits) / (programs * (longestHoldMs + 40));
      if (longest > most) [most, worst] = [longest, story];
    }
    console.log(`${locks} sets, the longest wait ${most.toFixed(2)} of what is allowed; ${worst}`);
    expect(most, worst).toBeLessThanOrEqual(1);
  });

  test.each([1799541458, 2697598736])(
    'are served where a waiter that is taken to hang has just come back: seed %d',
    async (found) => {
      const { figures, programs, longestHoldMs, story } = await randomSets(found, CALLS_A_RUN, false);
      expect(figures.failures, story).toBe(0);
      expect(Math.max(...figures.waits), story).toBeLessThanOrEqual(programs * (longestHoldMs + 40));
    },
  );

  test('are all served where programs die or hang', { timeout: LONGEST_TEST_MS }, async () => {
    let locks = 0;
    for (let count = 0; count < runs; count += 1) {
      const { figures, story } = await randomSets(seedAfter(~seed, count), CALLS_A_RUN, true);
      expect({ failures: figures.failures, overlaps: figures.overlaps }, story).toEqual({
        failures: 0,
        overlaps: 0,
      });
      locks += figures.locks;
    }
    console.log(`${locks} sets`);
  });
});
