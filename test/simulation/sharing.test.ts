import { describe, expect, test } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import type { Lock } from '../../src/index.ts';
import { findOverAdmissions, type Occupancy } from '../../src/testing/checkers/over-admission.ts';
import type { NetworkRules } from '../../src/testing/connection.ts';
import { Rng } from '../../src/testing/rng.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { PlainSemaphore } from './sharing/plain-semaphore.ts';

const LONGEST_TEST_MS = 600_000;

const seed = chooseSeed();

const NETWORK: NetworkRules = {
  latency: { least: 0.1, most: 2 },
  loss: 0,
  overtaking: 0,
  doubling: 0,
  doublingDelay: { least: 1, most: 10 },
  reconnectDelay: 50,
  resends: false,
};

describe('two permits on three nodes, wanted by six machines', () => {
  /** Within so many permits a semaphore that is none must show. */
  const CYCLES = 10_000;
  const TERMS = { permits: 2, ttl: 1_000 };
  const MACHINES = 6;

  /** Somebody who gets permits, and has each for a moment. */
  interface User {
    acquire(name: string): Promise<(() => Promise<unknown>) | null>;
    sleep(ms: number): Promise<void>;
  }

  /** Every permit that was had, until there are enough of them. */
  async function use(simulation: Simulation, users: readonly User[]): Promise<readonly Occupancy[]> {
    const had: Occupancy[] = [];
    const dice = Rng.ofSeed(seed);
    await simulation.until(
      Promise.all(
        users.map(async ({ acquire, sleep }, index) => {
          for (let round = 0; had.length < CYCLES; round += 1) {
            const holder = `machine ${index + 1}, ${round}`;
            const release = await acquire(holder);
            if (release !== null) {
              const from = simulation.nowMs;
              await sleep(dice.between(0, 3));
              had.push({ holder, from, to: simulation.nowMs });
              await release();
            }
            await sleep(dice.between(0, 2));
          }
        }),
      ),
    );
    return had;
  }

  test(
    'each node counts its own, and a majority wins: a third one is in',
    async () => {
      const simulation = new Simulation({ seed, network: NETWORK });
      const random = new SeededRandom(seed);
      const users = Array.from({ length: MACHINES }, (): User => {
        const semaphore = new PlainSemaphore(simulation, random.fork(), NETWORK, TERMS);
        return {
          acquire: async (name) =>
            (await semaphore.tryAcquire(name)) ? () => semaphore.release(name) : null,
          sleep: (ms) => semaphore.sleep(ms),
        };
      });
      const had = await use(simulation, users);
      const crowds = findOverAdmissions(had, TERMS.permits);
      const [first] = crowds;
      console.log(`counted on every node: ${crowds.length} crowds in ${had.length} permits`);
      expect(first?.permits, `QUORLOCK_SEED=${seed}`).toBe(3);
    },
    LONGEST_TEST_MS,
  );

  test(
    'two slots, each a lock: never a third one',
    async () => {
      const simulation = new Simulation({ seed, network: NETWORK });
      const users = Array.from({ length: MACHINES }, (): User => {
        const machine = simulation.machine();
        const semaphore = machine.redlock({ ttl: TERMS.ttl }).semaphore('s', TERMS.permits);
        return {
          acquire: async () => {
            const lock = await semaphore.tryAcquire();
            return lock === null ? null : () => lock.release();
          },
          sleep: (ms) => machine.sleep(ms),
        };
      });
      const had = await use(simulation, users);
      expect(findOverAdmissions(had, TERMS.permits), `QUORLOCK_SEED=${seed}`).toEqual([]);
      expect(findOverAdmissions(had, TERMS.permits - 1).length).toBeGreaterThan(0);
    },
    LONGEST_TEST_MS,
  );
});

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
