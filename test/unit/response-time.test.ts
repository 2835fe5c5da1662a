import { describe, expect, it } from 'vitest';
import type { RedlockWarning } from '../../src/index.ts';
import { ResponseTime } from '../../src/node/node-time.ts';
import type { Latency } from '../../src/testing/latency.ts';
import { World } from './world.ts';

const oneWay = (ms: number): Latency => ({ least: ms, most: ms });

/** Notes answers one after the other, each after its own milliseconds. */
function answersAfter(times: readonly number[], keys = 1): ResponseTime {
  const time = new ResponseTime(50);
  let nowMs = 1_000;
  for (const ms of times) {
    time.note(keys, nowMs, nowMs + ms);
    nowMs += ms;
  }
  return time;
}

const TIMES = (count: number, ms: number) => Array.from({ length: count }, () => ms);

describe('the time that a node has', () => {
  it('is 50 ms until something is known of it, and never less', () => {
    expect(new ResponseTime(50).timeoutMs).toBe(50);
    expect(answersAfter(TIMES(100, 0.2)).timeoutMs).toBe(50);
  });

  it('is a second for its first answer to an operation, and for the first call on a connection twice as long later', () => {
    expect(new ResponseTime(50).firstTimeoutMs).toBe(1_000);
    expect(answersAfter(TIMES(2, 1), 0).firstTimeoutMs).toBe(1_000);
    expect(answersAfter([200], 0).firstTimeoutMs).toBe(2 * (200 + 200 + 4 * 100));
    expect(answersAfter(TIMES(2, 1)).firstTimeoutMs).toBe(100);
  });

  it('is two round trips, and four times as much as they vary, after RFC 6298', () => {
    // The first answer: SRTT = 80, RTTVAR = 40.
    expect(answersAfter([80]).timeoutMs).toBe(80 + 80 + 4 * 40);
    // The second one: RTTVAR = 3/4 · 40 + 1/4 · 16, SRTT = 7/8 · 80 + 1/8 · 96.
    expect(answersAfter([80, 96]).timeoutMs).toBe(82 + 82 + 4 * 34);
    expect(answersAfter(TIMES(50, 80)).timeoutMs).toBeLessThan(165);
    expect(answersAfter(TIMES(50, 80)).roundTripMs).toBeCloseTo(80, 6);
  });

  it('grows with a single pause as little as 4 times, and shrinks again', () => {
    expect(answersAfter([...TIMES(50, 1), 60_000]).timeoutMs).toBeLessThan(300);
    expect(answersAfter([...TIMES(50, 1), 60_000, ...TIMES(30, 1)]).timeoutMs).toBe(50);
  });

  it('reaches any round trip within a few answers', () => {
    expect(answersAfter([...TIMES(50, 1), ...TIMES(3, 1_000)]).timeoutMs).toBeGreaterThan(1_000);
  });

  it('is measured once a round trip, and not by a clock that fails', () => {
    const time = answersAfter([80]);
    const before = time.timeoutMs;
    time.note(1, 1_010, 1_500);
    time.note(1, Number.NaN, 2_000);
    time.note(1, 2_000, Number.NaN);
    expect(time.timeoutMs).toBe(before);
  });

  it('grows with the keys, by what they took', () => {
    const fast = answersAfter([...TIMES(10, 1)]);
    expect(fast.keyMs).toBeGreaterThan(0);
    const slow = new ResponseTime(50);
    for (let at = 0; at < 20_000; at += 1_000) {
      slow.note(1, at, at + 1);
      slow.note(1_000, at + 1, at + 501);
    }
    expect(slow.keyMs * 1_000).toBeGreaterThan(499);
    expect(slow.keyMs * 1_000).toBeLessThan(1_000);
    // What many keys take is not held against the way.
    expect(slow.timeoutMs).toBe(50);
  });
});

/** Three nodes, and a Redlock that has used them. */
async function usedWorld(options = {}) {
  const world = new World(3);
  const warnings: RedlockWarning[] = [];
  const redlock = world.redlock({ onWarning: (warning) => warnings.push(warning), ...options });
  await world.clock.runUntil(redlock.inspect('other'));
  const move = (index: number, ms: number) => {
    world.client(index).rules.latency = oneWay(ms);
  };
  return { world, redlock, warnings, move };
}

/** How many of the attempts get a lock. */
async function locksOf({ world, redlock }: Awaited<ReturnType<typeof usedWorld>>, attempts: number) {
  let locks = 0;
  for (let index = 0; index < attempts; index += 1) {
    const [lock] = await world.clock.runUntil(Promise.allSettled([redlock.tryAcquire('r')]));
    if (lock?.status === 'fulfilled' && lock.value !== null) {
      locks += 1;
      await world.clock.runUntil(lock.value.release());
    }
    await world.clock.advance(100);
  }
  return locks;
}

describe('a majority 80 ms away', () => {
  it('gives locks from the first call on', async () => {
    const world = new World(3, { latency: oneWay(40) });
    const redlock = world.redlock({ onWarning: () => undefined });
    await world.clock.runUntil(redlock.inspect('other'));
    expect(await locksOf({ world, redlock, warnings: [], move: () => undefined }, 10)).toBe(10);
  });

  it('that is slow with the first call gives a lock to a caller that does not wait', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.ready());
    for (const index of [0, 1]) world.client(index).rules.latency = oneWay(200);
    const lock = await world.clock.runUntil(redlock.tryAcquire('r', { ttl: 30_000 }));
    expect(lock).not.toBeNull();
  });

  it('that was near before gives them again after a few answers', async () => {
    const scene = await usedWorld();
    for (const index of [0, 1]) scene.move(index, 40);
    expect(await locksOf(scene, 5)).toBeGreaterThanOrEqual(3);
    expect(await locksOf(scene, 10)).toBe(10);
    expect(scene.warnings).toEqual([]);
  });

  it('never gives one within a nodeTimeout of 50 ms, and is warned of, once a node', async () => {
    const scene = await usedWorld({ nodeTimeout: 50 });
    for (const index of [0, 1]) scene.move(index, 40);
    expect(await locksOf(scene, 20)).toBe(0);
    expect(scene.warnings.map(({ code }) => code)).toEqual(['QUORLOCK_NODE_SLOW', 'QUORLOCK_NODE_SLOW']);
    const [first] = scene.warnings;
    expect(first?.message).toMatch(
      /^node-1:6379 is slow: it takes about \d\d ms to answer, and has 50 ms: .*Raise nodeTimeout/,
    );
  });

  it('gives none with a ttl so short that a quarter of it is less', async () => {
    const scene = await usedWorld({ ttl: 240 });
    for (const index of [0, 1]) scene.move(index, 40);
    expect(await locksOf(scene, 20)).toBe(0);
    expect(scene.warnings).toHaveLength(2);
  });
});

describe('a node that hangs', () => {
  it.each([
    ['50 ms', {}, 50],
    ['50 ms', { nodeTimeout: 200 }, 50],
    ['a quarter of a larger nodeTimeout', { nodeTimeout: 2_000 }, 500],
    ['nodeTimeout, if that is less', { nodeTimeout: 20 }, 20],
  ])('has %s if it was near', async (_, options, leastMs) => {
    const { world, redlock } = await usedWorld(options);
    await world.clock.runUntil(redlock.tryAcquire('other'));
    for (const index of [0, 1]) world.server(index).pause();
    const before = world.clock.monotonic();
    await expect(world.clock.runUntil(redlock.tryAcquire('r'))).rejects.toThrow('no quorum');
    expect(world.clock.monotonic() - before).toBeCloseTo(leastMs, 0);
  });

  it.each([100, 1_000])(
    'has no more than what is left of a waitTime of %i ms, however far it is',
    async (waitTime) => {
      const scene = await usedWorld();
      const { world, redlock } = scene;
      for (const index of [0, 1]) scene.move(index, 400);
      await locksOf(scene, 20);
      for (const index of [0, 1]) world.server(index).pause();
      const before = world.clock.monotonic();
      await expect(world.clock.runUntil(redlock.acquire('r', { waitTime }))).rejects.toThrow('no quorum');
      expect(world.clock.monotonic() - before).toBeLessThan(waitTime + 100);
    },
  );
});
