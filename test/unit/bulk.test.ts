import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { Scene } from './waiting/scene.ts';

const NAMES = Array.from({ length: 5_000 }, (_, index) => `r${index}`);

/** A program of its own, and what it does with each of five thousand resources at once. */
async function inBulk(scene: Scene) {
  const [program] = await scene.programs(1);
  const { redlock } = program;
  const forAll = <Result>(ask: (name: string) => Promise<Result>) => Promise.all(NAMES.map(ask));
  return { redlock, forAll };
}

/** A program that asks for very much at once gets all of it, as fast as nodes do it. */
describe('five thousand at once', () => {
  it('attempts, extensions and releases: none is refused', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const { redlock, forAll } = await inBulk(scene);
    const locks = await simulation.until(
      forAll((name) => redlock.acquire(name, { ttl: 30_000, waitTime: 0 })),
    );
    await simulation.until(Promise.all(locks.map((lock) => lock.extend())));
    const releasing = Promise.all(locks.map((lock) => lock.release()));
    const next = await simulation.until(redlock.tryAcquire('next'));
    const reports = await simulation.until(releasing);
    expect(reports.every(({ freed }) => freed)).toBe(true);
    await simulation.until(Promise.all([next?.release()]));
    await simulation.advance(10);
    expect(scene.keys).toEqual([]);
    await simulation.until(redlock.close());
  });

  it('looks at locks and queues: every node answers', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const { redlock, forAll } = await inBulk(scene);
    const looks = await simulation.until(forAll((name) => redlock.inspect(name)));
    expect(looks.filter(({ state }) => state !== 'free')).toEqual([]);
    const queues = await simulation.until(forAll((name) => redlock.waiting(name)));
    expect(queues.filter(({ unknown }) => unknown > 0)).toEqual([]);
    await simulation.until(redlock.close());
  });

  it('waits: each is served', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const holder = await inBulk(scene);
    const waiter = await inBulk(scene);
    const locks = await simulation.until(
      holder.forAll((name) => holder.redlock.acquire(name, { ttl: 30_000, waitTime: 1_000 })),
    );
    const waits = waiter.forAll((name) => waiter.redlock.acquire(name, { ttl: 30_000, waitTime: 30_000 }));
    await simulation.advance(2_000);
    const before = simulation.nowMs;
    await simulation.until(Promise.all(locks.map((lock) => lock.release())));
    const served = await simulation.until(waits);
    expect(served.every((lock) => lock.remainingValidity() > 0)).toBe(true);
    expect(simulation.nowMs - before).toBeLessThan(10_000);
    await simulation.until(waiter.redlock.close());
  });

  it('calls that one signal ends: nodes are not asked for what no caller wants any more', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const { redlock, forAll } = await inBulk(scene);
    const { signal, abort } = abortable();
    const calls = Promise.allSettled(
      NAMES.map((name) => redlock.acquire(name, { waitTime: 30_000, signal })),
    );
    await simulation.advance(0);
    abort();
    const before = simulation.nowMs;
    const lock = await simulation.until(redlock.acquire('urgent', { waitTime: 30_000 }));
    expect(simulation.nowMs - before).toBeLessThan(50);
    const counters = simulation.nodes.flatMap(({ store }) => [...store.keys()].filter(isCounterOfMany));
    expect(new Set(counters).size).toBeLessThan(200);
    expect((await simulation.until(calls)).every(({ status }) => status === 'rejected')).toBe(true);
    await simulation.until(lock.release());
    const more = forAll((name) => redlock.acquire(name, { waitTime: 30_000 }).catch(() => undefined));
    await simulation.advance(0);
    const closedAt = simulation.nowMs;
    await simulation.until(redlock.close());
    await simulation.until(more);
    expect(simulation.nowMs - closedAt).toBeLessThan(200);
    expect(scene.keys).toEqual([]);
  });

  it('of many resources each: none fails for want of nodes', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const { redlock } = await inBulk(scene);
    const lists = Array.from({ length: 100 }, (_, list) => NAMES.slice(list * 50, (list + 1) * 50));
    const locks = await simulation.until(Promise.all(lists.map((list) => redlock.acquire(list))));
    const reports = await simulation.until(Promise.all(locks.map((lock) => lock.release())));
    expect(reports.every(({ freed }) => freed)).toBe(true);
    await simulation.until(redlock.close());
  });

  it('waits that one signal ends: no waiter is left in a queue, and nothing at the signal', async () => {
    const scene = new Scene();
    const { simulation } = scene;
    const holder = await inBulk(scene);
    const waiter = await inBulk(scene);
    await simulation.until(holder.forAll((name) => holder.redlock.acquire(name, { ttl: 30_000 })));
    const { signal, abort } = abortable();
    const waits = NAMES.map((name) => waiter.redlock.acquire(name, { waitTime: 30_000, signal }));
    await simulation.advance(2_000);
    abort();
    const results = await simulation.until(Promise.allSettled(waits));
    expect(results.every(({ status }) => status === 'rejected')).toBe(true);
    await simulation.until(waiter.redlock.close());
    expect(scene.keys.filter((key) => key.startsWith('quorlock:queue'))).toEqual([]);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});

/** A node makes it when it is asked for one of the five thousand. */
function isCounterOfMany(key: string): boolean {
  return /^quorlock:fence:.*r\d+/.test(key);
}

function abortable() {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort(new Error('enough')) };
}
