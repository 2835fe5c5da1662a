import { describe, expect, it } from 'vitest';
import {
  LockHeldError,
  LockLostError,
  LockReleasedError,
  OtherSizeError,
  WaitTimeoutError,
} from '../../src/index.ts';
import { findOverAdmissions } from '../../src/testing/checkers/over-admission.ts';
import type { Interval } from '../../src/testing/checkers/overlaps.ts';
import { type Program, Scene } from './waiting/scene.ts';

async function sceneOf(count: number): Promise<{ scene: Scene; programs: readonly Program[] }> {
  const scene = new Scene();
  return { scene, programs: await scene.programs(count) };
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no ${index}`);
  return item;
}

describe('a semaphore', () => {
  it.each([
    [1, 1],
    [3, 2],
    [10, 4],
  ])('of %i gives so many permits at once, to %i programs, and no more', async (permits, count) => {
    const { scene, programs } = await sceneOf(count);
    const { simulation } = scene;
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
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
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

  it('several permits are held all or not at all, and no caller waits for ever', async () => {
    const { scene, programs } = await sceneOf(3);
    const { simulation } = scene;
    const taken: (Interval & { readonly permits: number })[] = [];
    const use = async ({ machine, redlock }: Program, holder: string) => {
      for (let round = 0; round < 15; round += 1) {
        const permits = 1 + (round % 3);
        const lock = await redlock.semaphore('s', 4).acquireMany(permits, { waitTime: 600_000 });
        const from = simulation.nowMs;
        await machine.sleep(3);
        lock.assertHeld();
        taken.push({ holder, from, to: simulation.nowMs, permits });
        await lock.release();
      }
    };
    const names = ['a', 'b', 'c', 'd'];
    const all = programs.flatMap((program, index) => names.map((name) => use(program, `${index}${name}`)));
    await simulation.until(Promise.all(all));
    expect(taken).toHaveLength(15 * 12);
    expect(findOverAdmissions(taken, 4)).toEqual([]);
    expect(findOverAdmissions(taken, 3).length).toBeGreaterThan(0);
  });

  it('several permits are handed over before the nodes have answered that the mutex is free', async () => {
    const { scene, programs } = await sceneOf(1);
    const { simulation } = scene;
    const { machine, redlock } = at(programs, 0);
    for (const client of machine.clients) {
      const send = client.evalsha.bind(client);
      const isOfGate = (key: string) => key.startsWith('quorlock:gate:');
      client.evalsha = (sha1, keys, args) =>
        args.includes('releases') && keys.some(isOfGate)
          ? new Promise(() => undefined)
          : send(sha1, keys, args);
    }
    const startedAt = simulation.nowMs;
    const permits = await simulation.until(redlock.semaphore('s', 2).acquireMany(2, { ttl: 1_000 }));
    permits.assertHeld();
    expect(simulation.nowMs - startedAt).toBeLessThan(10);
  });

  it('several permits are none if one of them is lost before the last one comes', async () => {
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    const [mine, theirs] = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    if (mine === undefined || theirs === undefined) throw new Error('too few');
    const other = await simulation.until(theirs.acquire({ ttl: 10_000 }));
    const acquiring = mine.acquireMany(2, { ttl: 1_000, waitTime: 60_000 }).catch((error: unknown) => error);
    await simulation.advance(200);
    at(programs, 0).machine.pause(5_000);
    await simulation.advance(4_000);
    await simulation.until(other.release());
    expect(await simulation.until(acquiring)).toBeInstanceOf(LockLostError);
    await simulation.advance(100);
    const all = await simulation.until(theirs.acquireMany(2, { waitTime: 0 }));
    all.assertHeld();
  });

  it('a waiter is notified when a permit is released, first come first', async () => {
    const { scene, programs } = await sceneOf(5);
    const { simulation } = scene;
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
    const { scene, programs } = await sceneOf(3);
    const { simulation } = scene;
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
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    await simulation.until(at(programs, 0).redlock.semaphore('s', 1).acquire());
    const late = at(programs, 1).redlock.semaphore('s', 1).acquire({ waitTime: 300 });
    await expect(simulation.until(late)).rejects.toThrow(WaitTimeoutError);
  });

  it('of another size is refused while a permit may be held, and holds afterwards', async () => {
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    const held = await simulation.until(at(programs, 0).redlock.semaphore('s', 3).acquire({ ttl: 30_000 }));
    const larger = at(programs, 1).redlock.semaphore('s', 4);
    const attempts = [
      () => larger.acquire(),
      () => larger.tryAcquire(),
      () => larger.using({ waitTime: 0 }, (lock) => lock),
    ];
    for (const attempt of attempts) {
      const refused = simulation.until<unknown>(attempt());
      await expect(refused).rejects.toThrow(OtherSizeError);
      await expect(refused).rejects.toThrow(/not a semaphore of 4 .*a semaphore of 3/);
    }
    for (let kept = 0; kept < 5; kept += 1) {
      await simulation.advance(25_000);
      await simulation.until(held.extend());
    }
    await expect(simulation.until(larger.acquire())).rejects.toThrow(OtherSizeError);
    await simulation.until(held.release());
    await simulation.advance(61_000);
    const lock = await simulation.until(larger.acquire());
    lock.assertHeld();
  });

  it('keeps permits alive while a routine runs, and gives them back', async () => {
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    const [mine, other] = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    if (mine === undefined || other === undefined) throw new Error('too few');
    const using = mine.usingMany(2, { ttl: 500 }, async (permits) => {
      await at(programs, 0).machine.sleep(3_000);
      permits.assertHeld();
      expect(permits.remainingValidity()).toBeGreaterThan(0);
      expect(await permits.extend(1_000)).toBeGreaterThan(900);
      return permits.all.map(({ token }) => token);
    });
    await simulation.advance(2_000);
    expect(await simulation.until(other.tryAcquire())).toBeNull();
    expect((await simulation.until(using)).every((token) => token > 0)).toBe(true);
    const one = await simulation.until(other.using({}, async (lock) => lock.token));
    expect(one).toBeGreaterThan(0);
    (await simulation.until(other.acquireMany(2, { waitTime: 0 }))).assertHeld();
  });

  it('gives all of several or none: a caller that gives up holds nothing, and one that wants a single permit gets it', async () => {
    const { scene, programs } = await sceneOf(3);
    const { simulation } = scene;
    const [holder, many, one] = programs.map(({ redlock }) => redlock.semaphore('s', 2));
    if (holder === undefined || many === undefined || one === undefined) throw new Error('too few');
    const held = await simulation.until(holder.acquire());
    await expect(simulation.until(many.acquireMany(2, { waitTime: 0 }))).rejects.toThrow(LockHeldError);
    await expect(simulation.until(many.acquireMany(2, { waitTime: 300 }))).rejects.toThrow(WaitTimeoutError);
    const leaving = new AbortController();
    const waiting = many.acquireMany(2, { signal: leaving.signal }).catch((error: unknown) => error);
    await simulation.advance(100);
    leaving.abort('enough');
    expect(await simulation.until(waiting)).toBe('enough');
    const lock = await simulation.until(one.acquire({ waitTime: 100 }));
    lock.assertHeld();
    held.assertHeld();
  });

  it('tells at once when one of several is lost', async () => {
    const { scene, programs } = await sceneOf(1);
    const { simulation } = scene;
    const permits = await simulation.until(at(programs, 0).redlock.semaphore('s', 3).acquireMany(2));
    expect(permits.signal.aborted).toBe(false);
    await simulation.until(at(permits.all, 1).release());
    expect(permits.signal.aborted).toBe(true);
    expect(permits.signal.reason).toBeInstanceOf(LockReleasedError);
    expect(() => permits.assertHeld()).toThrow(LockReleasedError);
    expect(permits.remainingValidity()).toBe(0);
    await simulation.until(permits.release());
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

  it('refuses more permits than there are', async () => {
    const { programs } = await sceneOf(1);
    const semaphore = at(programs, 0).redlock.semaphore('s', 2);
    await expect(semaphore.acquireMany(3)).rejects.toThrow(
      new RangeError('count must be an integer from 1 to the permits of the semaphore (2): got 3'),
    );
  });
});
