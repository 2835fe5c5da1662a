import { inspect } from 'node:util';
import { expect, it } from 'vitest';
import { chooseSeed, seedAfter } from '../../scripts/support/seeds.ts';
import type { Lock, Random, Redlock } from '../../src/index.ts';
import { Rng } from '../../src/testing/rng.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import { Listener, PLAIN, TRACING } from '../support/heard.ts';

const RUNS = 6;
const LASTS_MS = 1_500;
const LONGEST_MS = 60_000;
const LONGEST_TEST_MS = 120_000;

const seed = chooseSeed();

/** Knows what every lock value of a Redlock, and every name of a waiter, begins with. */
class Knowing implements Random {
  readonly secrets: string[];
  readonly #rng: Rng;

  constructor(rng: Rng, secrets: string[]) {
    this.#rng = rng;
    this.secrets = secrets;
  }

  fraction(): number {
    return this.#rng.between(0, 1);
  }

  identifier(): string {
    const secret = `secret${this.#rng.integer(0, 2 ** 32 - 1)}x${this.#rng.integer(0, 2 ** 32 - 1)}`;
    this.secrets.push(secret);
    return secret;
  }
}

/** Everything that can be read in a message, stacks and hidden fields too. */
function allOf(message: unknown): string {
  return inspect(message, { depth: null, showHidden: true, maxArrayLength: null, maxStringLength: null });
}

type Act = (redlock: Redlock, rng: Rng) => Promise<Lock | null>;

const TERMS = (rng: Rng) => ({ ttl: rng.integer(50, 400), waitTime: rng.integer(0, 500) });
const ACTS: readonly Act[] = [
  (redlock, rng) => redlock.acquire(rng.pick(['a', 'b']), TERMS(rng)),
  (redlock, rng) => redlock.acquire(['a', 'b'], TERMS(rng)),
  (redlock) => redlock.tryAcquire('a', { ttl: 300 }),
  (redlock, rng) => redlock.readWrite('a').acquireRead(TERMS(rng)),
  (redlock, rng) => redlock.semaphore('s', 2).acquire(TERMS(rng)),
  async (redlock, rng) => {
    const readWrite = redlock.readWrite('a');
    return await readWrite.downgrade(await readWrite.acquireWrite(TERMS(rng)));
  },
  (redlock, rng) =>
    redlock.using('b', TERMS(rng), async (lock) => {
      if (rng.chance(0.5)) throw new Error('of the routine');
      return await lock.extend();
    }),
];

/** @returns the channels on which something was published */
async function run(runSeed: number): Promise<ReadonlySet<string>> {
  const rng = Rng.ofSeed(runSeed);
  const simulation = new Simulation({ nodes: rng.integer(2, 3), seed: rng.integer(0, 2 ** 32 - 1) });
  const secrets: string[] = [];
  const texts = new Set<string>();
  const channels = new Set<string>();
  using listener = new Listener([...TRACING, ...PLAIN], (message, name) => {
    // At the end of its course a message has all that it had before.
    if (!/:(?:start|end|asyncStart|error)$/.test(name)) texts.add(allOf(message));
  });
  const values = new Set<string>();
  const callers = Array.from({ length: 3 }, async () => {
    const machine = simulation.machine();
    const random = new Knowing(rng.fork(), secrets);
    const redlock = machine.redlock({ quarantine: 'off', nodeTimeout: 40, closeTimeout: 300, random });
    const use = async () => {
      while (simulation.nowMs < LASTS_MS) {
        const lock = await rng
          .pick(ACTS)(redlock, rng)
          .catch(() => null);
        if (lock !== null) values.add(lock.value);
        await machine.sleep(rng.integer(0, 60));
        if (rng.chance(0.3)) await lock?.extend().catch(() => undefined);
        if (rng.chance(0.9)) await lock?.release();
      }
    };
    await Promise.all([use(), use(), use()]);
    await redlock.close();
  });
  for (const node of simulation.nodes) {
    if (!rng.chance(0.4)) continue;
    await simulation.advance(rng.integer(0, 500));
    node.crash();
    await simulation.advance(rng.integer(0, 500));
    node.restart({ keepMemory: rng.chance(0.5) });
  }
  await simulation.until(Promise.all(callers), LONGEST_MS);
  for (const { channel } of listener.heard) channels.add(channel);
  // Or else there would be nothing to find.
  expect(values.size).toBeGreaterThan(5);
  for (const value of values) expect(secrets.some((secret) => value.includes(secret))).toBe(true);
  for (const text of texts) {
    const told = secrets.filter((secret) => text.includes(secret));
    expect(told, text).toEqual([]);
  }
  return channels;
}

it(
  `no message tells a lock value, QUORLOCK_SEED=${seed}`,
  async () => {
    const channels = new Set<string>();
    for (let index = 0; index < RUNS; index += 1) {
      for (const channel of await run(seedAfter(seed, index))) channels.add(channel);
    }
    const ends = TRACING.flatMap((name) => [
      `${name}:start`,
      `${name}:end`,
      `${name}:asyncStart`,
      `${name}:asyncEnd`,
    ]);
    const errors = TRACING.filter((name) => name !== 'quorlock:release').map((name) => `${name}:error`);
    expect([...channels].toSorted()).toEqual([...ends, ...errors, ...PLAIN].toSorted());
  },
  LONGEST_TEST_MS,
);
