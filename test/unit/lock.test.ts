import { describe, expect, it } from 'vitest';
import {
  ExtendFailedError,
  LockExpiredError,
  LockLostError,
  LockReleasedError,
} from '../../src/base/errors.ts';
import type { Lock } from '../../src/lock/lock.ts';
import { fenceKeyOf } from '../../src/quorum/fencing-token.ts';
import type { RedlockOptions } from '../../src/redlock/options.ts';
import type { Latency } from '../../src/testing/latency.ts';
import { ProcessClock } from './process-clock.ts';
import { World } from './world.ts';

const FREE = [undefined, undefined, undefined];
const TTL = 10_000;

const oneWay = (ms: number): Latency => ({ least: ms, most: ms });

async function held(options: RedlockOptions = {}): Promise<{ readonly world: World; readonly lock: Lock }> {
  const world = new World(3);
  const lock = await world.clock.runUntil(world.redlock(options).acquire('r', { ttl: TTL }));
  await world.clock.advance(10);
  return { world, lock };
}

const failureOf = (world: World, work: Promise<unknown>): Promise<unknown> =>
  world.clock.runUntil(
    work.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );

describe('an extension that a bare majority denies', () => {
  const denials: Readonly<Record<string, { readonly options?: RedlockOptions; deny(world: World): void }>> = {
    'since another holder has the keys': {
      deny: ({ servers }) => {
        for (const { store } of servers.slice(0, 2)) {
          store.delete('lock:r');
          store.set('lock:r', 'another holder', '5000');
        }
      },
    },
    'since the keys are gone, and nothing shows that no other holder has had them': {
      options: { fencing: false },
      deny: ({ servers }) => {
        for (const { store } of servers.slice(0, 2)) store.delete('lock:r');
      },
    },
    'since a later attempt has a higher token there': {
      deny: ({ servers }) => {
        for (const { store, timeUs } of servers.slice(0, 2)) {
          store.set(fenceKeyOf('lock:r'), String(timeUs + 1e9), '3600000');
        }
      },
    },
  };

  it.each(Object.keys(denials))('%s loses the lock at once, with what each node said', async (name) => {
    const denial = denials[name];
    const { world, lock } = await held(denial?.options);
    const { signal } = lock;
    denial?.deny(world);
    const error = await failureOf(world, lock.extend());
    expect(error).toBeInstanceOf(LockLostError);
    expect(error).toMatchObject({ message: expect.stringContaining('a majority of nodes does not know it') });
    expect((error as LockLostError).votes).toHaveLength(3);
    expect(signal.reason).toMatchObject({ code: 'QUORLOCK_LOST', message: (error as Error).message });
    expect(lock.remainingValidity()).toBe(0);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
  });
});

describe('an extension', () => {
  it('that one node denies and another does not answer leaves the lock what it has', async () => {
    const { world, lock } = await held();
    world.server(0).store.delete('lock:r');
    world.server(0).store.set('lock:r', 'another holder', '5000');
    world.server(1).pause();
    const before = lock.remainingValidity();
    const error = await failureOf(world, lock.extend());
    expect(error).toBeInstanceOf(ExtendFailedError);
    expect(error).toMatchObject({ remainingValidity: lock.remainingValidity() });
    expect(lock.remainingValidity()).toBeGreaterThan(before - 100);
    lock.assertHeld();
  });

  it('by less than what is left does not shorten the lock', async () => {
    const { world, lock } = await held();
    const before = lock.remainingValidity();
    const left = (await world.clock.runUntil(lock.extend(1_000))).remainingValidity();
    expect(left).toBeGreaterThan(before - 10);
    expect(lock.remainingValidity()).toBe(left);
  });
});

describe('a release', () => {
  it('frees the lock if a bare majority confirms it', async () => {
    const { world, lock } = await held();
    world.server(0).crash();
    expect((await world.clock.runUntil(lock.release())).freed).toBe(true);
  });

  it('has not freed the lock if a majority does not answer', async () => {
    const { world, lock } = await held();
    for (const index of [0, 1]) world.server(index).pause();
    const { freed, votes } = await world.clock.runUntil(lock.release());
    expect(freed).toBe(false);
    expect(votes.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'granted']);
  });

  it('has freed the lock where its keys had expired, or are another holder’s by now', async () => {
    const { world, lock } = await held();
    for (const index of [0, 1]) world.server(index).store.delete('lock:r');
    world.holdElsewhere('lock:r', TTL, [world.server(1)]);
    world.client(2).rules.latency = oneWay(20);
    const { freed, votes } = await world.clock.runUntil(lock.release());
    expect(freed).toBe(true);
    expect(votes.map(({ outcome }) => outcome)).toEqual(['missing', 'held', 'pending']);
  });

  it.each([
    ['is far away', (world: World) => Object.assign(world.client(2).rules, { latency: oneWay(40) })],
    ['hangs for a while', (world: World) => world.server(2).pause()],
    ['is not heard', (world: World) => world.client(2).cut('replies')],
  ])('does not wait for a node that %s: it is given back to in the background', async (_, hinder) => {
    const { world, lock } = await held();
    hinder(world);
    const before = world.clock.monotonic();
    const { freed, votes } = await world.clock.runUntil(lock.release());
    expect(world.clock.monotonic() - before).toBeLessThan(2);
    expect(freed).toBe(true);
    expect(votes.map(({ outcome }) => outcome)).toEqual(['granted', 'granted', 'pending']);
    await world.clock.advance(100);
    world.server(2).resume();
    await world.clock.advance(100);
    expect(world.valuesOf('lock:r')).toEqual(FREE);
    // The report is the one that its caller has.
    expect(votes.map(({ outcome }) => outcome)).toEqual(['granted', 'granted', 'pending']);
  });

  it('that no majority can confirm any more is over as soon as that is certain', async () => {
    const { world, lock } = await held();
    for (const index of [0, 1]) world.server(index).crash();
    await world.clock.advance(1);
    world.client(2).rules.latency = oneWay(20);
    const before = world.clock.monotonic();
    const { freed, votes } = await world.clock.runUntil(lock.release());
    expect(world.clock.monotonic() - before).toBeLessThan(1);
    expect(freed).toBe(false);
    expect(votes.map(({ outcome }) => outcome)).toEqual(['failed', 'failed', 'pending']);
    await world.clock.advance(100);
    expect(world.server(2).store.get('lock:r')).toBeUndefined();
  });

  it('reaches a node whose connection was lost before it confirmed', async () => {
    const { world, lock } = await held();
    world.client(2).cut('requests');
    expect((await world.clock.runUntil(lock.release())).freed).toBe(true);
    world.client(2).disconnect({ requestsArrive: false });
    world.client(2).mend();
    await world.clock.advance(200);
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });

  it('is done on every node that answers before close() ends', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: TTL }));
    await world.clock.advance(10);
    world.client(2).rules.latency = oneWay(20);
    await world.clock.runUntil(lock.release());
    await world.clock.runUntil(redlock.close());
    expect(world.valuesOf('lock:r')).toEqual(FREE);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('that is asked for again is the same one, and asks no node again', async () => {
    const { world, lock } = await held();
    const first = lock.release();
    const report = await world.clock.runUntil(first);
    const before = world.commands;
    expect(lock.release()).toBe(first);
    await world.clock.advance(100);
    expect(world.commands).toEqual(before);
    expect(await lock.release()).toBe(report);
  });

  it('comes at the end of an `await using` block, and is waited for', async () => {
    const { world, lock } = await held();
    await world.clock.runUntil(lock[Symbol.asyncDispose]());
    expect(world.valuesOf('lock:r')).toEqual(FREE);
    expect(() => lock.assertHeld()).toThrow(LockReleasedError);
  });
});

describe('a lock', () => {
  it('without fencing has no token, and says why', async () => {
    const { lock } = await held({ fencing: false });
    expect(() => lock.token).toThrow(TypeError);
    expect(() => lock.token).toThrow('made with fencing: false');
  });

  it('whose validity has ended says so', async () => {
    const { world, lock } = await held();
    await world.clock.advance(TTL);
    expect(() => lock.assertHeld()).toThrow('its validity has ended');
  });

  it('whose signal is watched keeps no process alive', async () => {
    const world = new World(3);
    const clock = new ProcessClock(world.clock.timeline);
    const lock = await world.clock.runUntil(world.redlock({ clock }).acquire('r', { ttl: TTL }));
    // The time that each node had for its first answer is over.
    await world.clock.advance(1_000);
    expect(lock.signal.aborted).toBe(false);
    expect(clock.pendingTimers).toBe(1);
    expect(clock.isKeptAlive).toBe(false);
  });
});

describe('an attempt that takes so long that nothing is left of the validity', () => {
  // Of a ttl of 50 ms drift takes 3.
  it.each([
    ['1 ms too long', 24],
    ['just as long as it lasts', 23.5],
  ])('%s gets no lock, says so, and leaves no key behind', async (_, latencyMs) => {
    const world = new World(3, { latency: oneWay(latencyMs) });
    const redlock = world.redlock({ nodeTimeout: 49 });
    await world.clock.runUntil(redlock.inspect('other'));
    await world.clock.advance(1_000 - (world.clock.monotonic() % 1_000));
    const error = await failureOf(world, redlock.tryAcquire('r', { ttl: 50 }));
    expect(error).toBeInstanceOf(LockExpiredError);
    await world.clock.advance(latencyMs + 1);
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });

  it('gets one if it takes a little less', async () => {
    const world = new World(3, { latency: oneWay(23) });
    const redlock = world.redlock({ nodeTimeout: 49 });
    await world.clock.runUntil(redlock.inspect('other'));
    const lock = await world.clock.runUntil(redlock.tryAcquire('r', { ttl: 50 }));
    lock?.assertHeld();
    expect(lock).not.toBeNull();
  });
});
