import { describe, expect, it } from 'vitest';
import type { Redlock, RedlockOptions } from '../../../src/index.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';

/*
 * What programs leave on the nodes for others lives as long as the longest of their settings says: none of them
 * takes anything away from it.
 */

const LONG: RedlockOptions = { maxTtl: 60_000, fenceRetention: 3_600_000 };
const SHORT: RedlockOptions = { maxTtl: 1_000, ttl: 1_000, fenceRetention: 3_000 };

/** What a counter has left that the short one alone cares for. */
const SHORT_MS = 3_000;

interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
}

/** A program with long settings and one with short ones, who know all nodes. */
async function unequal(quarantine: 'auto' | 'off' = 'off') {
  const simulation = new Simulation({ nodes: 3 });
  const open = async (options: RedlockOptions): Promise<Program> => {
    const machine = simulation.machine();
    const redlock = machine.redlock({ quarantine, ...options });
    await simulation.until(redlock.inspect('something else'));
    return { machine, redlock };
  };
  return { simulation, open, long: await open(LONG), short: await open(SHORT) };
}

/** Milliseconds that keys with this beginning have left on each node. */
function leftOf({ nodes }: Simulation, prefix: string): readonly number[] {
  return nodes.flatMap(({ store }) =>
    store
      .keys()
      .filter((key) => key.startsWith(prefix))
      .map((key) => store.ttlOf(key)),
  );
}

describe('a queue is kept for the longest maxTtl of its waiters', () => {
  it('where a program with a short one joins it', async () => {
    const { simulation, long, short } = await unequal();
    const other = simulation.machine().redlock({ quarantine: 'off', ...LONG });
    await simulation.until(other.acquire('r', { ttl: 60_000 }));
    const waiting = long.redlock.acquire('r', { waitTime: 100_000 });
    await simulation.advance(100);
    short.redlock.acquire('r', { waitTime: 100 }).catch(() => undefined);
    await simulation.advance(500);
    const left = leftOf(simulation, 'quorlock:queue:');
    expect(left).toHaveLength(3);
    expect(Math.min(...left)).toBeGreaterThan(100_000);
    await simulation.until(waiting);
  });
});

describe('a fence counter is kept for the longest retention', () => {
  /** What a program does with a lock whose counter others want to keep. */
  const uses: readonly (readonly [string, (redlock: Redlock) => Promise<unknown>])[] = [
    ['locks it', async (redlock) => (await redlock.acquire('r')).release()],
    [
      'extends it',
      async (redlock) => {
        const lock = await redlock.acquire('r');
        await lock.extend();
        await lock.release();
      },
    ],
    ['locks it together with another', async (redlock) => (await redlock.acquire(['q', 'r'])).release()],
    ['shares it', async (redlock) => (await redlock.readWrite('r').acquireRead()).release()],
    [
      'extends a share of it',
      async (redlock) => {
        const lock = await redlock.readWrite('r').acquireRead();
        await lock.extend();
        await lock.release();
      },
    ],
  ];

  it.each(uses)('where a program with a short one %s', async (_, use) => {
    const { simulation, long, short } = await unequal();
    await simulation.until((await simulation.until(long.redlock.acquire('r'))).release());
    await simulation.until(use(short.redlock));
    await simulation.advance(100);
    const left = leftOf(simulation, 'quorlock:fence:').filter((ms) => ms > SHORT_MS);
    expect(left).toHaveLength(3);
  });

  it('where counters differ, and have to be made the same', async () => {
    const { simulation, long, short } = await unequal();
    await simulation.until((await simulation.until(long.redlock.acquire('r'))).release());
    for (const [index, { store }] of simulation.nodes.entries()) {
      for (const key of store.keys().filter((each) => each.startsWith('quorlock:fence:')))
        store.set(key, String(Number(store.get(key)) + 10_000_000 * (index + 1)), 3_600_000);
    }
    const lock = await simulation.until(short.redlock.acquire('r'));
    await simulation.until(lock.release());
    await simulation.advance(100);
    expect(leftOf(simulation, 'quorlock:fence:').filter((ms) => ms > SHORT_MS)).toHaveLength(3);
  });

  it('so that tokens go on where nodes’ clocks are apart, as the longer program may count on', async () => {
    const { simulation, open, long } = await unequal();
    await simulation.until((await simulation.until(long.redlock.acquire('r'))).release());
    for (const { wall } of simulation.nodes.slice(0, 2)) wall.step(20_000);
    // It sees no clock step.
    const ahead = await open(SHORT);
    const first = await simulation.until(ahead.redlock.acquire('r'));
    await simulation.until(first.release());
    await simulation.advance(4_000);
    // As a server does by itself: what has expired goes.
    for (const { store } of simulation.nodes) store.keys();
    for (const { wall } of simulation.nodes.slice(0, 2)) wall.step(-20_000);
    const behind = await open(SHORT);
    const second = await simulation.until(behind.redlock.acquire('r'));
    expect(second.token).toBeGreaterThan(first.token);
  });
});

describe('a node whose clock went wrong', () => {
  it('does not count for a program with a short maxTtl either, until the locks of others have ended', async () => {
    const { simulation, long, short } = await unequal('auto');
    const [first, second] = simulation.nodes;
    const lock = await simulation.until(long.redlock.acquire('r', { ttl: 60_000 }));
    // It has come to know of the longer one's ttls.
    short.machine.clients[0]?.disconnect({ requestsArrive: true });
    await simulation.advance(1_000);
    for (const node of [first, second]) node?.wall.step(70_000);
    await simulation.advance(5_000);
    const tryBoth = () => simulation.until(short.redlock.tryAcquire('r').catch(() => null));
    for (let seconds = 0; lock.remainingValidity() > 2_000; seconds += 1) {
      expect(await tryBoth(), `after ${seconds} s`).toBeNull();
      await simulation.advance(1_000);
    }
  });
});
