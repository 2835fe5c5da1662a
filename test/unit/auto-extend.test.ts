import { describe, expect, it } from 'vitest';
import { LockLostError, LockReleasedError } from '../../src/base/errors.ts';
import { SharedTimers } from '../../src/base/shared-timers.ts';
import { AutoExtend } from '../../src/lock/auto-extend.ts';
import type { Lock } from '../../src/lock/lock.ts';
import type { UsingOptions } from '../../src/redlock/options.ts';
import type { Redlock } from '../../src/redlock.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';
import { Turn } from '../../src/testing/timeline.ts';
import { expectNoTimers } from '../support/timers.ts';
import { ProcessClock } from './process-clock.ts';
import { World } from './world.ts';

const LONGEST_TTL = 31_536_000_000;

/** Runs a routine that takes this long, or as long as its lock's signal lets it. */
function hold(world: World, redlock: Redlock, options: UsingOptions, forMs: number): Promise<Lock> {
  return world.clock.runUntil(
    redlock.using('r', options, (lock) => sleep(world, forMs, lock.signal).then(() => lock)),
    Number.MAX_SAFE_INTEGER,
  );
}

function sleep(world: World, forMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      timer.cancel();
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = world.clock.after(forMs, wake);
    signal.addEventListener('abort', wake);
  });
}

/** Resolves as the next extension of a lock begins. */
function extensionOf(lock: Lock): Promise<void> {
  return new Promise((resolve) => {
    const { extend } = lock;
    lock.extend = (ttl) => {
      resolve();
      return extend.call(lock, ttl);
    };
  });
}

/** Milliseconds that are left of the key on the node that will forget it first. */
function shortestTtl(world: World): number {
  return Math.min(...world.servers.map(({ store }) => store.ttlOf('lock:r')));
}

function hangAll(world: World): void {
  for (const server of world.servers) server.pause();
}

describe('a lock that is being used', () => {
  it('goes on for its maxHold, with others from the same moment, where the clock of one node is set ahead', async () => {
    const world = new World(3, { latency: { least: 1, most: 1 } });
    const redlock = world.redlock();
    const startMs = world.clock.monotonic();
    const heldMs = (resource: string): Promise<number> =>
      redlock.using(resource, { maxHold: 2_000 }, async ({ signal }) => {
        await sleep(world, 10_000, signal);
        return world.clock.monotonic() - startMs;
      });
    const held = Promise.all([heldMs('r'), heldMs('s')]);
    await world.clock.advance(500);
    world.server(0).wall.step(60_000);
    await world.clock.runUntil(redlock.tryAcquire('t'));
    for (const ms of await world.clock.runUntil(held)) expect(Math.abs(ms - 2_000)).toBeLessThan(50);
  });

  it('is extended before a third of its ttl is left, for as long as the routine runs', async () => {
    const world = new World(5);
    const redlock = world.redlock();
    let shortest = Number.POSITIVE_INFINITY;
    await world.clock.runUntil(
      redlock.using('r', { ttl: 3_000 }, async (lock) => {
        for (let look = 0; look < 1_000; look += 1) {
          await sleep(world, 50, lock.signal);
          shortest = Math.min(shortest, shortestTtl(world));
          lock.assertHeld();
        }
      }),
    );
    expect(shortest).toBeGreaterThan(1_000);
    await expectNoTimers(world.clock);
  });

  it.each([0, 0.01, 0.2, 0.45, 0.49, 0.5])(
    'is extended a few times a ttl, also where clocks may be off by a share of %d',
    async (driftFactor) => {
      const world = new World(5);
      const redlock = world.redlock({ driftFactor });
      let extensions = 0;
      await world.clock.runUntil(
        redlock.using('r', { ttl: 1_000 }, async (lock) => {
          const { extend } = lock;
          lock.extend = (ttl) => {
            extensions += 1;
            return extend.call(lock, ttl);
          };
          await sleep(world, 10_000, lock.signal);
          lock.assertHeld();
        }),
      );
      expect(extensions).toBeGreaterThanOrEqual(18);
      expect(extensions).toBeLessThanOrEqual(90);
    },
  );

  it('has its signal aborted while it is still valid, if no majority extends it', async () => {
    const world = new World(5);
    const redlock = world.redlock();
    let left: number | undefined;
    let valid: number | undefined;
    await world.clock.runUntil(
      redlock.using('r', { ttl: 10_000 }, async (lock) => {
        hangAll(world);
        const acquiredAtMs = world.clock.monotonic();
        lock.signal.addEventListener('abort', () => {
          left = shortestTtl(world);
          valid = 10_000 - (world.clock.monotonic() - acquiredAtMs);
        });
        await sleep(world, 60_000, lock.signal);
        expect(lock.signal.reason).toBeInstanceOf(LockLostError);
        expect(() => lock.assertHeld()).toThrow('no majority extended it in time');
        expect(lock.remainingValidity()).toBe(0);
      }),
    );
    // At most a twentieth of the ttl early, and after what drift may take.
    expect(left).toBeGreaterThan(102);
    expect(valid).toBeGreaterThan(102);
    expect(valid).toBeLessThan(102 + 500 + 5);
  });

  it('is not given up while an extension that its routine made itself lasts', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const heldForMs = await world.clock.runUntil(
      redlock.using('r', { ttl: 2_000 }, async (lock) => {
        await lock.extend(20_000);
        hangAll(world);
        const extendedAtMs = world.clock.monotonic();
        await sleep(world, 60_000, lock.signal);
        return world.clock.monotonic() - extendedAtMs;
      }),
    );
    expect(heldForMs).toBeGreaterThan(19_000);
    expect(heldForMs).toBeLessThan(20_000);
  });

  it('names in the reason what each node said last', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(
      redlock.using('r', { ttl: 1_000 }, async (lock) => {
        hangAll(world);
        await sleep(world, 60_000, lock.signal);
        return lock;
      }),
    );
    expect(lock.signal.reason).toMatchObject({
      code: 'QUORLOCK_LOST',
      votes: world.servers.map(({ address }) => ({ node: address, outcome: 'failed', reason: 'timeout' })),
    });
  });

  it('survives a failure that ends in time: extensions are tried again', async () => {
    const world = new World(5);
    const redlock = world.redlock();
    await world.clock.runUntil(
      redlock.using('r', { ttl: 3_000 }, async (lock) => {
        await sleep(world, 1_000, lock.signal);
        hangAll(world);
        await sleep(world, 1_500, lock.signal);
        for (const server of world.servers) server.resume();
        await sleep(world, 10_000, lock.signal);
        lock.assertHeld();
      }),
    );
  });

  it('never has two extensions under way, however slow the nodes', async () => {
    const world = new World(3, { latency: { least: 60, most: 240 } });
    const redlock = world.redlock({ nodeTimeout: 1_000 });
    let underWay = 0;
    let most = 0;
    let extensions = 0;
    await world.clock.runUntil(
      redlock.using('r', { ttl: 2_000 }, async (held) => {
        const extend = held.extend.bind(held);
        held.extend = async (ttl) => {
          underWay += 1;
          extensions += 1;
          most = Math.max(most, underWay);
          try {
            return await extend(ttl);
          } finally {
            underWay -= 1;
          }
        };
        await sleep(world, 60_000, held.signal);
      }),
    );
    expect(most).toBe(1);
    expect(extensions).toBeGreaterThan(40);
    expect(extensions).toBeLessThan(80);
  });

  it('is kept no longer than maxHold, and needs no extension that would last beyond it', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const startedAtMs = world.clock.monotonic();
    const lock = await hold(world, redlock, { ttl: 1_000, maxHold: 2_500 }, 60_000);
    expect(world.clock.monotonic() - startedAtMs).toBeGreaterThanOrEqual(2_500);
    expect(world.clock.monotonic() - startedAtMs).toBeLessThan(2_510);
    expect(lock.signal.reason).toBeInstanceOf(LockLostError);
    expect(lock.signal.reason).toMatchObject({ message: expect.stringContaining('its maxHold of 2500 ms') });
    await expectNoTimers(world.clock);

    const before = world.server(0).commands;
    await hold(world, redlock, { ttl: 1_000, maxHold: 500 }, 60_000);
    expect(world.server(0).commands - before).toBe(2);
  });

  describe.each([4, 5, 6, 8, 10, 15, 20])('with a ttl of %i ms', (ttl) => {
    it('costs no more than a call a node and millisecond', async () => {
      const world = new World(3);
      const redlock = world.redlock();
      await world.clock.advance(10);
      for (let use = 0; use < 20; use += 1) {
        const before = world.server(0).commands;
        const startedAtMs = world.clock.monotonic();
        await hold(world, redlock, { ttl, waitTime: 0 }, 300).catch(() => undefined);
        const tookMs = world.clock.monotonic() - startedAtMs;
        expect(tookMs).toBeLessThan(310);
        expect(world.server(0).commands - before).toBeLessThan(tookMs + 5);
        await world.clock.advance(100);
      }
      await expectNoTimers(world.clock);
    });
  });

  it('holds for a routine much longer than a ttl of 10 ms', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await hold(world, redlock, { ttl: 10 }, 1_000);
    expect(lock.signal.reason).toMatchObject({ code: 'QUORLOCK_RELEASED' });
    expect(world.server(0).commands).toBeLessThan(600);
  });

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 + 1, LONGEST_TTL])(
    'is extended twice in one and a half ttl, with a ttl of %i ms',
    async (ttl) => {
      const world = new World(3);
      const redlock = world.redlock({ maxTtl: LONGEST_TTL });
      // Makes the servers know the script.
      await world.clock.runUntil(redlock.inspect('other'));
      const before = world.server(0).commands;
      const lock = await hold(world, redlock, { ttl }, 1.4 * ttl);
      // The acquisition, two extensions, the release.
      expect(world.server(0).commands - before).toBe(4);
      expect(lock.signal.reason).toMatchObject({ code: 'QUORLOCK_RELEASED' });
      await expectNoTimers(world.clock);
    },
  );
});

describe('after using() nothing is left behind', () => {
  const endings: Record<string, (world: World, lock: Lock) => unknown> = {
    'the routine returned at once': () => 'result',
    'the routine returned later': (world, lock) => sleep(world, 5_000, lock.signal),
    'the routine threw': () => {
      throw new Error('its own');
    },
    'the routine rejected': async (world, lock) => {
      await sleep(world, 5_000, lock.signal);
      throw new Error('its own');
    },
    'the routine released the lock itself': (_, lock) => lock.release(),
    'the routine extended the lock itself': (_, lock) => lock.extend(),
    'the lock was lost': async (world, lock) => {
      for (const { store } of world.servers) store.delete('lock:r');
      for (const { store } of world.servers) store.set('lock:r', 'another holder', '3000');
      await sleep(world, 60_000, lock.signal);
      expect(lock.signal.aborted).toBe(true);
    },
    'the process was stopped for longer than the ttl': async (world, lock) => {
      world.clock.freeze();
      world.clock.timeline.in(20_000, Turn.input, () => world.clock.thaw());
      await sleep(world, 1_000, new AbortController().signal);
      expect(lock.signal.aborted).toBe(true);
    },
    'an extension was under way': (_, lock) => extensionOf(lock),
  };

  it.each(Object.keys(endings))('%s', async (name) => {
    const world = new World(3, { latency: { least: 5, most: 10 } });
    const redlock = world.redlock();
    const routine = endings[name];
    const done = redlock.using('r', { ttl: 3_000 }, (lock) => routine?.(world, lock));
    await world.clock.runUntil(done.then(String, String));
    // A majority has released it by now.
    await world.clock.advance(20);
    expect(world.valuesOf('lock:r').filter((value) => value !== 'another holder')).toEqual(
      name === 'the lock was lost' ? [] : [undefined, undefined, undefined],
    );
    // An extension that was under way when the routine ended waits for its answer alone. Nodes that seemed slow when
    // this process was stopped have a quarter of the ttl at most.
    await expectNoTimers(world.clock, 800);
  });

  const faults: Record<string, (server: SimulatedServer) => void> = {
    hung: (server) => server.pause(),
    crashed: (server) => server.crash(),
    emptied: (server) => server.flushAll(),
    restarted: (server) => server.restart({ keepMemory: false }),
  };

  it.each(Object.keys(faults))('all nodes were %s', async (name) => {
    const world = new World(3);
    const redlock = world.redlock();
    const done = redlock.using('r', { ttl: 3_000 }, async (lock) => {
      for (const server of world.servers) faults[name]?.(server);
      await sleep(world, 10_000, lock.signal);
    });
    await world.clock.runUntil(done);
    // What nodes did not answer times out.
    await world.clock.advance(50);
    await expectNoTimers(world.clock);
  });
});

describe('a auto-extension', () => {
  const forEver = { maxHold: Number.POSITIVE_INFINITY };

  /** A lock that is not kept alive yet, on nodes whose answers take 2 ms. */
  async function lockIn(world: World, ttl = 1_000): Promise<Lock> {
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl }));
    await world.clock.advance(50 - (world.clock.monotonic() % 50));
    return lock;
  }

  const slowWorld = () => new World(3, { latency: { least: 1, most: 1 } });

  it('that is stopped while it extends goes on with nothing, though the extension succeeds', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    const autoExtend = new AutoExtend(lock, new SharedTimers(world.clock), forEver);
    await world.clock.runUntil(extensionOf(lock));
    expect(lock.remainingValidity()).toBeLessThan(600);
    autoExtend.stop();
    await world.clock.advance(10);
    expect(lock.remainingValidity()).toBeGreaterThan(900);
    await expectNoTimers(world.clock);
  });

  it('that is stopped while an extension fails does not try again', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    const autoExtend = new AutoExtend(lock, new SharedTimers(world.clock), forEver);
    hangAll(world);
    await world.clock.runUntil(extensionOf(lock));
    autoExtend.stop();
    await world.clock.advance(100);
    expect(lock.remainingValidity()).toBeGreaterThan(300);
    await expectNoTimers(world.clock, 1_100);
  });

  it('of a lock that is over does nothing, and can be stopped', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    await world.clock.runUntil(lock.release());
    const autoExtend = new AutoExtend(lock, new SharedTimers(world.clock), forEver);
    await expectNoTimers(world.clock);
    expect(() => autoExtend.stop()).not.toThrow();
  });

  it('does not try to extend a lock that an extension has shown to be lost', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    new AutoExtend(lock, new SharedTimers(world.clock), forEver);
    for (const { store } of world.servers) store.delete('lock:r');
    for (const { store } of world.servers) store.set('lock:r', 'another holder', '3000');
    await world.clock.advance(lock.remainingValidity() - 500 + 10);
    expect(lock.signal.aborted).toBe(true);
    // What is left is the moment at which it would have given up, once the nodes' timers have ended.
    await world.clock.advance(50);
    expect(world.clock.pendingTimers).toBe(1);
    await world.clock.advance(500);
    await expectNoTimers(world.clock);
  });

  it('leaves the lock that its routine has released as it is, released', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    new AutoExtend(lock, new SharedTimers(world.clock), forEver);
    await world.clock.runUntil(lock.release());
    await world.clock.advance(2_000);
    expect(() => lock.assertHeld()).toThrow(LockReleasedError);
  });

  it('makes no extension of a lock that lasts just until maxHold', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    await expectNoTimers(world.clock);
    const autoExtend = new AutoExtend(lock, new SharedTimers(world.clock), {
      maxHold: lock.remainingValidity() - 50,
    });
    expect(world.clock.pendingTimers).toBe(1);
    await world.clock.advance(600);
    expect(lock.remainingValidity()).toBeLessThan(400);
    autoExtend.stop();
  });

  it('makes one of a lock that ends a millisecond before', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    await expectNoTimers(world.clock);
    const autoExtend = new AutoExtend(lock, new SharedTimers(world.clock), {
      maxHold: lock.remainingValidity() - 49,
    });
    expect(world.clock.pendingTimers).toBe(1);
    await world.clock.advance(500);
    expect(lock.remainingValidity()).toBeGreaterThan(800);
    autoExtend.stop();
  });

  it('that ends a lock with its maxHold has nothing to tell of nodes, which have agreed to all', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    new AutoExtend(lock, new SharedTimers(world.clock), { maxHold: 2_000 });
    await world.clock.advance(3_000);
    expect(lock.signal.reason).toMatchObject({
      message: expect.stringContaining('its maxHold of 2000 ms'),
      votes: [],
    });
  });

  it('keeps no process alive', async () => {
    const world = slowWorld();
    const lock = await lockIn(world);
    const clock = new ProcessClock(world.clock.timeline);
    new AutoExtend(lock, new SharedTimers(clock), forEver);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.isKeptAlive).toBe(false);
  });
});
