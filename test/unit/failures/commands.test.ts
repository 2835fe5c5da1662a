import { describe, expect, it } from 'vitest';
import { LockLostError, LockReleasedError } from '../../../src/base/errors.ts';
import type { Lock } from '../../../src/lock/lock.ts';
import type { Latency } from '../../../src/testing/latency.ts';
import type { SimulatedClient } from '../../../src/testing/simulated-client.ts';
import { World } from '../world.ts';

const FREE = [undefined, undefined, undefined];

const oneWay = (ms: number): Latency => ({ least: ms, most: ms });

describe('commands that a node does twice', () => {
  const rounds = 40;

  it('the second time at once, change nothing', async () => {
    const world = new World(3, { doubling: 1, doublingDelay: oneWay(0) });
    const redlock = world.redlock();
    let last = 0;
    for (let round = 0; round < rounds; round += 1) {
      const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 10_000 }));
      expect(lock.token).toBeGreaterThan(last);
      last = lock.token;
      await world.clock.runUntil(lock.extend());
      expect((await world.clock.runUntil(lock.release())).freed).toBe(true);
      await world.clock.advance(10);
      expect(world.valuesOf('lock:r')).toEqual(FREE);
    }
  });

  it('the second time after others, take no holder its lock, and leave no key for longer than its ttl', async () => {
    const ttl = 500;
    const world = new World(3, { doubling: 1, doublingDelay: { least: 0, most: 40 } });
    const users = [world.redlock(), world.redlock({}, world.machine())];
    let last = 0;
    for (let round = 0; round < rounds; round += 1) {
      for (const user of users) {
        const lock = await world.clock.runUntil(
          user.acquire('r', { ttl, waitTime: Number.POSITIVE_INFINITY }),
        );
        expect(lock.token).toBeGreaterThan(last);
        last = lock.token;
        await world.clock.runUntil(lock.extend());
        await world.clock.advance(round);
        const owners = world.valuesOf('lock:r').filter((value) => value === lock.value);
        expect(owners.length).toBeGreaterThanOrEqual(2);
        lock.assertHeld();
        await world.clock.runUntil(lock.release());
      }
    }
    await world.clock.advance(40 + ttl);
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });

  it('because the driver sends them again on the next connection, come past their deadline', async () => {
    const world = new World(3, { resends: true, latency: oneWay(1) });
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('r'))).release());
    const acquiring = redlock.acquire('r', { ttl: 10_000 });
    await world.clock.advance(0.5);
    world.client(0).disconnect({ requestsArrive: false });
    const lock = await world.clock.runUntil(acquiring);
    await world.clock.advance(1_000);
    expect(world.valuesOf('lock:r')).toEqual([undefined, lock.value, lock.value]);
    await world.clock.runUntil(lock.release());
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });
});

describe('an extension', () => {
  const slow = oneWay(10);

  async function lockOver(latency: Latency, ttl: number): Promise<{ world: World; lock: Lock }> {
    const world = new World(3, { latency });
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('first'))).release());
    return { world, lock: await world.clock.runUntil(redlock.acquire('r', { ttl })) };
  }

  it('that every node agrees to, but whose answers come after the validity has ended, is too late', async () => {
    const { world, lock } = await lockOver(slow, 1_000);
    await world.clock.advance(lock.remainingValidity() - 15);
    const extending = lock.extend();
    await expect(world.clock.runUntil(extending)).rejects.toThrow(LockLostError);
    expect(lock.remainingValidity()).toBe(0);
    expect(world.valuesOf('lock:r')).toEqual([lock.value, lock.value, lock.value]);
    await world.clock.runUntil(lock.release());
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });

  it('that reaches a node after another holder got the lock takes nothing from it', async () => {
    const { world, lock } = await lockOver(slow, 1_000);
    const other = world.redlock({}, world.machine());
    await world.clock.advance(lock.remainingValidity() - 5);
    for (const client of world.clients) client.cut('requests');
    const extending = lock.extend().catch((error: unknown) => error);
    const next = await world.clock.runUntil(
      other.acquire('r', { ttl: 10_000, waitTime: Number.POSITIVE_INFINITY }),
    );
    for (const client of world.clients) client.mend();
    expect(await world.clock.runUntil(extending)).toBeInstanceOf(LockLostError);
    await world.clock.advance(100);
    expect(world.valuesOf('lock:r')).toEqual([next.value, next.value, next.value]);
    next.assertHeld();
  });

  it('under way when the lock is released ends before the release, which leaves no key', async () => {
    const { world, lock } = await lockOver(slow, 10_000);
    const extending = lock.extend().catch((error: unknown) => error);
    const releasing = lock.release();
    expect(() => lock.assertHeld()).toThrow(LockReleasedError);
    expect(await world.clock.runUntil(extending)).toBeInstanceOf(LockReleasedError);
    expect((await world.clock.runUntil(releasing)).freed).toBe(true);
    expect(world.valuesOf('lock:r')).toEqual(FREE);
  });

  it('that is asked for after release() sends nothing', async () => {
    const { world, lock } = await lockOver(slow, 10_000);
    const releasing = lock.release();
    const extending = lock.extend().catch((error: unknown) => error);
    await world.clock.runUntil(releasing);
    const before = world.commands;
    expect(await world.clock.runUntil(extending)).toBeInstanceOf(LockReleasedError);
    expect(world.commands).toEqual(before);
  });
});

describe('a split vote', () => {
  /** The first machine is near to the first half of the nodes, the other one to the rest. */
  function bringNear(clients: readonly SimulatedClient[], near: (index: number) => boolean): void {
    clients.forEach((client, index) => {
      client.rules.latency = oneWay(near(index) ? 1 : 5);
    });
  }

  it.each([
    ['two attempts, two of four nodes each', 4, 2],
    ['three attempts, one of three nodes each', 3, 3],
  ])('of %s, is lost by all of them, and all are served in the end', async (_, nodeCount, rivals) => {
    const world = new World(nodeCount);
    const machines = [world.here, ...Array.from({ length: rivals - 1 }, () => world.machine())];
    machines.forEach(({ clients }, who) => {
      bringNear(clients, (index) => index % rivals === who);
    });
    await world.clock.advance(100);
    const redlocks = machines.map((machine) => world.redlock({}, machine));
    const attempts = await world.clock.runUntil(
      Promise.all(redlocks.map((redlock) => redlock.tryAcquire('r', { ttl: 10_000 }))),
    );
    expect(attempts).toEqual(machines.map(() => null));

    await world.clock.advance(100);
    let holders = 0;
    const turns = redlocks.map(async (redlock) => {
      const lock = await redlock.acquire('r', { ttl: 10_000 });
      holders += 1;
      expect(holders).toBe(1);
      lock.assertHeld();
      holders -= 1;
      await lock.release();
    });
    await world.clock.runUntil(Promise.all(turns));
  });
});
