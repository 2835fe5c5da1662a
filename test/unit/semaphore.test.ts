import { describe, expect, it } from 'vitest';
import { OtherSizeError, WaitTimeoutError } from '../../src/index.ts';
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
});
