import { describe, expect, it } from 'vitest';
import type { Clock, Timer } from '../../../src/base/clock.ts';
import type { RedlockWarning } from '../../../src/base/warning.ts';
import { LockLostError, NoQuorumError } from '../../../src/index.ts';
import { ClockFace } from '../../../src/testing/clock-face.ts';
import { QUARANTINE_MS, Scene } from './scene.ts';

const MINUTE_MS = 60_000;

const warned = (scene: Scene) => scene.warnings.filter(({ code }) => code === 'QUORLOCK_CLOCK');

describe("a node's clock that steps forward over the end of a lock", () => {
  it('puts the node past the deadline of a client that knew it before, which warns and leaves it out', async () => {
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
  it('keeps a key there for longer, is warned of, and lets no other holder in early', async () => {
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
    'at a rate of %f, inside driftFactor, let no other holder in before the validity ends',
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

/** Asks all nodes something, so that each of them has told its time. */
const hearNodes = async (scene: Scene) => {
  const { world, holder } = scene;
  await world.clock.runUntil(holder.tryAcquire('something else').catch(() => null));
  // Those included that were not waited for.
  await world.clock.advance(60);
};

const stepAll = (scene: Scene, ms: number, nodes = scene.world.servers.length) => {
  for (const server of scene.world.servers.slice(0, nodes)) server.wall.step(ms);
};

describe('the clocks of a majority that leap ahead together, or this host that was stopped from outside', () => {
  it.each([
    [3, 2],
    [3, 3],
    [5, 3],
    [4, 3],
    [1, 1],
  ])(
    'of %i nodes %i: a lock is lost as soon as they have said so, before any timer',
    async (nodes, leapt) => {
      const scene = await Scene.open(nodes);
      const { world, holder } = scene;
      const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
      let aborted = false;
      lock.signal.addEventListener('abort', () => {
        aborted = true;
      });
      stepAll(scene, MINUTE_MS, leapt);
      expect(lock.remainingValidity()).toBeGreaterThan(29_000);
      await hearNodes(scene);
      expect(lock.remainingValidity()).toBe(0);
      expect(() => lock.assertHeld()).toThrow(LockLostError);
      expect(aborted).toBe(true);
      await expect(world.clock.runUntil(lock.extend())).rejects.toThrow(LockLostError);
    },
  );

  it('of fewer than a majority take nothing off', async () => {
    const scene = await Scene.open(5);
    const lock = await scene.world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    stepAll(scene, MINUTE_MS, 2);
    await hearNodes(scene);
    expect(lock.remainingValidity()).toBeGreaterThan(29_000);
  });

  it('of different nodes at different times count together, as far as the lock has lived through them', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    world.server(0).wall.step(20_000);
    await hearNodes(scene);
    await world.clock.advance(QUARANTINE_MS);
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
    world.server(1).wall.step(20_000);
    await hearNodes(scene);
    expect(lock.remainingValidity()).toBeGreaterThan(29_000);
    world.server(2).wall.step(10_000);
    await hearNodes(scene);
    expect(lock.remainingValidity()).toBeGreaterThan(19_000);
    expect(lock.remainingValidity()).toBeLessThan(20_000);
  });

  it('and come back: the keys have ended all the same', async () => {
    const scene = await Scene.open(3);
    const lock = await scene.world.clock.runUntil(scene.holder.acquire('r', { ttl: 30_000 }));
    stepAll(scene, MINUTE_MS);
    await hearNodes(scene);
    stepAll(scene, -MINUTE_MS);
    await hearNodes(scene);
    expect(lock.remainingValidity()).toBe(0);
  });

  it('by less than is left shorten every lock by that, and its signal aborts that much sooner', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    const hold = (name: string) => world.clock.runUntil(holder.acquire(name, { ttl: 30_000 }));
    const locks = [
      await hold('a'),
      await world.clock.runUntil(holder.readWrite('b').acquireRead({ ttl: 30_000 })),
      await world.clock.runUntil(holder.semaphore('c', 2).acquire({ ttl: 30_000 })),
    ];
    const signals = locks.map(({ signal }) => signal);
    let aborted = 0;
    for (const signal of signals)
      signal.addEventListener('abort', () => {
        aborted += 1;
      });
    stepAll(scene, 20_000);
    await hearNodes(scene);
    for (const lock of locks) {
      expect(lock.remainingValidity()).toBeGreaterThan(9_000);
      expect(lock.remainingValidity()).toBeLessThan(9_800);
    }
    await world.clock.advance(9_000);
    expect(aborted).toBe(0);
    await world.clock.advance(800);
    expect(aborted).toBe(3);
  });

  it('have a lock that is kept alive extended at once, or its routine told', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    const aborted = holder.using('r', { ttl: 30_000 }, async (lock) => {
      await new Promise<void>((resolve) => lock.signal.addEventListener('abort', () => resolve()));
      return lock.signal.reason;
    });
    await world.clock.advance(50);
    stepAll(scene, MINUTE_MS);
    await hearNodes(scene);
    expect(await aborted).toBeInstanceOf(LockLostError);
  });

  it('while a lock is asked for are taken off what it is granted for', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    for (const client of world.clients) client.rules.latency = { least: 10, most: 10 };
    const acquiring = holder.tryAcquire('r', { ttl: 30_000 });
    await world.clock.advance(15);
    // The answers are on their way.
    stepAll(scene, MINUTE_MS);
    const lock = await world.clock.runUntil(acquiring);
    expect(lock?.remainingValidity()).toBeGreaterThan(29_000);
    await hearNodes(scene);
    expect(lock?.remainingValidity()).toBe(0);
  });

  it('show when connections are made anew, if these were lost meanwhile', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
    stepAll(scene, MINUTE_MS);
    for (const client of world.clients) client.disconnect({ requestsArrive: true });
    await world.clock.advance(1_000);
    expect(lock.remainingValidity()).toBe(0);
  });

  it('let no client that knew them before have a lock meanwhile', async () => {
    const scene = await Scene.open(3);
    stepAll(scene, MINUTE_MS);
    for (let tries = 0; tries < 3; tries += 1) {
      await expect(scene.attempt()).rejects.toThrow(NoQuorumError);
      await scene.world.clock.advance(100);
    }
    expect(new Set(await scene.refusals())).toEqual(new Set(['clock', 'pending']));
    await scene.world.clock.advance(QUARANTINE_MS);
    expect(await scene.attempt()).not.toBeNull();
  });
});

describe('clocks within driftFactor', () => {
  it('take nothing off, however slow some answers are', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    for (const server of world.servers) server.wall.rate = 1.009;
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
    const startedAtMs = world.clock.monotonic();
    for (let second = 0; second < 20; second += 1) {
      for (const client of world.clients) {
        client.rules.latency = second % 3 === 0 ? { least: 20, most: 24 } : { least: 0.1, most: 0.5 };
      }
      await hearNodes(scene);
      await world.clock.advance(1_000);
    }
    const elapsed = world.clock.monotonic() - startedAtMs;
    expect(lock.remainingValidity()).toBeGreaterThan(30_000 - 302 - elapsed - 2);
    expect(scene.warnings).toEqual([]);
  });
});

describe('clocks of all nodes that step back', () => {
  it('keep no client from a lock: the time is learnt, warned of, and they go on voting', async () => {
    const scene = await Scene.open(3);
    const { world, holder, other } = scene;
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
    stepAll(scene, -MINUTE_MS);
    for (const name of ['a', 'b', 'c']) {
      const next = await world.clock.runUntil(other.tryAcquire(name));
      next?.assertHeld();
      expect(next).not.toBeNull();
    }
    expect(warned(scene).map(({ message }) => message)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('behind what it should be')),
    );
    expect(await scene.attempt()).toBeNull();
    await world.clock.runUntil(lock.extend());
    lock.assertHeld();
    await world.clock.runUntil(lock.release());
    const next = await scene.attempt();
    expect(next?.token).toBeGreaterThan(lock.token);
  });

  it('cost no second round trip: proposals follow the nodes', async () => {
    const scene = await Scene.open(3);
    const { world, other } = scene;
    stepAll(scene, -MINUTE_MS);
    await world.clock.runUntil(other.tryAcquire('a'));
    const before = world.commands;
    await world.clock.runUntil(other.tryAcquire('b'));
    expect(world.commands.map((commands, index) => commands - (before[index] ?? 0))).toEqual([1, 1, 1]);
  });
});

describe('clocks of all nodes that are slewed together beyond driftFactor', () => {
  it.each([1.02, 1.05, 1.08, 0.95])(
    'at %f are told of as long as that lasts, with driftFactor',
    async (rate) => {
      const scene = await Scene.open(3);
      const { world, other } = scene;
      for (const server of world.servers) server.wall.rate = rate;
      for (let second = 0; second < 121; second += 1) {
        await world.clock.advance(1_000);
        await world.clock.runUntil(other.tryAcquire('a', { ttl: 500 }).catch(() => null));
      }
      const told = warned(scene);
      expect(told.length).toBeGreaterThanOrEqual(9);
      expect(told.length).toBeLessThanOrEqual(15);
      for (const { message } of told) expect(message).toContain('driftFactor (0.01)');
    },
  );

  it('take off of a lock what they gained, as soon as it shows', async () => {
    const scene = await Scene.open(3);
    const { world, holder } = scene;
    for (const server of world.servers) server.wall.rate = 1.08;
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl: 30_000 }));
    const dials = world.servers.map(({ wall }) => new ClockFace(world.clock.timeline, 0, wall.rate));
    while (lock.remainingValidity() > 0) {
      await world.clock.advance(500);
      await hearNodes(scene);
      const gone = Math.min(...dials.map((dial) => dial.read()));
      expect(lock.remainingValidity()).toBeLessThanOrEqual(Math.max(0, 30_000 - gone));
    }
  });
});

/** A machine's clocks, one of which can be made to say something else. */
class BreakableClock implements Clock {
  readonly #clock: Clock;
  broken: { readonly which: 'wall' | 'uptime' | 'monotonic'; say(): number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  monotonic(): number {
    return this.#read('monotonic');
  }

  wall(): number {
    return this.#read('wall');
  }

  uptime(): number {
    return this.#read('uptime');
  }

  after(delayMs: number, callback: () => void): Timer {
    return this.#clock.after(delayMs, callback);
  }

  #read(which: 'wall' | 'uptime' | 'monotonic'): number {
    return this.broken?.which === which ? this.broken.say() : this.#clock[which]();
  }
}

describe("this process's own clocks, when they disagree", () => {
  it("that its uptime jumped is told of as this process's, shortens its locks, and keeps no node from voting", async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const other = scene.newcomer(world.here);
    const lock = await world.clock.runUntil(other.acquire('r', { ttl: 30_000 }));
    world.clock.stepUptime(3_600_000);
    expect(lock.remainingValidity()).toBe(0);
    expect((await world.clock.runUntil(other.tryAcquire('a')))?.remainingValidity()).toBeGreaterThan(9_000);
    expect(scene.warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
    expect(scene.warnings[0]?.message).toContain('the uptime of the host went 3600000 ms ahead of');
  });

  it('that its wall clock was set forward is told of, and shortens its locks', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const other = scene.newcomer(world.here);
    const lock = await world.clock.runUntil(other.acquire('r', { ttl: 30_000 }));
    world.clock.stepWall(MINUTE_MS);
    expect(lock.remainingValidity()).toBe(0);
    expect((await world.clock.runUntil(other.tryAcquire('a')))?.remainingValidity()).toBeGreaterThan(9_000);
    expect(scene.warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
    expect(scene.warnings[0]?.message).toMatch(/the wall clock went 6000[01] ms ahead of/);
  });

  it('that it was set back is told of too, and shortens none', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const other = scene.newcomer(world.here);
    const lock = await world.clock.runUntil(other.acquire('r', { ttl: 30_000 }));
    world.clock.stepWall(-MINUTE_MS);
    await world.clock.advance(100);
    expect(lock.remainingValidity()).toBeGreaterThan(29_000);
    expect(scene.warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
  });

  it.each([
    ['was set back', (uptime: number) => uptime - 3_600_000],
    ['stands still', () => 1_000],
    ['runs at half the rate', (uptime: number) => uptime / 2],
    ['goes back and forth', (uptime: number) => uptime + (Math.floor(uptime) % 2) * 500],
  ])('that its uptime %s keeps no node from voting', async (_, say) => {
    const { world } = await Scene.open(3);
    const clock = new BreakableClock(world.clock);
    const warnings: RedlockWarning[] = [];
    const other = world.redlock({ clock, onWarning: (warning) => warnings.push(warning) });
    await world.clock.runUntil(other.acquire('before', { ttl: 10_000 }));
    clock.broken = { which: 'uptime', say: () => say(world.clock.uptime()) };
    for (let times = 0; times < 20; times += 1) {
      await world.clock.advance(101);
      const lock = await world.clock.runUntil(other.tryAcquire(`after ${times}`, { ttl: 10_000 }));
      expect(lock?.remainingValidity()).toBeGreaterThan(9_000);
    }
    expect(warnings.filter(({ code }) => code !== 'QUORLOCK_OWN_CLOCK')).toEqual([]);
  });

  it('a lock that ends between two readings of a clock has 0 left, and never less', async () => {
    const { world } = await Scene.open(3);
    const clock = new BreakableClock(world.clock);
    const other = world.redlock({ clock });
    const lock = await world.clock.runUntil(other.acquire('r', { ttl: 10_000 }));
    const now = world.clock.monotonic();
    for (let readings = 1; readings < 20; readings += 1) {
      let read = 0;
      const say = () => {
        read += 1;
        return now + (read > readings ? 3_600_000 : 0);
      };
      clock.broken = { which: 'monotonic', say };
      expect(lock.remainingValidity()).toBeGreaterThanOrEqual(0);
    }
  });

  it('a suspend of the host is no disagreement', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const other = scene.newcomer(world.here);
    const lock = await world.clock.runUntil(other.acquire('r', { ttl: 30_000 }));
    await world.clock.suspend(MINUTE_MS);
    expect(lock.remainingValidity()).toBe(0);
    expect(await world.clock.runUntil(other.acquire('a'))).toBeDefined();
    expect(scene.warnings).toEqual([]);
  });

  it.each(['wall', 'uptime', 'monotonic'] as const)(
    'a %s that throws or says NaN is told of, and ends nothing',
    async (which) => {
      for (const say of [
        () => Number.NaN,
        () => {
          throw new Error('operation not permitted');
        },
      ]) {
        const { world } = await Scene.open(3);
        const clock = new BreakableClock(world.clock);
        const warnings: RedlockWarning[] = [];
        const other = world.redlock({ clock, onWarning: (warning) => warnings.push(warning) });
        const lock = await world.clock.runUntil(other.acquire('r', { ttl: 10_000 }));
        clock.broken = { which, say };
        expect(lock.remainingValidity()).toBeGreaterThan(9_000);
        await world.clock.advance(100);
        expect(await world.clock.runUntil(other.tryAcquire('a'))).not.toBeNull();
        expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_OWN_CLOCK']);
        expect(warnings[0]?.message).toMatch(/can't be read \((it says NaN|operation not permitted)\)/);
        clock.broken = undefined;
        await world.clock.advance(10_000);
        expect(lock.remainingValidity()).toBe(0);
      }
    },
  );

  it('end no quarantine early', async () => {
    const scene = await Scene.open(3);
    const { world } = scene;
    const other = scene.newcomer(world.here);
    await world.clock.runUntil(other.acquire('r'));
    world.server(0).restart({ keepMemory: false });
    await world.clock.advance(2_000);
    world.clock.stepUptime(3_600_000);
    await world.clock.advance(5_000);
    world.server(1).crash();
    await world.clock.advance(1_000);
    const refused = world.clock.runUntil(other.acquire('a', { waitTime: 0 }));
    await expect(refused).rejects.toThrow('node-1:6379: quarantined');
  });
});
