import { describe, expect, it } from 'vitest';
import { ClosedError } from '../../../src/index.ts';
import { World } from '../world.ts';
import { Scene, sceneOf } from './scene.ts';

describe('waiting()', () => {
  it('counts callers that want the resource with others, and readers', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [holder, waiter] = programs;
    await simulation.until(holder.redlock.acquire(['a', 'b']));
    const wanted = ['a', ['a', 'c'], ['c', 'b', 'a'], ['b', 'c'], 'b'];
    for (const resources of wanted) void waiter.redlock.acquire(resources, { waitTime: 60_000 });
    void waiter.redlock.readWrite('a').acquireRead({ waitTime: 60_000 });
    await simulation.advance(20);
    const seen = await simulation.until(
      Promise.all(['a', 'b', 'c', 'd'].map((resource) => waiter.redlock.waiting(resource))),
    );
    expect(seen.map(({ callers }) => callers)).toEqual([4, 3, 3, 0]);
  });

  it('tells who waits, first come first, and how many callers of this process', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, first, second] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    const all = [scene.hold(first, 'first', 1), scene.hold(first, 'first again', 1)];
    await simulation.advance(10);
    all.push(scene.hold(second, 'second', 1));
    await simulation.advance(10);
    const seen = await simulation.until(second.redlock.waiting('r'));
    expect(seen).toMatchObject({
      resource: 'r',
      callers: 1,
      processes: [
        { nodes: 5, isOwn: false },
        { nodes: 5, isOwn: true },
      ],
      unknown: 0,
    });
    const [older, newer] = seen.processes;
    expect((newer?.since ?? 0) - (older?.since ?? 0)).toBeCloseTo(10, 0);
    expect(older?.process).not.toBe(newer?.process);
    expect(await simulation.until(first.redlock.waiting('r'))).toMatchObject({ callers: 2 });
    await simulation.until(held.release());
    const locks = await simulation.until(Promise.all(all));
    expect(locks.map(({ value }) => value.split('.')[0])).toEqual([
      older?.process,
      older?.process,
      newer?.process,
    ]);
    expect(await simulation.until(first.redlock.waiting('r'))).toEqual({
      resource: 'r',
      callers: 0,
      processes: [],
      unknown: 0,
    });
  });

  it('says how many nodes do not answer', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    scene.simulation.nodes[3]?.crash();
    await scene.simulation.advance(5);
    expect(await scene.simulation.until(program.redlock.waiting('r'))).toMatchObject({ unknown: 1 });
  });

  it('refuses what is no resource', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    // @ts-expect-error: callers in JavaScript
    await expect(program?.redlock.waiting(['r'])).rejects.toThrow(/resource must be a string: got/);
  });
});

describe('inspect() and waiting()', () => {
  it('name what they were asked of where they end with close()', async () => {
    const world = new World(3);
    for (const server of world.servers) server.pause();
    const redlock = world.redlock({ connectTimeout: 5_000 });
    const asked = [redlock.inspect('r'), redlock.waiting('r')].map((each) =>
      each.catch((error: unknown) => error),
    );
    await world.clock.advance(10);
    await world.clock.runUntil(redlock.close());
    for (const error of await Promise.all(asked)) {
      expect(error).toBeInstanceOf(ClosedError);
      expect(error).toMatchObject({ resources: ['r'] });
    }
  });
});

describe('inspect()', () => {
  it('tells of a lock that is reserved for a notified waiter', async () => {
    const { scene, simulation, programs } = await sceneOf(2);
    const [holder, waiter] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    const waiting = scene.hold(waiter, 'waiter', 1);
    await simulation.advance(10);
    const { processes } = await simulation.until(holder.redlock.waiting('r'));
    waiter.machine.pause(30);
    await simulation.until(held.release());
    const seen = await simulation.until(holder.redlock.inspect('r'));
    expect(seen.state).toBe('contended');
    for (const node of seen.nodes) {
      expect(node).toMatchObject({
        state: 'kept',
        for: expect.stringContaining(processes[0]?.process ?? '?'),
      });
    }
    await simulation.until(waiting);
  });
});

describe('what waiting leaves behind', () => {
  it('is nothing: no key, no subscription, no timer', async () => {
    const scene = new Scene();
    const programs = await scene.programs(4);
    const { simulation } = scene;
    const all = programs.flatMap((program) =>
      Array.from({ length: 5 }, (_, index) => scene.hold(program, `${index}`, 1)),
    );
    await simulation.until(Promise.all(all));
    await simulation.advance(11_000);
    expect(scene.keys).toEqual([]);
    for (const { machine } of programs) expect(machine.clock.pendingTimers).toBe(0);
    for (const node of simulation.nodes) expect(node.subscriptions).toBe(0);
  });

  it('for thousands of resources is one subscription a node', async () => {
    const { scene, simulation, programs } = await sceneOf(2);
    const [holder, waiter] = programs;
    const names = Array.from({ length: 2_000 }, (_, index) => `resource ${index}`);
    const held = await simulation.until(Promise.all(names.map((name) => holder.redlock.acquire(name))));
    const waiting = names.map((name) => waiter.redlock.acquire(name));
    await simulation.advance(100);
    for (const node of simulation.nodes) expect(node.subscriptions).toBe(1);
    await simulation.until(Promise.all(held.map((lock) => lock.release())));
    const locks = await simulation.until(Promise.all(waiting));
    await simulation.until(Promise.all(locks.map((lock) => lock.release())));
    // A release resolves when a majority has confirmed it.
    await simulation.advance(10);
    expect(scene.keys).toEqual([]);
  });
});

describe('several resources', () => {
  it('are waited for together, and had all at once', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, waiter, other] = programs;
    const a = await simulation.until(holder.redlock.acquire('a'));
    const b = await simulation.until(holder.redlock.acquire('b'));
    const both = waiter.redlock.acquire(['b', 'a']);
    await simulation.advance(20);
    await simulation.until(a.release());
    await simulation.advance(5);
    // What is free meanwhile is kept for the oldest waiter.
    expect(await simulation.until(other.redlock.tryAcquire('a'))).toBeNull();
    const single = other.redlock.acquire('a');
    await simulation.advance(1_000);
    await simulation.until(b.release());
    const lock = await simulation.until(both);
    expect(lock.resources).toEqual(['a', 'b']);
    await simulation.until(lock.release());
    await simulation.until((await simulation.until(single)).release());
    await simulation.advance(200);
    expect(scene.keys).toEqual([]);
  });
});

describe('a waitTime', () => {
  it('is over when its timer comes, though the clock is a little behind', async () => {
    const scene = new Scene({ network: { latency: { least: 0.05, most: 0.1 } } });
    const [holder, waiter] = await scene.programs(2);
    const { simulation } = scene;
    const { clock } = waiter.machine;
    const after = clock.after.bind(clock);
    // Sooner by more than the last attempt takes.
    clock.after = (delayMs, callback) => after(Math.max(0, delayMs - 0.5), callback);
    const held = await simulation.until(holder.redlock.acquire('r', { ttl: 30_000 }));
    const wait = waiter.redlock.acquire('r', { waitTime: 100 });
    await expect(simulation.until(wait)).rejects.toMatchObject({ code: 'QUORLOCK_WAIT_TIMEOUT' });
    expect(held.remainingValidity()).toBeGreaterThan(0);
  });
});
