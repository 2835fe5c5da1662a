import { describe, expect, it } from 'vitest';
import { parseMarker } from '../../../src/node/marker.ts';
import type { RedlockOptions } from '../../../src/redlock/options.ts';
import { World } from '../world.ts';
import { delay, QUARANTINE_MS, RECONNECT_MS, Scene, snapshotOf, statesOf } from './scene.ts';

/** Ways to lose what a node had granted. The first node of the majority loses its own. */
const losses: Readonly<Record<string, (scene: Scene) => void>> = {
  'a crash without fsync': ({ world }) => world.server(0).restart({ keepMemory: false }),
  'a crash that cost it the last second of its append-only file': ({ world }) => {
    world.server(0).restart({ keepMemory: true });
    world.server(0).store.delete('lock:r');
  },
  'a FLUSHALL': ({ world }) => world.server(0).flushAll(),
};

async function afterLoss(name: string, options: RedlockOptions = {}) {
  const scene = await Scene.open(3, options);
  const lock = await scene.holdBareMajority();
  expect(scene.world.valuesOf('lock:r')).toEqual([lock.value, lock.value, undefined]);
  losses[name]?.(scene);
  await scene.world.clock.advance(RECONNECT_MS);
  expect(scene.world.server(0).store.get('lock:r')).toBeUndefined();
  return { scene, lock };
}

describe.each(Object.keys(losses))('a node of a bare majority that forgot its lock by %s', (name) => {
  it.each(['auto', 'strict'] as const)('does not vote, under quarantine %s', async (quarantine) => {
    const { scene, lock } = await afterLoss(name, { quarantine });
    expect(await scene.attempt()).toBeNull();
    expect(await scene.refusals()).toMatchObject(['quarantined', 'held', expect.anything()]);
    lock.assertHeld();
  });

  it("gives it to a second holder, with quarantine 'off'", async () => {
    const { scene, lock } = await afterLoss(name, { quarantine: 'off' });
    const second = await scene.attempt();
    second?.assertHeld();
    lock.assertHeld();
    expect(second?.token).toBeGreaterThan(lock.token);
  });
});

describe('a quarantine', () => {
  it('ends when every lock that may have been forgotten has expired', async () => {
    const { scene, lock } = await afterLoss('a crash without fsync');
    expect(await scene.attempt()).toBeNull();
    const { world } = scene;
    await world.clock.advance(lock.remainingValidity());
    world.server(1).crash();
    expect(await scene.refusals()).toMatchObject(['quarantined', 'disconnected', expect.anything()]);
    await world.clock.advance(QUARANTINE_MS);
    const next = await scene.attempt();
    next?.assertHeld();
    expect(next?.token).toBeGreaterThan(lock.token);
  });

  it('begins anew when the node restarts again', async () => {
    const { scene } = await afterLoss('a crash without fsync');
    await scene.attempt();
    await scene.world.clock.advance(QUARANTINE_MS - 4_000);
    scene.world.server(0).restart({ keepMemory: true });
    await scene.world.clock.advance(6_000);
    scene.world.server(1).crash();
    expect(await scene.refusals()).toMatchObject(['quarantined', 'disconnected', expect.anything()]);
  });

  it('begins anew when the node is emptied again, if another node is what makes that noticed', async () => {
    const { scene } = await afterLoss('a FLUSHALL');
    const { world } = scene;
    await scene.attempt();
    await world.clock.advance(30_000 * 1.01 + 2_100);
    for (const index of [0, 1]) world.server(index).flushAll();
    await scene.refusals();
    await world.clock.advance(2_000);
    for (const index of [0, 1]) expect(world.server(index).store.get('quorlock:node')).toMatch(/^joining /);
  });

  it("begins anew when the node restarts while the others' markers are read before its end", async () => {
    const scene = await Scene.open(3, { quarantine: 'strict' });
    const { world } = scene;
    const machine = world.machine();
    const watcher = scene.newcomer(machine);
    await world.clock.runUntil(watcher.acquire('first'));
    world.server(0).flushAll();
    await world.clock.runUntil(watcher.acquire('second'));
    await world.clock.advance(10);
    expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
    delay(machine, [1, 2], 'look', 400);
    await world.clock.advance(30_000 * 1.01 + 2_100 + 50);
    world.server(0).restart({ keepMemory: false });
    await world.clock.advance(2_000);
    expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
  });

  it('does not keep an extension from healing the other nodes', async () => {
    const { scene, lock } = await afterLoss('a FLUSHALL');
    await scene.world.clock.runUntil(lock.extend());
    expect(scene.world.valuesOf('lock:r').slice(1)).toEqual([lock.value, lock.value]);
    expect(await scene.attempt()).toBeNull();
  });
});

describe('all nodes forget at the same time', () => {
  async function afterLossOfAll(quarantine: 'auto' | 'strict') {
    const scene = await Scene.open(3, { quarantine });
    const lock = await scene.world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    for (const server of scene.world.servers) server.restart({ keepMemory: false });
    await scene.world.clock.advance(RECONNECT_MS);
    return { scene, lock };
  }

  it("under quarantine 'auto' they pass for a new deployment, and a second holder gets in", async () => {
    const { scene, lock } = await afterLossOfAll('auto');
    const second = await scene.attempt();
    second?.assertHeld();
    lock.assertHeld();
    expect(second?.token).toBeGreaterThan(lock.token);
  });

  it("under quarantine 'strict' no lock is granted before the old locks have expired", async () => {
    const { scene, lock } = await afterLossOfAll('strict');
    expect(await scene.refusals()).toEqual(['quarantined', 'quarantined', 'quarantined']);
    await scene.world.clock.advance(lock.remainingValidity());
    expect(await scene.refusals()).toEqual(['quarantined', 'quarantined', 'quarantined']);
    await scene.world.clock.advance(QUARANTINE_MS);
    expect(await scene.attempt()).not.toBeNull();
  });
});

describe('a node whose whole machine is set back to a snapshot', () => {
  it('is the same server process as before, votes at once, and may let a second holder in', async () => {
    const scene = await Scene.open(3);
    const restore = snapshotOf(scene.world.server(0));
    const lock = await scene.holdBareMajority();
    scene.world.client(0).disconnect({ requestsArrive: false });
    restore();
    await scene.world.clock.advance(RECONNECT_MS);
    const second = await scene.attempt();
    second?.assertHeld();
    lock.assertHeld();
    expect(second?.token).toBeGreaterThan(lock.token);
  });

  it('does not vote if the server is restarted with it', async () => {
    const scene = await Scene.open(3);
    const restore = snapshotOf(scene.world.server(0));
    await scene.holdBareMajority();
    restore();
    scene.world.server(0).restart({ keepMemory: true });
    await scene.world.clock.advance(RECONNECT_MS);
    expect(await scene.attempt()).toBeNull();
    expect(await scene.refusals()).toMatchObject(['quarantined', 'held', expect.anything()]);
  });
});

describe('programs with a maxTtl of their own', () => {
  it('share a deployment: the marker tells of the longest, and the smaller one goes on', async () => {
    const scene = await Scene.open(3, { maxTtl: 10_000 });
    const { world } = scene;
    const long = scene.world.redlock({ quarantine: 'auto', maxTtl: 60_000 }, world.machine());
    const lock = await world.clock.runUntil(long.acquire('r', { ttl: 60_000 }));
    for (const server of world.servers) expect(server.store.get('quorlock:node')).toMatch(/ 3 60000$/);
    expect(await world.clock.runUntil(scene.other.tryAcquire('r', { ttl: 10_000 }))).toBeNull();
    await world.clock.runUntil(lock.release());
    const next = await world.clock.runUntil(scene.other.acquire('r', { ttl: 10_000 }));
    expect(next.token).toBeGreaterThan(lock.token);
  });

  const SNAPSHOT = 'a restart with a snapshot from before the longer ttl';

  /** Whether a node that forgot a long lock keeps out of every vote until that lock has ended. */
  async function expectLongQuarantine(quarantine: 'auto' | 'strict', loss: string): Promise<void> {
    const scene = await Scene.open(3, { quarantine, maxTtl: 10_000 });
    const { world } = scene;
    const restore = snapshotOf(world.server(0));
    const machine = world.machine();
    machine.clients[2]?.cut('requests');
    const long = world.redlock({ quarantine, maxTtl: 60_000 }, machine);
    // The third node has heard of neither the lock nor the longer ttl.
    const lock = await world.clock.runUntil(long.acquire('r', { ttl: 60_000 }));
    if (loss === SNAPSHOT) {
      restore();
      world.server(0).restart({ keepMemory: true });
    } else {
      losses[loss]?.(scene);
    }
    for (let seconds = 0; lock.remainingValidity() > 1_000; seconds += 1) {
      await world.clock.advance(1_000);
      const second = await world.clock.runUntil(scene.other.tryAcquire('r', { ttl: 10_000 }));
      expect(second, `after ${seconds} s`).toBeNull();
    }
  }

  it.each(['a FLUSHALL', 'a crash without fsync'])(
    'have a node quarantined for the longest, whichever program notices %s',
    (loss) => expectLongQuarantine('auto', loss),
  );

  // A client that used the nodes before the longer ttl came has to ask the other nodes' markers for it.
  it.each([
    ['strict', 'a FLUSHALL'],
    ['strict', 'a crash without fsync'],
    ['strict', SNAPSHOT],
    ['auto', SNAPSHOT],
  ] as const)('have it quarantined for the longest under quarantine %s too, after %s', expectLongQuarantine);

  describe.each(['strict', 'auto'] as const)(
    'under quarantine %s, of which one comes while nodes join,',
    (quarantine) => {
      const SHORT = { quarantine, maxTtl: 1_000, ttl: 1_000 } as const;
      const LONG = { quarantine, maxTtl: 60_000 } as const;

      /** A lock of a program with a long maxTtl on every node, all of which are emptied for the other one to find. */
      async function forgotten(nodeCount: number) {
        const world = new World(nodeCount);
        const short = world.redlock(SHORT);
        const long = world.redlock(LONG, world.machine());
        if (quarantine === 'strict') await world.clock.runUntil(short.initialize());
        // The nodes know of the short maxTtl only, until the other program has looked at them again.
        await world.clock.advance(1_000);
        const lock = await world.clock.runUntil(long.acquire('r', { ttl: 60_000 }));
        return { world, short, long, lock };
      }

      /** As FLUSHALL does it, but that the first one to look at them has begun a quarantine already. */
      function empty(world: World, maxTtl: number): void {
        for (const { store, runId } of world.servers) {
          store.clear();
          store.set('quorlock:node', `joining ${runId} nonce ${world.servers.length} ${maxTtl}`);
        }
      }

      it.each([1, 3])('wait for the longer one’s locks, on %i nodes', async (nodeCount) => {
        const { world, short, long, lock } = await forgotten(nodeCount);
        empty(world, 1_000);
        // Both come to see it.
        const looks = [short, long].map((redlock) => redlock.tryAcquire('another').catch(() => null));
        await world.clock.runUntil(Promise.all(looks));
        for (let seconds = 0; lock.remainingValidity() > 1_000; seconds += 1) {
          await world.clock.advance(1_000);
          const second = await world.clock.runUntil(short.tryAcquire('r').catch(() => null));
          expect(second, `after ${seconds} s`).toBeNull();
        }
        await world.clock.advance(5_000);
        const next = await world.clock.runUntil(short.acquire('r'));
        expect(next.token).toBeGreaterThan(lock.token);
      });

      it('count what they have waited for already', async () => {
        const { world, short, long } = await forgotten(3);
        empty(world, 1_000);
        await world.clock.runUntil(short.tryAcquire('another').catch(() => null));
        await world.clock.advance(2_000);
        await world.clock.runUntil(long.tryAcquire('another').catch(() => null));
        await world.clock.advance(60_000 * 1.01 + 2_100 - 2_000 + 600);
        (await world.clock.runUntil(short.acquire('r'))).assertHeld();
      });
    },
  );
});

describe('a program that once had a long maxTtl', () => {
  const YEAR_MS = 31_536_000_000;

  /** Three nodes of which the markers tell of a year, a program that has seen them so, and one that has not. */
  async function afterAYear() {
    const scene = await Scene.open(3);
    const { world } = scene;
    const long = world.redlock({ quarantine: 'auto', maxTtl: YEAR_MS }, world.machine());
    await world.clock.runUntil((await world.clock.runUntil(long.acquire('r'))).release());
    await world.clock.runUntil(long.close());
    expect(ttlsOf(scene)).toEqual([YEAR_MS, YEAR_MS, YEAR_MS]);
    const witness = scene.newcomer();
    await world.clock.runUntil((await world.clock.runUntil(witness.acquire('r'))).release());
    return { scene, world, witness };
  }

  const ttlsOf = ({ world }: Scene) =>
    world.servers.map(({ store }) => parseMarker(store.get('quorlock:node') ?? '')?.maxTtl);

  it('is forgotten by initialize(): the markers tell of the maxTtl of the program that called it', async () => {
    const { scene, world } = await afterAYear();
    await world.clock.runUntil(scene.newcomer().initialize());
    expect(ttlsOf(scene)).toEqual([30_000, 30_000, 30_000]);
  });

  it.each([
    ['empty', false],
    ['with its memory', true],
  ])('is forgotten by programs that have seen it, for a node that restarts %s', async (_, keepMemory) => {
    const { scene, world, witness } = await afterAYear();
    await world.clock.runUntil(scene.newcomer().initialize());
    world.server(0).restart({ keepMemory });
    await world.clock.advance(QUARANTINE_MS);
    expect(statesOf(world)).toEqual(['active', 'active', 'active']);
    expect(ttlsOf(scene)).toEqual([30_000, 30_000, 30_000]);
    expect(await scene.attempt(witness)).not.toBeNull();
  });

  it('is not forgotten otherwise: a node that restarts waits for it', async () => {
    const { scene, world } = await afterAYear();
    world.server(0).restart({ keepMemory: false });
    await world.clock.advance(QUARANTINE_MS);
    expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
    expect(ttlsOf(scene)).toEqual([YEAR_MS, YEAR_MS, YEAR_MS]);
  });

  it('is not forgotten by who sees it taken back on a part of the nodes only', async () => {
    const { scene, world } = await afterAYear();
    const administrator = world.machine();
    administrator.clients[1]?.cut('requests');
    const redlock = scene.newcomer(administrator);
    await expect(world.clock.runUntil(redlock.initialize())).rejects.toThrow('node-2:6379');
    expect(ttlsOf(scene)).toEqual([30_000, YEAR_MS, 30_000]);
    administrator.clients[1]?.mend();
    await world.clock.advance(RECONNECT_MS);
    world.server(0).restart({ keepMemory: false });
    await world.clock.advance(QUARANTINE_MS);
    expect(statesOf(world)).toEqual(['joining', 'active', 'active']);
  });

  it('is told how much longer quarantines get, once, and so is who raises it again', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    scene.warnings.length = 0;
    const long = world.redlock(
      { quarantine: 'auto', maxTtl: 3_600_000, onWarning: (warning) => scene.warnings.push(warning) },
      world.machine(),
    );
    await world.clock.runUntil((await world.clock.runUntil(long.acquire('r'))).release());
    expect(scene.warnings.map(({ code }) => code)).toEqual(['QUORLOCK_MAX_TTL']);
    expect(scene.warnings[0]?.message).toContain('maxTtl is 3600000 ms here, and 30000 ms in all programs');
    expect(scene.warnings[0]?.message).toContain('for 3638100 ms from now on, instead of 32400 ms');
  });
});
