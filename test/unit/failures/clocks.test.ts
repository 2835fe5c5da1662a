import { describe, expect, it } from 'vitest';
import { QUARANTINE_MS, Scene } from './scene.ts';

const MINUTE_MS = 60_000;

const warned = (scene: Scene) => scene.warnings.filter(({ code }) => code === 'QUORLOCK_CLOCK');

describe("a node's clock that steps forward over the end of a lock", () => {
  it('puts the node past the deadline of whoever knew it before, who is warned and leaves it out', async () => {
    const scene = await Scene.open(3);
    const lock = await scene.holdBareMajority();
    scene.world.server(0).wall.step(MINUTE_MS);
    expect(await scene.refusals()).toMatchObject(['late', 'held', expect.anything()]);
    expect(warned(scene)).toHaveLength(1);
    expect(await scene.refusals()).toMatchObject(['clock', 'held', expect.anything()]);
    expect(warned(scene)).toHaveLength(1);
    lock.assertHeld();
  });

  it('is not noticed by a newcomer, who gets the lock, with a higher token', async () => {
    const scene = await Scene.open(3);
    const lock = await scene.holdBareMajority();
    scene.world.server(0).wall.step(MINUTE_MS);
    const newcomer = scene.newcomer();
    const second = await scene.attempt(newcomer);
    second?.assertHeld();
    lock.assertHeld();
    expect(second?.token).toBeGreaterThan(lock.token);
  });

  it('counts again when every lock of that time has ended', async () => {
    const scene = await Scene.open(3);
    const lock = await scene.holdBareMajority();
    scene.world.server(0).wall.step(MINUTE_MS);
    await scene.attempt();
    await scene.world.clock.runUntil(lock.release());
    scene.world.server(2).crash();
    expect((await scene.refusals())[0]).toBe('clock');
    await scene.world.clock.advance(QUARANTINE_MS);
    expect(await scene.attempt()).not.toBeNull();
  });
});

describe("a node's clock that steps back", () => {
  it('keeps a key there for longer, is warned of, and lets nobody in early', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 10_000 }));
    world.server(0).wall.step(-MINUTE_MS);
    expect(await scene.attempt()).toBeNull();
    expect(warned(scene)).toHaveLength(1);
    await world.clock.advance(10_010);
    expect(world.valuesOf('lock:r')).toEqual([lock.value, undefined, undefined]);
    const next = await scene.attempt();
    next?.assertHeld();
    expect(lock.remainingValidity()).toBe(0);
    expect(next?.token).toBeGreaterThan(lock.token);
  });
});

describe('the clocks of all nodes', () => {
  it.each([0.991, 1, 1.009])(
    'at a rate of %f, inside driftFactor, let nobody in before the validity ends',
    async (rate) => {
      const scene = await Scene.open(3);
      const { world } = scene;
      for (const server of world.servers) server.wall.rate = rate;
      const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 10_000 }));
      await world.clock.advance(9_500);
      for (;;) {
        const second = await scene.attempt();
        if (second !== null) break;
        await world.clock.advance(1);
      }
      expect(lock.remainingValidity()).toBe(0);
      expect(warned(scene)).toEqual([]);
    },
  );

  it('at a rate beyond driftFactor are warned of, and the nodes are left out', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    for (const server of world.servers) server.wall.rate = 1.1;
    const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    for (let looks = 0; looks < 29 && lock.remainingValidity() > 0; looks += 1) {
      await world.clock.advance(1_000);
      const second = await scene.attempt().catch(() => null);
      expect(second === null || lock.remainingValidity() === 0).toBe(true);
    }
    expect(new Set(warned(scene).map(({ message }) => message.split(' is ')[0]))).toEqual(
      new Set(['the clock of node-1:6379', 'the clock of node-2:6379', 'the clock of node-3:6379']),
    );
    const votes = await scene.refusals();
    expect(votes.filter((vote) => vote === 'granted')).toEqual([]);
  });
});

describe("a node's clock that stands still", () => {
  it('keeps its keys for ever, is warned of, and the others go on', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 10_000 }));
    world.server(0).wall.rate = 0;
    await world.clock.advance(MINUTE_MS);
    expect(world.valuesOf('lock:r')).toEqual([lock.value, undefined, undefined]);
    const next = await scene.attempt();
    next?.assertHeld();
    expect(next?.token).toBeGreaterThan(lock.token);
    expect(warned(scene)).not.toEqual([]);
  });

  it('does not refuse late commands: it keeps what comes late, and no vote is made of it', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    world.server(2).wall.rate = 0;
    await scene.holdBareMajority();
    const [, , late] = world.valuesOf('lock:r');
    expect(late).toBeDefined();
    expect(await scene.attempt()).toBeNull();
  });
});
