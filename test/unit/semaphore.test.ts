import { describe, expect, it } from 'vitest';
import { ClosedError, WaitTimeoutError } from '../../src/index.ts';
import { queueKeyOf, semaphoreKeyOf } from '../../src/quorum/fencing-token.ts';
import { sceneOf } from './waiting/scene.ts';
import { at } from './world.ts';

describe('a semaphore', () => {
  it.each([
    [1, 1],
    [3, 2],
    [10, 4],
  ])('of %i gives all its permits at once, to %i programs, and no more', async (permits, count) => {
    const { scene, simulation, programs } = await sceneOf(count);
    const semaphores = programs.map(({ redlock }) => redlock.semaphore('s', permits));
    const acquiring = Array.from({ length: permits }, (_, index) => at(semaphores, index % count).acquire());
    const locks = await simulation.until(Promise.all(acquiring));
    for (const semaphore of semaphores) expect(await simulation.until(semaphore.tryAcquire())).toBeNull();
    expect(new Set(locks.map(({ value }) => value)).size).toBe(permits);
    for (const { token, resources } of locks) {
      expect(token).toBeGreaterThan(0);
      expect(resources).toEqual(['s']);
    }
    await simulation.until(at(locks, 0).release());
    const again = await simulation.until(at(semaphores, count - 1).tryAcquire());
    again?.assertHeld();
    await simulation.until(
      Promise.all([...locks, ...(again === null ? [] : [again])].map((lock) => lock.release())),
    );
    await simulation.advance(65_000);
    expect(scene.keys).toEqual([]);
  });

  it('a slot’s next token is higher', async () => {
    const { simulation, programs } = await sceneOf(2);
    let before = 0;
    for (let round = 0; round < 6; round += 1) {
      const lock = await simulation.until(
        at(programs, round % 2)
          .redlock.semaphore('s', 1)
          .acquire(),
      );
      expect(lock.token).toBeGreaterThan(before);
      before = lock.token;
      await simulation.until(lock.release());
    }
  });

  it('a waiter is notified when a permit is released, first come first', async () => {
    const { simulation, programs } = await sceneOf(5);
    const semaphores = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    const held = await simulation.until(
      Promise.all([at(semaphores, 0).acquire(), at(semaphores, 1).acquire()]),
    );
    const order: number[] = [];
    const waiting: Promise<unknown>[] = [];
    for (const index of [2, 3, 4]) {
      const acquiring = at(semaphores, index).acquire();
      waiting.push(acquiring.then(() => order.push(index)));
      await simulation.advance(20);
    }
    await simulation.advance(100);
    const startedAt = simulation.nowMs;
    await simulation.until(at(held, 1).release());
    await simulation.until(at(waiting, 0));
    expect(simulation.nowMs - startedAt).toBeLessThan(10);
    await simulation.until(at(held, 0).release());
    await simulation.until(at(waiting, 1));
    expect(order).toEqual([2, 3]);
    expect(at(semaphores, 2).permits).toBe(2);
  });

  it('a permit of a dead holder is free after its ttl, for a waiter', async () => {
    const { simulation, programs } = await sceneOf(3);
    const [dying, other, waiter] = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    if (dying === undefined || other === undefined || waiter === undefined) throw new Error('too few');
    await simulation.until(other.acquire({ ttl: 30_000 }));
    await simulation.until(dying.acquire({ ttl: 1_000 }));
    at(programs, 0).machine.kill();
    const startedAt = simulation.nowMs;
    await simulation.until(waiter.acquire());
    expect(simulation.nowMs - startedAt).toBeLessThan(1_050);
  });

  it('says so when there was none within waitTime', async () => {
    const { simulation, programs } = await sceneOf(2);
    await simulation.until(at(programs, 0).redlock.semaphore('s', 1).acquire());
    const late = at(programs, 1).redlock.semaphore('s', 1).acquire({ waitTime: 300 });
    await expect(simulation.until(late)).rejects.toThrow(WaitTimeoutError);
  });

  it('serves programs that give a larger number at once, and the larger number counts', async () => {
    const { scene, simulation, programs } = await sceneOf(2);
    const [old, young] = programs.map(({ redlock }) => redlock);
    if (old === undefined || young === undefined) throw new Error('too few');
    const locks = [];
    for (let count = 0; count < 3; count += 1)
      locks.push(await simulation.until(old.semaphore('s', 3).acquire({ waitTime: 0 })));
    expect(await simulation.until(old.semaphore('s', 3).tryAcquire())).toBeNull();
    for (let count = 0; count < 2; count += 1)
      locks.push(await simulation.until(young.semaphore('s', 5).acquire({ waitTime: 0 })));
    expect(await simulation.until(young.semaphore('s', 5).tryAcquire())).toBeNull();
    for (const lock of locks) {
      expect((await simulation.until(lock.extend(20_000))).remainingValidity()).toBeGreaterThan(19_000);
      await simulation.until(lock.release());
    }
    await simulation.advance(65_000);
    expect(scene.keys).toEqual([]);
  });

  it('does not give a slot to a waiter that does not know of it, and lets others pass', async () => {
    const { simulation, programs } = await sceneOf(4);
    const [old, young, waiter, last] = programs.map(({ redlock }) => redlock);
    if (old === undefined || young === undefined || waiter === undefined || last === undefined)
      throw new Error('too few');
    const held = [];
    for (let count = 0; count < 3; count += 1)
      held.push(await simulation.until(young.semaphore('s', 3).acquire({ ttl: 30_000 })));
    const waiting = old.semaphore('s', 3).acquire();
    await simulation.advance(100);
    // It comes after the one that waits, which can't have these.
    const larger = await simulation.until(young.semaphore('s', 4).acquire({ ttl: 30_000, waitTime: 0 }));
    const next = waiter.semaphore('s', 4).acquire();
    await simulation.advance(100);
    const releasedAt = simulation.nowMs;
    await simulation.until(larger.release());
    (await simulation.until(next)).assertHeld();
    expect(simulation.nowMs - releasedAt).toBeLessThan(10);
    expect(await simulation.until(last.semaphore('s', 3).tryAcquire())).toBeNull();
    await simulation.until(at(held, 0).release());
    (await simulation.until(waiting)).assertHeld();
    expect(simulation.nowMs - releasedAt).toBeLessThan(20);
  });

  it('hands a released permit to the next caller of the process, and sends nothing', async () => {
    const { scene, simulation, programs } = await sceneOf(1);
    const { redlock } = at(programs, 0);
    const first = await simulation.until(redlock.semaphore('s', 1).acquire());
    const waiting = redlock.semaphore('s', 1).acquire();
    await simulation.advance(20);
    const before = scene.commands;
    expect((await first.release()).handedOver).toBe(true);
    const second = await waiting;
    expect(scene.commands).toBe(before);
    expect(second.token).toBe(first.token + 1);
    expect(() => first.assertHeld()).toThrow(/released/);
    await simulation.until(second.release());
    await simulation.advance(65_000);
    expect(scene.keys).toEqual([]);
  });

  it('asks for the permits of callers that come together at the same time', async () => {
    const { simulation, programs } = await sceneOf(1);
    const semaphore = at(programs, 0).redlock.semaphore('s', 10);
    const startedAt = simulation.nowMs;
    const locks = await simulation.until(Promise.all(Array.from({ length: 10 }, () => semaphore.acquire())));
    // One round trip of at most a millisecond, where every slot has one caller.
    expect(simulation.nowMs - startedAt).toBeLessThan(1.1);
    expect(new Set(locks.map(({ value }) => value)).size).toBe(10);
  });

  it('leaves no reservation for a waiter that has its permit from another slot', async () => {
    const { simulation, programs } = await sceneOf(4);
    const [one, other, waiter, next] = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    if (one === undefined || other === undefined || waiter === undefined || next === undefined)
      throw new Error('too few');
    const held = [await simulation.until(one.acquire()), await simulation.until(other.acquire())];
    const first = waiter.acquire();
    await simulation.advance(20);
    const second = next.acquire();
    await simulation.advance(20);
    // The nodes hear of the two releases in different orders.
    const releasedAt = simulation.nowMs;
    for (const lock of held) void lock.release();
    await simulation.until(Promise.all([first, second]));
    expect(simulation.nowMs - releasedAt).toBeLessThan(10);
    for (const { store } of simulation.nodes)
      for (const key of store.keys())
        if (/^quorlock:slot/.test(key)) expect(store.get(key)).not.toMatch(/^~/);
  });

  it('gives no permit beyond its number where a notification names such a slot that no program has released', async () => {
    const { scene, simulation, programs } = await sceneOf(2);
    const [holder, waiter] = programs.map(({ redlock }) => redlock.semaphore('s', 1));
    if (holder === undefined || waiter === undefined) throw new Error('too few');
    await simulation.until(holder.acquire({ ttl: 30_000 }));
    const waiting = waiter.acquire({ waitTime: 3_000 });
    waiting.catch(() => undefined);
    await simulation.advance(100);
    const queue = queueKeyOf(semaphoreKeyOf('lock:s'));
    for (const node of simulation.nodes) {
      const [process = '', name = ''] = node.store.firstMembers(queue, 1)[0]?.member.split('.') ?? [];
      expect(node.publish(`quorlock:wake:${process}`, `${name}:7`)).toBe(1);
    }
    await expect(simulation.until(waiting)).rejects.toThrow(WaitTimeoutError);
    expect(scene.keys.filter((key) => key.startsWith('quorlock:slot:7'))).toEqual([]);
  });

  it('has nothing to do with a lock over the resource it is named by', async () => {
    const { scene, programs } = await sceneOf(1);
    const { redlock } = at(programs, 0);
    await scene.simulation.until(redlock.acquire('s'));
    const lock = await scene.simulation.until(redlock.semaphore('s', 1).acquire({ waitTime: 0 }));
    lock.assertHeld();
  });

  it.each([
    [0, 'permits must be an integer from 1 to 1000: got 0'],
    [1_001, 'permits must be an integer from 1 to 1000: got 1001'],
    [1.5, 'permits must be an integer from 1 to 1000: got 1.5'],
    [Number.NaN, 'permits must be an integer from 1 to 1000: got NaN'],
  ])('of %s is refused', async (permits, message) => {
    const { programs } = await sceneOf(1);
    expect(() => at(programs, 0).redlock.semaphore('s', permits)).toThrow(new RangeError(message));
  });

  it('tells who holds each permit, and who waits for one', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [ours, theirs] = [at(programs, 0).redlock, at(programs, 1).redlock];
    const semaphore = ours.semaphore('s', 3);
    const inspect = async () => (await simulation.until(semaphore.inspect())).map(({ state }) => state);
    expect(await inspect()).toEqual(['free', 'free', 'free']);
    const lock = await simulation.until(theirs.semaphore('s', 3).acquire());
    const { slot = -1 } = lock.toJSON().permit ?? {};
    const inspections = await simulation.until(semaphore.inspect());
    expect(inspections[slot]).toMatchObject({ resource: 's', state: 'held', value: lock.value });
    expect(inspections.filter(({ state }) => state === 'free')).toHaveLength(2);
    expect(await simulation.until(semaphore.waiting())).toMatchObject({ resource: 's', processes: [] });
    await simulation.until(Promise.all([semaphore.acquire(), semaphore.acquire()]));
    const waiting = semaphore.acquire({ waitTime: 60_000 });
    await simulation.advance(50);
    expect(await simulation.until(semaphore.waiting())).toMatchObject({
      callers: 1,
      processes: [{ isOwn: true, nodes: 5 }],
    });
    await simulation.until(lock.release());
    await simulation.until(waiting);
    expect(await inspect()).toEqual(['held', 'held', 'held']);
    for (const node of simulation.nodes.slice(0, 3)) node.crash();
    expect(await inspect()).toEqual(['unknown', 'unknown', 'unknown']);
    await simulation.until(ours.close());
    await expect(semaphore.inspect()).rejects.toThrow(ClosedError);
    await expect(semaphore.waiting()).rejects.toThrow(ClosedError);
  });
});
