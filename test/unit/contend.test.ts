import { describe, expect, it } from 'vitest';
import { LockHeldError, NotALockError, WaitTimeoutError } from '../../src/base/errors.ts';
import { World } from './world.ts';

/** Subscriptions that no waiter needs end after ten seconds. */
const SUBSCRIPTIONS_END_MS = 11_000;

/** Runs a call to its end. Returns what it rejected with and how long it took. */
async function failureOf(
  world: World,
  call: Promise<unknown>,
): Promise<{ readonly error: unknown; readonly tookMs: number }> {
  const startedAtMs = world.clock.monotonic();
  const error = await world.clock.runUntil(
    call.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
  return { error, tookMs: world.clock.monotonic() - startedAtMs };
}

async function heldWorld(ttl = 60_000): Promise<World> {
  const world = new World(3);
  await world.clock.advance(10);
  world.holdElsewhere('lock:r', ttl);
  return world;
}

describe('a lock that another process holds', () => {
  it('with waitTime 0 is tried for once', async () => {
    const world = await heldWorld();
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const before = world.server(0).commands;
    const { error, tookMs } = await failureOf(world, redlock.acquire('r', { waitTime: 0 }));
    expect(error).toBeInstanceOf(LockHeldError);
    expect(error).toMatchObject({ holderRemainingTtl: expect.closeTo(60_000, -2) });
    expect(tookMs).toBeLessThan(1.1);
    // Not even the release of the lost attempt is waited for. Nodes that refused are in no hurry for it.
    await world.clock.advance(50);
    expect(world.server(0).commands - before).toBe(1);
    await world.clock.advance(250);
    expect(world.server(0).commands - before).toBe(2);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('is null for tryAcquire', async () => {
    const world = await heldWorld();
    await expect(world.clock.runUntil(world.redlock().tryAcquire('r'))).resolves.toBeNull();
  });

  it.each([1, 10, 500, 10_000])(
    'is waited for during waitTime %i ms, and not much longer',
    async (waitTime) => {
      const world = await heldWorld();
      const redlock = world.redlock();
      await world.clock.runUntil(redlock.inspect('other'));
      const { error, tookMs } = await failureOf(world, redlock.acquire('r', { waitTime }));
      expect(error).toBeInstanceOf(WaitTimeoutError);
      expect(error).toMatchObject({ elapsedMs: expect.closeTo(tookMs, 6) });
      expect(tookMs).toBeGreaterThanOrEqual(waitTime);
      expect(tookMs).toBeLessThan(waitTime + 5);
      await world.clock.advance(SUBSCRIPTIONS_END_MS);
      expect(world.clock.pendingTimers).toBe(0);
    },
  );

  it('costs a bounded number of attempts, however long it is waited for', async () => {
    const world = await heldWorld();
    const redlock = world.redlock();
    await failureOf(world, redlock.acquire('r', { waitTime: 30_000 }));
    // It sleeps, and rechecks every second or two.
    expect(world.server(0).commands).toBeLessThan(60);
    expect(world.server(0).commands).toBeGreaterThan(15);
  });

  it('is got soon after it expired', async () => {
    const world = await heldWorld(5_000);
    const startedAtMs = world.clock.monotonic();
    const lock = await world.clock.runUntil(world.redlock().acquire('r'));
    expect(world.clock.monotonic() - startedAtMs).toBeGreaterThanOrEqual(5_000);
    expect(world.clock.monotonic() - startedAtMs).toBeLessThan(5_050);
    lock.assertHeld();
  });

  it('does not make the waiters spin when its holder has next to nothing left', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const before = world.server(0).commands;
    const waiting = failureOf(world, redlock.acquire('r', { waitTime: 1_000 }));
    // Another holder, which extends a short lock all the time.
    const renew = () => {
      world.holdElsewhere('lock:r', 3);
      world.clock.after(2, renew);
    };
    renew();
    const { error } = await waiting;
    expect(error).toBeInstanceOf(WaitTimeoutError);
    expect(world.server(0).commands - before).toBeLessThan(2 * 500);
  });

  it('is waited for without an end, with waitTime Infinity', async () => {
    const world = await heldWorld(3_600_000);
    const redlock = world.redlock();
    const acquiring = redlock.acquire('r', { waitTime: Number.POSITIVE_INFINITY });
    await world.clock.advance(100_000);
    for (const { store } of world.servers) store.delete('lock:r');
    // No call came: what took the keys away does not know of queues.
    const lock = await world.clock.runUntil(acquiring, 2_000);
    lock.assertHeld();
  });

  it.each([{ own: 'reason' }, 'a string', undefined, new Error('its own')])(
    'is no longer waited for as soon as the signal aborts, with its reason %s',
    async (reason) => {
      const world = await heldWorld();
      const redlock = world.redlock();
      const controller = new AbortController();
      const options = { waitTime: Number.POSITIVE_INFINITY, signal: controller.signal };
      const failing = redlock.acquire('r', options).catch((error: unknown) => error);
      await world.clock.advance(1_234);
      controller.abort(reason);
      const error = await failing;
      if (reason === undefined) expect(error).toMatchObject({ name: 'AbortError' });
      else expect(error).toBe(reason);
      for (const { store } of world.servers) store.delete('lock:r');
      await world.clock.advance(SUBSCRIPTIONS_END_MS);
      expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
      expect(world.clock.pendingTimers).toBe(0);
    },
  );
});

describe('an acquire that is aborted', () => {
  it('before it began sends nothing', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const before = world.commands;
    const reason = new Error('its own');
    await expect(
      world.clock.runUntil(redlock.acquire('r', { signal: AbortSignal.abort(reason) })),
    ).rejects.toBe(reason);
    await world.clock.advance(100);
    expect(world.commands).toEqual(before);
  });

  it.each([0.05, 0.3, 0.6, 0.9])('after %f ms leaves no key behind', async (afterMs) => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const controller = new AbortController();
    const reason = new Error('its own');
    const acquiring = redlock.acquire('r', { signal: controller.signal });
    const settled = acquiring.then(
      () => 'acquired',
      (error: unknown) => error,
    );
    await world.clock.advance(afterMs);
    controller.abort(reason);
    const outcome = await settled;
    if (outcome === 'acquired') await world.clock.runUntil((await acquiring).release());
    else expect(outcome).toBe(reason);
    await world.clock.advance(100);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('a key that is no lock', () => {
  it('ends a wait at once, and is left as it is', async () => {
    const world = new World(3);
    for (const { store } of world.servers) store.set('lock:r', 'a string without expiry');
    const { error } = await failureOf(world, world.redlock().acquire('r', { waitTime: 10_000 }));
    expect(error).toBeInstanceOf(NotALockError);
    await world.clock.advance(100);
    expect(new Set(world.valuesOf('lock:r'))).toEqual(new Set(['a string without expiry']));
  });
});

describe('wait queues for one lock', () => {
  it('all get it in the end, one at a time, and their tokens grow', async () => {
    const world = new World(5);
    let inside = 0;
    const tokens: number[] = [];
    const callers = Array.from({ length: 8 }, async () => {
      const machine = world.machine();
      const redlock = world.redlock({ waitTime: Number.POSITIVE_INFINITY }, machine);
      for (let round = 0; round < 10; round += 1) {
        await redlock.using('r', {}, async (lock) => {
          inside += 1;
          expect(inside).toBe(1);
          tokens.push(lock.token ?? 0);
          await new Promise<void>((resolve) =>
            machine.clock.after(1 + 10 * world.random.fraction(), resolve),
          );
          inside -= 1;
        });
      }
    });
    await world.clock.runUntil(Promise.all(callers));
    expect(tokens).toHaveLength(80);
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});
