import { describe, expect, test } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import type { Lock } from '../../src/index.ts';
import { Rng } from '../../src/testing/rng.ts';
import { Simulation } from '../../src/testing/simulation.ts';

const LONGEST_TEST_MS = 600_000;

const seed = chooseSeed();

describe('a steady stream of readers, of which some never release', () => {
  const RUNS = 10;
  const WRITES = 30;

  test(
    'keeps a writer waiting for no longer than three ttls of a reader',
    async () => {
      let longest = 0;
      for (let count = 0; count < RUNS; count += 1) {
        longest = Math.max(longest, await longestWait(seedAfter(seed, count)));
      }
      console.log(`longest wait of a writer: ${longest.toFixed(2)} ttls of a reader, QUORLOCK_SEED=${seed}`);
      expect(longest, `QUORLOCK_SEED=${seed}`).toBeLessThanOrEqual(3);
    },
    LONGEST_TEST_MS,
  );

  /** Of all the writes of one run, in ttls of a reader. */
  async function longestWait(ofRun: number): Promise<number> {
    const dice = Rng.ofSeed(ofRun);
    const simulation = new Simulation({
      nodes: dice.pick([3, 5]),
      seed: ofRun,
      network: { latency: { least: 0.1, most: dice.pick([0.5, 2, 5]) } },
    });
    const ttl = dice.integer(200, 1_000);
    const waitTime = 100 * ttl;
    let isOver = false;
    const reading = Array.from({ length: 4 }, () => {
      const machine = simulation.machine();
      const lock = machine.redlock({ quarantine: 'off' }).readWrite('r');
      return Array.from({ length: 3 }, async () => {
        while (!isOver) {
          const held: Lock = await lock.acquireRead({ ttl, waitTime });
          await machine.sleep(dice.between(0, ttl / 2));
          if (!dice.chance(0.1)) await held.release();
        }
      });
    });
    const machine = simulation.machine();
    const lock = machine.redlock({ quarantine: 'off' }).readWrite('r');
    let longest = 0;
    const writing = async () => {
      for (let count = 0; count < WRITES; count += 1) {
        await machine.sleep(dice.between(0, ttl / 4));
        const askedAt = simulation.nowMs;
        const held = await lock.acquireWrite({ ttl, waitTime });
        longest = Math.max(longest, simulation.nowMs - askedAt);
        await held.release();
      }
      isOver = true;
    };
    await simulation.until(Promise.all([writing(), ...reading.flat()]));
    return longest / ttl;
  }
});
