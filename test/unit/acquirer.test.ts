import { describe, expect, it } from 'vitest';
import { ClosedError, LockHeldError, LockLostError, NoQuorumError } from '../../src/base/errors.ts';
import type { Redlock } from '../../src/redlock.ts';
import { World } from './world.ts';

/** What a call rejects with, or its result. */
const settled = (call: Promise<unknown>) => call.catch((error: unknown) => error);

const CALLS: readonly (readonly [string, (redlock: Redlock) => Promise<unknown>])[] = [
  ['acquire', (redlock) => redlock.acquire('r', { waitTime: 10_000 })],
  ['acquire without waiting', (redlock) => redlock.acquire('r', { waitTime: 0 })],
  ['tryAcquire', (redlock) => redlock.tryAcquire('r')],
];

describe.each(CALLS)('%s', (_, call) => {
  it('waits for first connections', async () => {
    const world = new World(3);
    for (const client of world.clients.slice(1)) client.cut('both');
    world.clock.after(1_500, () => {
      for (const client of world.clients.slice(1)) client.mend();
    });
    const lock = await world.clock.runUntil(settled(call(world.redlock({ connectTimeout: 5_000 }))));
    expect(lock).toMatchObject({ resources: ['r'] });
  });

  it.each(['before', 'meanwhile'])('says what it was for, if its Redlock closes %s', async (when) => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    world.holdElsewhere('lock:r', 60_000);
    const before = when === 'meanwhile' ? settled(call(redlock)) : undefined;
    const closing = redlock.close();
    const error = await world.clock.runUntil(before ?? settled(call(redlock)));
    expect(error).toBeInstanceOf(ClosedError);
    expect(error).toMatchObject({ resources: ['r'] });
    await world.clock.runUntil(closing);
  });
});

describe('an acquire', () => {
  it('waits for first connections for no longer than for anything else', async () => {
    const world = new World(3);
    for (const client of world.clients) client.cut('both');
    const startedAtMs = world.clock.monotonic();
    const error = await world.clock.runUntil(settled(world.redlock().acquire('r', { waitTime: 100 })));
    expect(error).toBeInstanceOf(NoQuorumError);
    expect(world.clock.monotonic() - startedAtMs).toBeLessThan(200);
  });

  it('that does not wait says how long it took', async () => {
    const world = new World(3, { latency: { least: 7, most: 7 } });
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    world.holdElsewhere('lock:r', 60_000);
    await world.clock.advance(100);
    const error = await world.clock.runUntil(settled(redlock.acquire('r', { waitTime: 0 })));
    expect(error).toBeInstanceOf(LockHeldError);
    expect(error).toMatchObject({ elapsedMs: expect.closeTo(14, 6) });
  });

  it('rejects with its signal’s own reason, be it an error of another lock, as it is', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const other = new LockLostError('tried', { resources: ['other'] });
    const { stack } = other;
    expect(await settled(redlock.acquire('r', { signal: AbortSignal.abort(other) }))).toBe(other);
    const aborting = new AbortController();
    const waiting = settled(redlock.acquire('r', { signal: aborting.signal }));
    aborting.abort(other);
    expect(await world.clock.runUntil(waiting)).toBe(other);
    expect(other.stack).toBe(stack);
  });

  it.each([
    [1, 0],
    [2, 1],
  ])('of %i attempts is called by nodes only before another attempt', async (most, subscriptions) => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    world.holdElsewhere('lock:r', 60_000);
    const attempts = { most, pauseMs: () => 10 };
    expect(await world.clock.runUntil(settled(redlock.acquire('r', { attempts })))).toBeInstanceOf(
      LockHeldError,
    );
    expect(world.servers.map((server) => server.subscriptions)).toEqual(Array(3).fill(subscriptions));
  });

  it('that is in its own way says what this process has', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const own = async (call: Promise<unknown>) =>
      ((await world.clock.runUntil(settled(call))) as LockHeldError).ownHold;
    await world.clock.runUntil(redlock.acquire('r', { ttl: 20_000 }));
    await world.clock.advance(1_000);
    expect(await own(redlock.acquire('r', { waitTime: 0 }))).toMatchObject({
      heldForMs: expect.closeTo(1_000, -2),
      permits: undefined,
      isToBeUpgraded: false,
    });
    const { read, write } = {
      read: await world.clock.runUntil(redlock.readWrite('rw').acquireRead({ ttl: 20_000 })),
      write: redlock.readWrite('rw').acquireWrite({ waitTime: 0 }),
    };
    expect(read.isShared).toBe(true);
    expect(await own(write)).toMatchObject({ isToBeUpgraded: true });
    const semaphore = redlock.semaphore('s', 2);
    for (const ageMs of [500, 0]) {
      await world.clock.runUntil(semaphore.acquire({ ttl: 20_000 }));
      await world.clock.advance(ageMs);
    }
    expect(await own(semaphore.acquire({ waitTime: 0 }))).toMatchObject({
      heldForMs: expect.closeTo(500, -2),
      permits: 2,
      isToBeUpgraded: false,
    });
  });
});
