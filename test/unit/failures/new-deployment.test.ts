import { describe, expect, it } from 'vitest';
import { World } from '../world.ts';
import { delay, RECONNECT_MS, Scene, statesOf } from './scene.ts';

/** Servers that no client has used, but for their scripts. */
async function unusedWorld(nodeCount: number): Promise<World> {
  const world = new World(nodeCount);
  const redlock = world.redlock({}, world.machine());
  await world.clock.runUntil(redlock.inspect('r'));
  await world.clock.runUntil(redlock.close());
  return world;
}

describe('a new deployment', () => {
  it('is started by one of many programs that find it at the same time, and used by all of them', async () => {
    const world = await unusedWorld(5);
    const users = Array.from({ length: 12 }, () => world.redlock({ quarantine: 'auto' }, world.machine()));
    const locks = await world.clock.runUntil(
      Promise.all(users.map((user, index) => user.acquire(`job ${index}`, { waitTime: 0 }))),
    );
    for (const lock of locks) lock.assertHeld();
    expect(statesOf(world)).toEqual(Array(5).fill('active'));
  });

  it('is started by another program if the first one dies over it', async () => {
    const world = await unusedWorld(3);
    const dying = world.machine();
    delay(dying, [0, 1, 2], 'active', 300);
    world.redlock({ quarantine: 'auto' }, dying);
    await world.clock.advance(50);
    for (const client of dying.clients) client.close();
    const other = world.redlock({ quarantine: 'auto' }, world.machine());
    await world.clock.advance(3_000);
    const lock = await world.clock.runUntil(other.acquire('r'));
    lock.assertHeld();
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
  });

  it('is not made active by a start that was given up, once its claim is gone', async () => {
    const world = await unusedWorld(3);
    const slow = world.machine();
    delay(slow, [0, 1, 2], 'active', 400);
    world.redlock({ quarantine: 'auto' }, slow);
    await world.clock.advance(50);
    expect(statesOf(world)).toEqual(['starting', 'starting', 'starting']);
    const fast = world.redlock({ quarantine: 'auto' }, world.machine());
    expect(await world.clock.runUntil(fast.initialize())).toBeUndefined();
    const lock = await world.clock.runUntil(fast.acquire('r', { ttl: 30_000 }));
    for (const index of [0, 1]) world.server(index).flushAll();
    await world.clock.advance(500);
    expect(statesOf(world).slice(0, 2)).not.toContain('active');
    const third = world.redlock({ quarantine: 'auto' }, world.machine());
    await expect(world.clock.runUntil(third.acquire('r', { waitTime: 0 }))).rejects.toThrow(/quorum/);
    lock.assertHeld();
  });

  it('is used by a program whose own start came too late', async () => {
    const world = await unusedWorld(3);
    const slow = world.machine();
    delay(slow, [0, 1, 2], 'active', 400);
    const overtaken = world.redlock({ quarantine: 'auto' }, slow);
    await world.clock.advance(50);
    await world.clock.runUntil(world.redlock({ quarantine: 'auto' }, world.machine()).initialize());
    await world.clock.advance(1_000);
    (await world.clock.runUntil(overtaken.acquire('r', { waitTime: 0 }))).assertHeld();
  });

  it('is none if a node has got a marker of its own while the others were being claimed', async () => {
    const world = await unusedWorld(3);
    const [first, ...others] = [0, 1, 2].toSorted((a, b) =>
      world.server(a).runId < world.server(b).runId ? -1 : 1,
    );
    const slow = world.machine();
    delay(slow, others, 'starting', 300);
    world.redlock({ quarantine: 'auto' }, slow);
    await world.clock.advance(50);
    expect(statesOf(world)[first ?? 0]).toBe('starting');
    const { runId, store } = world.server(first ?? 0);
    store.set('quorlock:node', `joining ${runId} another 3 30000`);
    await world.clock.advance(500);
    expect(statesOf(world)).toEqual(['joining', 'joining', 'joining']);
  });
});

describe('nodes that forget one after the other while the looks at them are far apart', () => {
  it.each([100, 300, 450, 520, 900])('do not pass for a new deployment: %i ms', async (lateMs) => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const slow = world.machine();
    const late = scene.newcomer(slow);
    await world.clock.advance(RECONNECT_MS);
    const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    const stop = delay(slow, [1, 2], 'look', lateMs);
    world.server(0).flushAll();
    for (const user of [late, scene.other]) user.tryAcquire('r').catch(() => undefined);
    await world.clock.advance(lateMs - 5);
    expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
    for (const index of [1, 2]) world.server(index).flushAll();
    await world.clock.advance(15);
    stop();
    await world.clock.advance(RECONNECT_MS);
    expect(statesOf(world)).not.toContain('active');
    expect(await scene.refusals(scene.newcomer())).toEqual(['quarantined', 'quarantined', 'quarantined']);
    lock.assertHeld();
  });

  it('do not either when the others go as soon as a client has noticed the first', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const lock = await world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    world.server(0).flushAll();
    expect(await scene.attempt()).toBeNull();
    await world.clock.advance(10);
    for (const index of [1, 2]) world.server(index).flushAll();
    expect(await scene.refusals()).not.toContain('granted');
    await world.clock.advance(RECONNECT_MS);
    expect(statesOf(world)).toEqual(['joining', 'joining', 'joining']);
    lock.assertHeld();
  });
});
