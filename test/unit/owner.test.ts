import { hostname } from 'node:os';
import { describe, expect, it } from 'vitest';
import { defaultOwner } from '../../src/base/owner.ts';
import type { Redlock } from '../../src/index.ts';
import { resolveOptions } from '../../src/redlock/options.ts';
import { Simulation } from '../../src/testing/index.ts';

/** Two programs over three nodes. */
function programs(owners: readonly [string, string] = ['web-3:4711', 'web-4:12']) {
  const simulation = new Simulation({ nodes: 3 });
  const make = (owner: string) => simulation.machine().redlock({ quarantine: 'off', owner });
  return { simulation, holder: make(owners[0]), other: make(owners[1]) };
}

const errorOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('the owner', () => {
  it('is the host and the process by default, in at most 64 characters', () => {
    expect(resolveOptions({}).owner).toBe(`${hostname()}:${process.pid}`.slice(-64));
    expect(defaultOwner().length).toBeLessThanOrEqual(64);
  });

  it.each(['', 'x'.repeat(65), 'a\nb', 'a\u0000', 'a\u2028b', '\u0085', 'half \ud83d'])(
    'is refused with what is wrong with it: %j',
    (owner) => {
      expect(() => resolveOptions({ owner })).toThrow(RangeError);
      expect(() => resolveOptions({ owner })).toThrow(/^owner must .*: got "/);
    },
  );

  it('is refused if it is no string', () => {
    // @ts-expect-error: callers in JavaScript
    expect(() => resolveOptions({ owner: 4711 })).toThrow('owner must be a string: got 4711');
    // @ts-expect-error: callers in JavaScript
    expect(() => resolveOptions({ owner: null })).toThrow('owner must be a string: got null');
  });

  it.each(['x', 'x'.repeat(64), 'web-3.eu:4711', 'Zoë 🦊', '~&@/+.:'])('may be %j', (owner) => {
    expect(resolveOptions({ owner }).owner).toBe(owner);
  });
});

describe('who holds a lock', () => {
  it('is in the lock’s value on every node, and inspect() tells it', async () => {
    const { simulation, holder, other } = programs();
    const lock = await simulation.until(holder.acquire('r'));
    expect(lock.value).toContain('web-3:4711');
    await simulation.advance(10);
    const seen = await simulation.until(other.inspect('r'));
    expect(seen).toMatchObject({ state: 'held', value: lock.value, owner: 'web-3:4711' });
    expect(seen.nodes).toEqual(
      Array.from({ length: 3 }, () => expect.objectContaining({ state: 'held', owner: 'web-3:4711' })),
    );
    await simulation.until(lock.release());
    await simulation.advance(10);
    expect(await simulation.until(other.inspect('r'))).toMatchObject({ state: 'free', owner: undefined });
  });

  it('is in the error of a call that does not wait, with how long is left', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.acquire('r', { ttl: 3_000 }));
    await simulation.advance(300);
    const error = await simulation.until(errorOf(other.acquire('r', { waitTime: 0 })));
    expect(error).toMatchObject({ code: 'QUORLOCK_HELD', holder: 'web-3:4711' });
    expect((error as Error).message).toMatch(
      /^"r" is held by web-3:4711, 2\.7 s left\. Give acquire.*held by web-3:4711, \d+ ms left/,
    );
  });

  it('is in the error of a call that has waited', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.acquire('r', { ttl: 3_000 }));
    const error = await simulation.until(errorOf(other.acquire('r', { waitTime: 2_500 })));
    expect(error).toMatchObject({ code: 'QUORLOCK_WAIT_TIMEOUT', holder: 'web-3:4711' });
    expect((error as Error).message).toMatch(
      /^"r" was not free within a waitTime of 2500 ms\. It is held by web-3:4711, \d+ ms left\. Raise waitTime/,
    );
  });

  it.each<[what: string, take: (redlock: Redlock) => Promise<unknown>]>([
    ['of one of several resources', (redlock) => redlock.acquire(['q', 'r', 's'], { waitTime: 0 })],
    ['that a reader wants', (redlock) => redlock.readWrite('r').acquireRead({ waitTime: 0 })],
    ['that a writer wants', (redlock) => redlock.readWrite('r').acquireWrite({ waitTime: 0 })],
  ])('is told of a lock %s', async (_, take) => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.acquire('r'));
    expect(await simulation.until(errorOf(take(other)))).toMatchObject({ holder: 'web-3:4711' });
  });

  it('is told of a permit', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.semaphore('r', 1).acquire());
    const error = await simulation.until(errorOf(other.semaphore('r', 1).acquire({ waitTime: 0 })));
    expect(error).toMatchObject({ holder: 'web-3:4711' });
  });

  it('is “readers” where there may be several', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.readWrite('r').acquireRead());
    const error = await simulation.until(errorOf(other.acquire('r', { waitTime: 0 })));
    expect(error).toMatchObject({ holder: undefined });
    expect((error as Error).message).toMatch(/^"r" is held by readers, \d+\.\d s left\. /);
  });

  it('is told by inspect() of each reader, until its share has ended', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.readWrite('r').acquireRead({ ttl: 5_000 }));
    await simulation.until(other.readWrite('r').acquireRead({ ttl: 2_000 }));
    await simulation.advance(10);
    const shared = await simulation.until(other.inspect('r'));
    expect(shared).toMatchObject({ state: 'shared', owner: undefined });
    expect(shared.readers).toMatchObject([
      { owner: 'web-3:4711', nodes: 3 },
      { owner: 'web-4:12', nodes: 3 },
    ]);
    for (const [index, { remainingTtl }] of shared.readers.entries()) {
      expect(Math.abs(remainingTtl - (index === 0 ? 5_000 : 2_000))).toBeLessThan(20);
    }
    await simulation.advance(2_100);
    const { readers } = await simulation.until(other.inspect('r'));
    expect(readers).toMatchObject([{ owner: 'web-3:4711' }]);
    await simulation.until(other.acquire('alone'));
    expect(await simulation.until(other.inspect('alone'))).toMatchObject({ state: 'held', readers: [] });
    expect(await simulation.until(other.inspect('free'))).toMatchObject({ state: 'free', readers: [] });
  });

  it('is “another holder” where the lock is another library’s', async () => {
    const { simulation, other } = programs();
    for (const { store } of simulation.nodes) store.set('lock:r', 'VdK3yM0oQkq', '3000');
    const error = await simulation.until(errorOf(other.acquire('r', { waitTime: 0 })));
    expect(error).toMatchObject({ holder: undefined });
    expect((error as Error).message).toMatch(/^"r" is held by another holder\. /);
  });

  it('is told of the lock that a holder has lost', async () => {
    const { simulation, holder, other } = programs();
    const lock = await simulation.until(holder.acquire('r'));
    for (const { store } of simulation.nodes) store.delete('lock:r');
    await simulation.until(other.acquire('r'));
    const error = await simulation.until(errorOf(lock.extend()));
    expect(error).toMatchObject({ code: 'QUORLOCK_LOST', holder: 'web-4:12' });
  });
});

describe('who waits', () => {
  it('is told by waiting() and, once it was notified, by inspect()', async () => {
    const { simulation, holder, other } = programs();
    await simulation.until(holder.acquire('r'));
    void other.acquire('r', { waitTime: 60_000 });
    await simulation.advance(50);
    const { processes } = await simulation.until(holder.waiting('r'));
    expect(processes).toMatchObject([{ owner: 'web-4:12', isOwn: false }]);
  });

  it.each(['a.+b', 'a.+1', 'a/5', 'x:7', '.', 'Zoë.中'])('may have the name %j', async (owner) => {
    const { simulation, holder, other } = programs([owner, owner]);
    for (let turn = 0; turn < 3; turn += 1) {
      const lock = await simulation.until(holder.acquire('r'));
      const waiting = [
        other.acquire('r', { waitTime: 60_000 }),
        other.readWrite('r').acquireRead({ waitTime: 60_000 }),
      ].map(async (waiter) => (await waiter).release());
      await simulation.advance(50);
      const seen = await simulation.until(holder.waiting('r'));
      expect(seen.processes.map((waiter) => waiter.owner)).toEqual([owner, owner]);
      const releasedAt = simulation.nowMs;
      await simulation.until(lock.release());
      await simulation.until(Promise.all(waiting));
      // By notifications: a waiter that is mistaken for another kind wakes up by itself, much later.
      expect(simulation.nowMs - releasedAt).toBeLessThan(50);
    }
  });

  it('may be a reader before a writer, with a name like a reader’s', async () => {
    const { simulation, holder, other } = programs(['a.+b', 'a.+c']);
    const reader = await simulation.until(holder.readWrite('r').acquireRead());
    const writing = other.acquire('r', { waitTime: 60_000 });
    await simulation.advance(50);
    const before = await simulation.until(holder.waiting('r'));
    expect(before.processes).toHaveLength(1);
    // Another reader that is refused looks which waiters share the lock: the writer stays in the queue.
    const late = errorOf(holder.readWrite('r').acquireRead({ waitTime: 0 }));
    expect(await simulation.until(late)).toMatchObject({ code: 'QUORLOCK_HELD' });
    await simulation.until(reader.release());
    expect((await simulation.until(writing)).resources).toEqual(['r']);
  });
});
