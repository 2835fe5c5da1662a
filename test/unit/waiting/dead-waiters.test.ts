import { describe, expect, it } from 'vitest';
import { sceneOf } from './scene.ts';

/** Called waiters have as long as a node has to answer. */
const GRACE_MS = 50;

describe('the first waiter', () => {
  it('that was killed costs nothing', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, dead, next] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    void scene.hold(dead, 'dead', 1).catch(() => undefined);
    await simulation.advance(10);
    const waiting = scene.hold(next, 'next', 1);
    await simulation.advance(10);
    dead.machine.kill();
    await simulation.advance(10);
    const releasedAt = simulation.nowMs;
    void held.release();
    await simulation.until(waiting);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(3);
  });

  it('that hangs costs one grace, though no other waiter has a reason to ask', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, hung, next] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    const waitingToo = scene.hold(hung, 'hung', 1);
    await simulation.advance(10);
    const waiting = scene.hold(next, 'next', 1);
    await simulation.advance(10);
    hung.machine.pause(5_000);
    const releasedAt = simulation.nowMs;
    void held.release();
    await simulation.until(waiting);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeGreaterThan(GRACE_MS - 10);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(GRACE_MS + 10);
    await simulation.until(waitingToo);
    expect(scene.order).toEqual(['next', 'hung']);
  });

  it.each([
    ['readers', false],
    ['readers', true],
    ['sets', false],
    ['sets', true],
  ])(
    'that hangs costs one grace, with ten %s in its process; a caller of the holder waits: %s',
    async (kind, isAwaited) => {
      const { scene, simulation, programs } = await sceneOf(3);
      const [holder, hung, next] = programs;
      const held = await simulation.until(holder.redlock.acquire('r'));
      for (let index = 0; index < 10; index += 1) {
        const options = { waitTime: 600_000 };
        if (kind === 'readers') void hung.redlock.readWrite('r').acquireRead(options);
        else void hung.redlock.acquire(['r', `r${index}`], options);
      }
      await simulation.advance(20);
      const waiting = scene.hold(next, 'next', 1);
      await simulation.advance(20);
      if (isAwaited) void scene.hold(holder, 'holder', 1);
      await simulation.advance(2_000);
      hung.machine.pause(600_000);
      const releasedAt = simulation.nowMs;
      void held.release();
      await simulation.until(waiting);
      expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(GRACE_MS + 10);
      expect(scene.order[0]).toBe('next');
    },
  );

  it('comes after a hundred that were killed, at once', async () => {
    const { scene, simulation, programs } = await sceneOf(102);
    const [holder, next, ...dead] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    for (const program of dead) void scene.hold(program, 'dead', 1).catch(() => undefined);
    await simulation.advance(20);
    const waiting = scene.hold(next, 'next', 1);
    await simulation.advance(20);
    for (const { machine } of dead) machine.kill();
    await simulation.advance(10);
    const releasedAt = simulation.nowMs;
    void held.release();
    await simulation.until(waiting);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(3);
  });

  it('that gave up after its notification passes the lock on at once', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, fickle, next] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    const controller = new AbortController();
    const gone = scene.hold(fickle, 'fickle', 1, { waitTime: 60_000, signal: controller.signal });
    const failure = gone.catch((error: unknown) => error);
    await simulation.advance(10);
    const waiting = scene.hold(next, 'next', 1);
    await simulation.advance(10);
    const releasedAt = simulation.nowMs;
    void held.release();
    controller.abort('enough');
    expect(await failure).toBe('enough');
    await simulation.until(waiting);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(GRACE_MS);
  });
});

describe('a waiter that left while nodes hung', () => {
  it('is in no queue soon after they are back, and costs nothing', async () => {
    const { scene, simulation, programs } = await sceneOf(3);
    const [holder, fickle, next] = programs;
    const held = await simulation.until(holder.redlock.acquire('r'));
    const controller = new AbortController();
    const gone = fickle.redlock.acquire('r', { waitTime: 60_000, signal: controller.signal });
    const failure = gone.catch((error: unknown) => error);
    await simulation.advance(10);
    const waiting = scene.hold(next, 'next', 1);
    await simulation.advance(10);
    const hung = simulation.nodes.slice(0, 2);
    for (const node of hung) node.pause();
    // Once a node owes answers it is asked but now and then.
    for (const other of ['a', 'b']) {
      await simulation.until(fickle.redlock.acquire(other));
      await simulation.advance(100);
    }
    await simulation.until(fickle.redlock.acquire('c'));
    controller.abort('enough');
    expect(await failure).toBe('enough');
    await simulation.advance(1_000);
    for (const node of hung) node.resume();
    await simulation.advance(600);
    const { processes } = await simulation.until(next.redlock.waiting('r'));
    expect(processes).toMatchObject([{ isOwn: true, nodes: 5 }]);
    const releasedAt = simulation.nowMs;
    void held.release();
    await simulation.until(waiting);
    expect((scene.turns[0]?.from ?? 0) - releasedAt).toBeLessThan(3);
  });
});

describe('a holder that was killed', () => {
  it('has 32 processes wait for its keys to expire; the one that asked first goes on, without a stampede', async () => {
    const { scene, simulation, programs } = await sceneOf(33, { ttl: 5_000 });
    const [holder, ...others] = programs;
    await simulation.until(holder.redlock.acquire('r'));
    const acquiredAt = simulation.nowMs;
    const waiting: Promise<unknown>[] = [];
    for (const [index, program] of others.entries()) {
      waiting.push(scene.hold(program, String(index), 1));
      await simulation.advance(1);
    }
    await simulation.advance(2_000);
    holder.machine.kill();
    const dueAt = acquiredAt + 5_000;
    await simulation.advance(dueAt - simulation.nowMs - 500);
    const before = scene.commands;
    await simulation.until(Promise.all(waiting));
    expect((scene.turns[0]?.from ?? 0) - dueAt).toBeLessThan(50);
    expect(scene.order).toEqual(others.map((_, index) => String(index)));
    // All that it takes to wake up, to have the lock and to give it back.
    expect((scene.commands - before) / others.length).toBeLessThanOrEqual(20);
  });
});
