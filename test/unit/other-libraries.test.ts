import { describe, expect, it } from 'vitest';
import type { Redlock } from '../../src/redlock.ts';
import { World } from './world.ts';

async function heldLock() {
  const world = new World(3);
  const lock = await world.clock.runUntil(world.redlock().acquire('r'));
  return { world, lock };
}

describe('a program that comes from another Redlock library', () => {
  it.each([
    ['aborted', 'lock.signal.aborted'],
    ['reason', 'lock.signal.reason'],
    ['error', 'lock.signal.reason'],
    ['onabort', 'lock.signal.onabort'],
    ['throwIfAborted', 'lock.assertHeld()'],
    ['addEventListener', 'lock.signal.addEventListener()'],
    ['removeEventListener', 'lock.signal.removeEventListener()'],
    ['expiration', 'lock.remainingValidity(), which is in milliseconds from now'],
    ['unlock', 'lock.release()'],
  ])('learns what to use in place of lock.%s', async (name, instead) => {
    const { lock } = await heldLock();
    expect(() => Reflect.get(lock, name)).toThrow(new TypeError(`a lock has no ${name}: use ${instead}`));
  });

  it('goes on with the lock that extend() gives it', async () => {
    const { world, lock } = await heldLock();
    expect(await world.clock.runUntil(lock.extend(5_000))).toBe(lock);
  });

  it.each(['acquire', 'using'] as const)('learns where %s() takes a duration', async (method) => {
    const redlock = new World(3).redlock();
    const call = redlock[method] as (...args: unknown[]) => ReturnType<Redlock['acquire']>;
    await expect(call.call(redlock, ['r'], 5_000, () => undefined)).rejects.toThrow(
      new TypeError(
        `${method} options must be an object of options: got 5000; a ttl is one of them, { ttl: 5000 }`,
      ),
    );
  });
});
