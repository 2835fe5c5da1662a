import { describe, expect, it } from 'vitest';
import type { Lock } from '../../../src/lock/lock.ts';
import type { RedlockOptions } from '../../../src/redlock/options.ts';
import type { Redlock } from '../../../src/redlock.ts';
import { World } from '../world.ts';
import { QUARANTINE_MS } from './scene.ts';

/** A Redlock on a machine of its own, over the servers with these indexes. */
function over(world: World, indexes: readonly number[], options: RedlockOptions = {}): Redlock {
  const nodes = world.servers.filter((_, index) => indexes.includes(index));
  return world.redlock({ quarantine: 'auto', ...options }, world.machine({ nodes }));
}

const acquire = (world: World, redlock: Redlock) =>
  world.clock.runUntil(redlock.acquire('r', { ttl: 10_000, waitTime: 0 }));

async function use(world: World, redlock: Redlock): Promise<Lock> {
  const lock = await acquire(world, redlock);
  await world.clock.runUntil(lock.release());
  return lock;
}

describe('programs that do not agree', () => {
  it.each([
    ['one node more', [0, 1, 2, 3]],
    ['one node less', [0, 1]],
  ])('on the number of nodes: the list with %s is refused, and says what to do', async (_, indexes) => {
    const world = new World(4);
    await use(world, over(world, [0, 1, 2]));
    const error = await acquire(world, over(world, indexes)).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
    expect(String(error)).toContain(`it is one of a quorum of 3, and here are ${indexes.length}`);
    expect(String(error)).toContain('call initialize()');
  });

  it('on the number of nodes: a look from before initialize() does not refuse a node after it', async () => {
    const world = new World(4);
    await use(world, over(world, [0, 1, 2]));
    const machine = world.machine();
    const changed = world.redlock({ quarantine: 'auto' }, machine);
    // A survey waits for the slowest node, while the others are initialized.
    const [, , , slow] = machine.clients;
    if (slow !== undefined) slow.rules.latency = { least: 5, most: 5 };
    await world.clock.runUntil(changed.initialize());
    (await acquire(world, changed)).assertHeld();
  });

  it('on the nodes, in lists of the same length, can both hold a lock, and neither notices', async () => {
    const world = new World(5);
    const one = over(world, [0, 1, 2]);
    await use(world, one);
    const other = over(world, [2, 3, 4]);
    await world.clock.advance(QUARANTINE_MS);
    const first = await acquire(world, one);
    const second = await acquire(world, other);
    first.assertHeld();
    second.assertHeld();
  });

  it('on the prefix can both hold a lock, and neither notices', async () => {
    const world = new World(3);
    const first = await acquire(world, over(world, [0, 1, 2]));
    const second = await acquire(world, over(world, [0, 1, 2], { keyPrefix: 'locks:' }));
    first.assertHeld();
    second.assertHeld();
  });
});

describe('an even number of nodes', () => {
  it.each([2, 4, 6])('is warned of; half of %i are no majority', async (nodeCount) => {
    const world = new World(nodeCount);
    const codes: string[] = [];
    const indexes = Array.from({ length: nodeCount }, (_, index) => index);
    const redlock = over(world, indexes, { onWarning: ({ code }) => codes.push(code) });
    await use(world, redlock);
    expect(codes).toEqual(['QUORLOCK_EVEN_NODES']);
    for (let index = 0; index < nodeCount / 2; index += 1) world.server(index).crash();
    await world.clock.advance(100);
    await expect(acquire(world, redlock)).rejects.toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
  });
});

describe('a node list that changes', () => {
  it.each([
    ['adding one to three', [0, 1, 2], [0, 1, 2, 3]],
    ['adding one to four', [0, 1, 2, 3], [0, 1, 2, 3, 4]],
    ['removing one of four', [0, 1, 2, 3], [0, 1, 2]],
    ['removing one of five', [0, 1, 2, 3, 4], [0, 1, 2, 3]],
  ])('%s: held locks keep others out to their end, and the old list is out', async (_, oldList, newList) => {
    const world = new World(5);
    const before = over(world, oldList);
    await use(world, before);
    const lock = await acquire(world, before);
    const after = over(world, newList);
    await world.clock.runUntil(after.initialize());

    await expect(acquire(world, after)).rejects.toMatchObject({ code: 'QUORLOCK_HELD' });
    await expect(world.clock.runUntil(lock.extend())).rejects.toMatchObject({
      code: 'QUORLOCK_EXTEND_FAILED',
    });
    lock.assertHeld();
    await world.clock.advance(10_000);
    const next = await acquire(world, after);
    next.assertHeld();
    expect(next.token).toBeGreaterThan(lock.token);
    await expect(acquire(world, before)).rejects.toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
  });

  it('by two nodes at once lets a second holder in beside one from before', async () => {
    const world = new World(5);
    const before = over(world, [0, 1, 2]);
    await use(world, before);
    world.holdElsewhere('lock:r', 1_000, [world.server(2)]);
    const first = await acquire(world, before);
    await world.clock.advance(1_000);
    const after = over(world, [0, 1, 2, 3, 4]);
    await world.clock.runUntil(after.initialize());
    const second = await acquire(world, after);
    first.assertHeld();
    second.assertHeld();
  });

  it('by one node in place of another, in a list of three, lets two hold a lock, and neither notices', async () => {
    const world = new World(4);
    const before = over(world, [0, 1, 2]);
    await use(world, before);
    const after = over(world, [0, 1, 3]);
    await world.clock.advance(QUARANTINE_MS);
    // Node 1 did not vote for the first: another client's attempt was there just then.
    world.holdElsewhere('lock:r', 1_000, [world.server(1)]);
    const first = await acquire(world, before);
    await world.clock.advance(1_001);
    expect(world.valuesOf('lock:r')).toEqual([first.value, undefined, first.value, undefined]);
    const second = await acquire(world, after);
    first.assertHeld();
    second.assertHeld();
  });

  it('by an empty server under the address of an old one is a node that lost its memory', async () => {
    const world = new World(3);
    const redlock = over(world, [0, 1, 2]);
    await use(world, redlock);
    world.server(0).restart({ keepMemory: false });
    world.server(1).crash();
    await world.clock.advance(100);
    const error = await acquire(world, redlock).catch((reason: unknown) => reason);
    expect(String(error)).toContain('it is new, restarted or was emptied');
  });
});
