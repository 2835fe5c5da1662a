import { describe, expect, it } from 'vitest';
import { OwedReleases } from '../../src/node/owed-releases.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';
import type { Release } from '../../src/wire/operation.ts';
import { World } from './world.ts';

const release = (value: string): Release => ({
  kind: 'release',
  keys: ['lock:r'],
  fences: [],
  queues: ['queue'],
  value,
});

describe('the account of owed releases', () => {
  it('asks four times at the most', () => {
    const owed = new OwedReleases();
    let tries = 1;
    for (let round = 0; round < 20; round += 1) {
      if (round === 0 || owed.has('v')) owed.failed(release('v'), 1_000);
      tries += owed.takeIdle(0, Number.POSITIVE_INFINITY).length;
    }
    expect(tries).toBe(4);
    expect(owed.has('v')).toBe(false);
    expect(owed.hasIdle).toBe(false);
  });

  it('does not ask for what is on its way already', () => {
    const owed = new OwedReleases();
    owed.sent(release('v'));
    expect(owed.hasIdle).toBe(false);
    expect(owed.takeIdle(0, Number.POSITIVE_INFINITY)).toEqual([]);
    owed.failed(release('v'), 1_000);
    expect(owed.takeIdle(0, Number.POSITIVE_INFINITY)).toMatchObject([release('v')]);
    expect(owed.takeIdle(0, Number.POSITIVE_INFINITY)).toEqual([]);
    owed.failed(release('v'), 1_000);
    owed.sent(release('v'));
    expect(owed.hasIdle).toBe(false);
    expect(owed.takeIdle(0, Number.POSITIVE_INFINITY)).toEqual([]);
  });

  it('is settled by an answer, at whatever point that comes', () => {
    const owed = new OwedReleases();
    for (const failures of [0, 1, 2]) {
      owed.sent(release('v'));
      for (let times = 0; times < failures; times += 1) owed.failed(release('v'), 1_000);
      if (failures === 2) owed.takeIdle(0, Number.POSITIVE_INFINITY);
      owed.confirmed('v');
      expect(owed.has('v')).toBe(false);
      expect(owed.hasIdle).toBe(false);
    }
  });

  it('lapses when the keys have expired by themselves', () => {
    const owed = new OwedReleases();
    owed.failed(release('v'), 1_000);
    expect(owed.takeIdle(1_000, Number.POSITIVE_INFINITY)).toEqual([]);
    expect(owed.has('v')).toBe(false);
    expect(owed.hasIdle).toBe(false);
  });

  it('keeps no more than ten thousand, and drops the oldest for new ones', () => {
    const owed = new OwedReleases();
    for (let index = 0; index <= 10_000; index += 1) owed.failed(release(`v${index}`), 1_000);
    expect(owed.has('v0')).toBe(false);
    expect(owed.has('v999')).toBe(false);
    expect(owed.has('v1000')).toBe(true);
    expect(owed.has('v10000')).toBe(true);
  });

  it('is empty after clear()', () => {
    const owed = new OwedReleases();
    owed.failed(release('v'), 1_000);
    owed.clear();
    expect(owed.hasIdle).toBe(false);
    expect(owed.takeIdle(0, Number.POSITIVE_INFINITY)).toEqual([]);
  });
});

describe('a release that a node did not answer', () => {
  const absences: Record<
    string,
    { away(server: SimulatedServer): void; back(server: SimulatedServer): void }
  > = {
    'crashed and kept its memory': {
      away: (server) => server.crash(),
      back: (server) => server.restart({ keepMemory: true }),
    },
    hung: { away: (server) => server.pause(), back: (server) => server.resume() },
  };

  it.each(Object.keys(absences))('because it %s is done when the node is back', async (name) => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    absences[name]?.away(world.server(0));
    await world.clock.advance(10);
    const report = await world.clock.runUntil(lock.release());
    expect(report.freed).toBe(true);
    await world.clock.advance(3_000);
    expect(world.server(0).store.get('lock:r')).toBe(lock.value);
    absences[name]?.back(world.server(0));
    // Long before the key would have expired.
    await world.clock.advance(200);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('because the reply was lost is sent again, and harmless twice', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    world.client(0).cut('replies');
    await world.clock.runUntil(lock.release());
    expect(world.server(0).store.get('lock:r')).toBeUndefined();
    world.server(0).store.set('lock:r', 'the next holder', '30000');
    world.client(0).disconnect({ requestsArrive: true });
    world.client(0).mend();
    await world.clock.advance(500);
    expect(world.server(0).store.get('lock:r')).toBe('the next holder');
  });

  it('is asked for a bounded number of times, however often the node comes and goes', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    const { store } = world.server(0);
    store.writeError = 'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk';
    await world.clock.runUntil(lock.release());
    let before = world.server(0).commands;
    for (let round = 0; round < 20; round += 1) {
      world.client(0).disconnect({ requestsArrive: true });
      await world.clock.advance(100);
    }
    // A look for each connection, and three more tries.
    expect(world.server(0).commands - before).toBeLessThanOrEqual(20 + 3);
    before = world.server(0).commands;
    await world.clock.advance(1_000);
    expect(world.server(0).commands).toBe(before);
  });

  it('is not asked for any more once the keys have expired', async () => {
    const world = new World(3);
    const redlock = world.redlock({ maxTtl: 2_000, ttl: 2_000 });
    const lock = await world.clock.runUntil(redlock.acquire('r'));
    await world.clock.advance(10);
    world.server(0).crash();
    await world.clock.advance(10);
    await world.clock.runUntil(lock.release());
    await world.clock.advance(2_100);
    world.server(0).restart({ keepMemory: true });
    const before = world.server(0).commands;
    await world.clock.advance(500);
    // The look: by hash, and by source since the new process did not know it.
    expect(world.server(0).commands - before).toBe(2);
  });

  it('keeps a late acquisition of the same attempt from being sent again by its source', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    world.client(0).rules.latency = { least: 15, most: 15 };
    world.server(0).flushScripts();
    world.holdElsewhere('lock:r', 10_000, world.servers.slice(1));
    // Lost at once by the two fast nodes, before the slow one could say that it does not know the script.
    await expect(world.clock.runUntil(redlock.tryAcquire('r'))).resolves.toBeNull();
    await world.clock.advance(500);
    expect(world.server(0).store.get('lock:r')).toBeUndefined();
  });
});
