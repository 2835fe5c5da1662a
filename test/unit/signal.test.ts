import { describe, expect, it } from 'vitest';
import { LockLostError, LockReleasedError } from '../../src/base/errors.ts';
import type { Lock } from '../../src/lock/lock.ts';
import { thrownBy } from '../support/thrown-by.ts';
import { expectNoTimers } from '../support/timers.ts';
import { World } from './world.ts';

const TTL = 10_000;

async function lockIn(world: World): Promise<Lock> {
  return world.clock.runUntil(world.redlock().acquire('r', { ttl: TTL }));
}

const absences = [
  { name: 'the process was stopped', away: (world: World, ms: number) => world.clock.pause(ms) },
  { name: 'the host slept', away: (world: World, ms: number) => world.clock.suspend(ms) },
] as const;

describe.each(absences)('the first line that runs after $name past the validity', ({ away }) => {
  it('finds the signal aborted, with its reason', async () => {
    const world = new World(3);
    const { signal } = await lockIn(world);
    expect(signal.aborted).toBe(false);
    await away(world, TTL);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(() => signal.throwIfAborted()).toThrow(LockLostError);
  });

  it.each<[string, (lock: Lock, signal: AbortSignal) => unknown]>([
    ['signal.reason', (_, signal) => signal.reason],
    ['signal.throwIfAborted()', (_, signal) => thrownBy(() => signal.throwIfAborted())],
    ['assertHeld()', (lock) => thrownBy(() => lock.assertHeld())],
    ['a signal that was not read before', (lock) => lock.signal.reason],
  ])('learns it from %s alone', async (_, learn) => {
    const world = new World(3);
    const lock = await lockIn(world);
    const { signal } = lock;
    await away(world, TTL);
    expect(learn(lock, signal)).toBeInstanceOf(LockLostError);
  });

  it('learns it from a lock whose signal was never read', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    await away(world, TTL);
    expect(lock.remainingValidity()).toBe(0);
    expect(lock.signal.aborted).toBe(true);
  });

  it('finds remainingValidity() at 0, and listeners called once', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    let calls = 0;
    lock.signal.addEventListener('abort', () => {
      calls += 1;
    });
    await away(world, TTL);
    expect(lock.remainingValidity()).toBe(0);
    expect(calls).toBe(1);
    await world.clock.runAll();
    expect(calls).toBe(1);
  });

  it('can no longer extend the lock', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    await away(world, TTL);
    await expect(world.clock.runUntil(lock.extend())).rejects.toBeInstanceOf(LockLostError);
  });

  it('still holds the lock after less than the validity', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    await away(world, TTL - 200);
    expect(lock.signal.aborted).toBe(false);
    lock.assertHeld();
    expect(lock.remainingValidity()).toBeGreaterThan(90);
    expect(lock.remainingValidity()).toBeLessThan(100);
  });
});

describe('a signal', () => {
  it('aborts by itself at the moment the validity ends', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    const left = lock.remainingValidity();
    const startedAtMs = world.clock.monotonic();
    let abortedAtMs: number | undefined;
    lock.signal.addEventListener('abort', () => {
      abortedAtMs = world.clock.monotonic();
    });
    await world.clock.advance(TTL * 2);
    expect((abortedAtMs ?? 0) - startedAtMs).toBeCloseTo(left, 3);
    await expectNoTimers(world.clock);
  });

  it('follows an extension, and aborts when that has ended', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    const { signal } = lock;
    await world.clock.advance(TTL / 2);
    await world.clock.runUntil(lock.extend());
    await world.clock.advance(TTL * 0.9);
    expect(signal.aborted).toBe(false);
    await world.clock.advance(TTL * 0.2);
    expect(signal.aborted).toBe(true);
  });

  it('aborts at once when the lock is released, before any node has answered', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    const { signal } = lock;
    const released = lock.release();
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LockReleasedError);
    expect(thrownBy(() => lock.assertHeld())).toBeInstanceOf(LockReleasedError);
    await world.clock.runUntil(released);
    await expectNoTimers(world.clock);
  });

  it('keeps its first reason', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    const { signal } = lock;
    await world.clock.pause(TTL);
    await world.clock.runUntil(lock.release());
    expect(signal.reason).toBeInstanceOf(LockLostError);
  });

  it('works as a part of AbortSignal.any', async () => {
    const world = new World(3);
    const lock = await lockIn(world);
    const any = AbortSignal.any([lock.signal, new AbortController().signal]);
    await world.clock.advance(TTL);
    expect(any.aborted).toBe(true);
    expect(any.reason).toBeInstanceOf(LockLostError);
  });

  it.each(['aborted', 'reason', 'throwIfAborted'] as const)(
    'can have its %s instrumented, as that of any signal',
    async (name) => {
      const { signal } = await lockIn(new World(3));
      Object.defineProperty(signal, name, { value: 'instrumented' });
      expect(signal[name]).toBe('instrumented');
    },
  );
});
