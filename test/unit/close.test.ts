import { describe, expect, it } from 'vitest';
import {
  ClosedError,
  type Lock,
  type LockJSON,
  LockLostError,
  LockReleasedError,
  type QuorlockChannels,
  type Redlock,
} from '../../src/index.ts';
import { SeededRandom } from '../../src/testing/index.ts';
import { Listener } from '../support/heard.ts';
import { type Program, Scene } from './waiting/scene.ts';

async function sceneOf(count: number, options: Parameters<Scene['programs']>[1] = {}) {
  const scene = new Scene();
  const programs = await scene.programs(count, options);
  return { scene, simulation: scene.simulation, programs };
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no ${index}`);
  return item;
}

type Held = Pick<Lock, 'signal' | 'assertHeld'>;
type Start = (redlock: Redlock, routine: (held: Held) => Promise<unknown>) => Promise<unknown>;

/** Every way to run a routine under a lock of "r", and one to ask for what that excludes. */
const WAYS: Readonly<Record<string, { start: Start; next: (redlock: Redlock) => Promise<unknown> }>> = {
  using: { start: (redlock, run) => redlock.using('r', {}, run), next: (redlock) => redlock.acquire('r') },
  'using over several': {
    start: (redlock, run) => redlock.using(['q', 'r'], run),
    next: (redlock) => redlock.acquire('r'),
  },
  usingRead: {
    start: (redlock, run) => redlock.readWrite('r').usingRead(run),
    next: (redlock) => redlock.acquire('r'),
  },
  usingWrite: {
    start: (redlock, run) => redlock.readWrite('r').usingWrite({}, run),
    next: (redlock) => redlock.readWrite('r').acquireRead(),
  },
  'using a permit': {
    start: (redlock, run) => redlock.semaphore('r', 1).using({}, run),
    next: (redlock) => redlock.semaphore('r', 1).acquire(),
  },
  'using within a lock of acquire': {
    start: async (redlock, run) => redlock.using('r', { within: await redlock.acquire('r') }, run),
    next: (redlock) => redlock.acquire('r'),
  },
};

describe('close() while a routine runs', () => {
  it.each(Object.entries(WAYS))(
    'asks it to stop, and keeps its lock until it has settled: %s',
    async (_, { start, next }) => {
      const { simulation, programs } = await sceneOf(2, { ttl: 1_000, waitTime: 60_000 });
      const [ours, theirs] = [at(programs, 0), at(programs, 1)];
      const order: string[] = [];
      let held: Held | undefined;
      const running = start(ours.redlock, async (lock) => {
        held = lock;
        await ours.machine.sleep(900);
        expect(lock.signal.reason).toBeInstanceOf(ClosedError);
        lock.assertHeld();
        order.push('the routine has settled');
        return 'its result';
      });
      await simulation.advance(50);
      const waiting = next(theirs.redlock).then(() => order.push('the next one has the lock'));
      await simulation.advance(50);
      expect(held?.signal.aborted).toBe(false);
      const closing = ours.redlock.close().then(() => order.push('close() has resolved'));
      expect(held?.signal.aborted).toBe(true);
      expect(held?.signal.reason).toMatchObject({ code: 'QUORLOCK_CLOSED' });
      held?.assertHeld();
      expect(await simulation.until(running)).toBe('its result');
      await simulation.until(Promise.all([waiting, closing]));
      expect(order).toHaveLength(3);
      expect(order[0]).toBe('the routine has settled');
      expect(() => held?.assertHeld()).toThrow(LockReleasedError);
    },
  );

  it('keeps the lock alive for many times its ttl', async () => {
    const { simulation, programs } = await sceneOf(2, { ttl: 500, closeTimeout: 8_000 });
    const [ours, theirs] = [at(programs, 0), at(programs, 1)];
    const running = ours.redlock.using('r', async (lock) => {
      for (let step = 0; step < 7; step += 1) {
        await ours.machine.sleep(1_000);
        lock.assertHeld();
        expect(await theirs.redlock.tryAcquire('r')).toBeNull();
      }
    });
    await simulation.advance(20);
    const startedAt = simulation.nowMs;
    await simulation.until(Promise.all([running, ours.redlock.close()]));
    expect(simulation.nowMs - startedAt).toBeLessThan(7_100);
    expect(await simulation.until(theirs.redlock.tryAcquire('r'))).not.toBeNull();
  });

  it.each([0, 1, 700, 2_500])(
    'resolves after a closeTimeout of %i ms at the latest, and lets the lock expire',
    async (closeTimeout) => {
      const ttl = 1_000;
      const { simulation, programs } = await sceneOf(2, { ttl, closeTimeout, nodeTimeout: 20 });
      const [ours, theirs] = [at(programs, 0), at(programs, 1)];
      let held: Lock | undefined;
      let goOn: () => void = () => undefined;
      const running = ours.redlock.using('r', async (lock) => {
        held = lock;
        await new Promise<void>((resolve) => {
          goOn = resolve;
        });
        return 'late';
      });
      await simulation.advance(20);
      const startedAt = simulation.nowMs;
      await simulation.until(ours.redlock.close());
      expect(simulation.nowMs - startedAt).toBeLessThanOrEqual(closeTimeout);
      held?.assertHeld();
      expect(await simulation.until(theirs.redlock.tryAcquire('r'))).toBeNull();
      const next = await simulation.until(theirs.redlock.acquire('r'));
      expect(simulation.nowMs - startedAt).toBeLessThan(closeTimeout + ttl + 200);
      expect(() => held?.assertHeld()).toThrow(LockLostError);
      goOn();
      expect(await simulation.until(running)).toBe('late');
      next.assertHeld();
    },
  );

  it('gives each lock back when its own routine has settled, and those of acquire at once', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [ours, theirs] = [at(programs, 0), at(programs, 1)];
    const runs = [300, 100, 200].map((ms) => ours.redlock.using(`after ${ms}`, () => ours.machine.sleep(ms)));
    const plain = await simulation.until(ours.redlock.acquire('plain'));
    const order: string[] = [];
    const waits = ['after 300', 'after 100', 'after 200', 'plain'].map(async (name) => {
      await theirs.redlock.acquire(name);
      order.push(name);
    });
    await simulation.advance(10);
    const closing = ours.redlock.close().then(() => order.push('closed'));
    expect(() => plain.assertHeld()).toThrow(LockReleasedError);
    await simulation.until(Promise.all([...runs, ...waits, closing]));
    expect(order.filter((name) => name !== 'closed')).toEqual([
      'plain',
      'after 100',
      'after 200',
      'after 300',
    ]);
    expect(order.indexOf('closed')).toBeGreaterThan(order.indexOf('after 200'));
  });

  it('begins nothing new: neither a call, nor a wait, nor a routine within the lock that runs', async () => {
    const { simulation, programs } = await sceneOf(1);
    const { redlock, machine } = at(programs, 0);
    const began: string[] = [];
    const running = redlock.using('r', async (lock) => {
      await machine.sleep(100);
      const begin = () => began.push('a routine');
      await expect(redlock.using('s', begin)).rejects.toThrow(ClosedError);
      await expect(redlock.using('r', { within: lock }, begin)).rejects.toThrow(ClosedError);
      await expect(redlock.tryAcquire('s')).rejects.toThrow(ClosedError);
      await lock.extend();
    });
    const waiting = redlock.using('r', () => began.push('the one that waited'));
    waiting.catch(() => undefined);
    await simulation.advance(20);
    const closing = redlock.close();
    await expect(simulation.until(waiting)).rejects.toThrow(ClosedError);
    await simulation.until(Promise.all([running, closing]));
    expect(began).toEqual([]);
  });

  it('begins no routine whose lock has just been granted', async () => {
    const { scene, simulation, programs } = await sceneOf(2);
    const [ours, theirs] = [at(programs, 0), at(programs, 1)];
    const began: string[] = [];
    for (const name of ['r', 's', 't'])
      ours.redlock
        .using(name, async (lock) => {
          began.push(name);
          await ours.machine.sleep(50);
          lock.assertHeld();
        })
        .catch((error: unknown) => began.push(error instanceof ClosedError ? 'refused' : String(error)));
    // At every step of the way from the grant to the routine.
    let closing: Promise<void> | undefined;
    const acquired = ours.redlock.acquire('u').then(() => {
      closing = ours.redlock.close();
    });
    await simulation.until(acquired);
    await simulation.until(Promise.resolve(closing));
    expect(began).toHaveLength(3);
    expect(scene.keys).toEqual([]);
    await simulation.until(theirs.redlock.acquire('r'));
  });

  it('may be called twice, and resolves both times when all is done', async () => {
    const { simulation, programs } = await sceneOf(1);
    const { redlock, machine } = at(programs, 0);
    let isOver = false;
    const running = redlock.using('r', async () => {
      await machine.sleep(300);
      isOver = true;
    });
    await simulation.advance(20);
    const first = redlock.close();
    await simulation.advance(20);
    for (const closing of [redlock.close(), redlock[Symbol.asyncDispose](), first]) {
      await simulation.until(closing);
      expect(isOver).toBe(true);
    }
    await simulation.until(running);
  });

  it('inside of it waits for closeTimeout and no longer, where the routine awaits it', async () => {
    const { simulation, programs } = await sceneOf(1, { closeTimeout: 400 });
    const { redlock } = at(programs, 0);
    const startedAt = simulation.nowMs;
    const running = redlock.using('r', async () => {
      await redlock.close();
      return 'over';
    });
    expect(await simulation.until(running)).toBe('over');
    expect(simulation.nowMs - startedAt).toBeLessThan(500);
  });

  it('inside of it does not wait where the routine does not', async () => {
    const { simulation, programs } = await sceneOf(2);
    const { redlock } = at(programs, 0);
    let closing: Promise<void> | undefined;
    const running = redlock.using('r', () => {
      closing = redlock.close();
      return 'over';
    });
    expect(await simulation.until(running)).toBe('over');
    const startedAt = simulation.nowMs;
    await simulation.until(Promise.resolve(closing));
    expect(simulation.nowMs - startedAt).toBeLessThan(100);
    expect(await simulation.until(at(programs, 1).redlock.tryAcquire('r'))).not.toBeNull();
  });

  it('leaves the error of a routine as it is', async () => {
    const { simulation, programs } = await sceneOf(1);
    const { redlock, machine } = at(programs, 0);
    const running = redlock.using('r', async ({ signal }) => {
      await machine.sleep(50);
      signal.throwIfAborted();
    });
    running.catch(() => undefined);
    await simulation.advance(20);
    await simulation.until(redlock.close());
    await expect(running).rejects.toThrow(ClosedError);
  });

  it('loses the lock as ever where nodes give it away', async () => {
    const { simulation, programs } = await sceneOf(1, { ttl: 1_000 });
    const { redlock, machine } = at(programs, 0);
    const running = redlock.using('r', async (lock) => {
      await machine.sleep(20);
      for (const node of simulation.nodes) node.store.set('lock:r', 'a thief', '600000');
      await machine.sleep(2_000);
      expect(lock.signal.reason).toBeInstanceOf(ClosedError);
      lock.assertHeld();
    });
    running.catch(() => undefined);
    await simulation.advance(10);
    await simulation.until(redlock.close());
    await expect(running).rejects.toThrow(LockLostError);
  });
});

describe('close() in the very moment of a grant', () => {
  type Get = (redlock: Redlock, handed: LockJSON) => Promise<Lock | null>;

  const GETS: Readonly<Record<string, Get>> = {
    acquire: (redlock) => redlock.acquire('r'),
    'acquire over several': (redlock) => redlock.acquire(['q', 'r']),
    'acquire that does not wait': (redlock) => redlock.acquire('r', { waitTime: 0 }),
    'acquire with a signal': (redlock) => redlock.acquire('r', { signal: new AbortController().signal }),
    'acquire by attempts': (redlock) => redlock.acquire('r', { attempts: { most: 3, pauseMs: () => 10 } }),
    tryAcquire: (redlock) => redlock.tryAcquire('r'),
    acquireRead: (redlock) => redlock.readWrite('r').acquireRead(),
    acquireWrite: (redlock) => redlock.readWrite('r').acquireWrite(),
    'acquire a permit': (redlock) => redlock.semaphore('r', 2).acquire(),
    adopt: (redlock, handed) => redlock.adopt(handed),
  };

  /** What becomes of a call if close() comes this number of microtasks after the vote that decides. */
  async function closedAfter(microtasks: number, get: Get, channels: readonly (keyof QuorlockChannels)[]) {
    const { scene, simulation, programs } = await sceneOf(2);
    const [ours, theirs] = [at(programs, 0), at(programs, 1)];
    const given = await simulation.until(theirs.redlock.acquire('given'));
    const handed = given.handOver();
    const order: string[] = [];
    let closing: Promise<void> | undefined;
    let granted = 0;
    using _listener = new Listener([...channels, 'quorlock:node:vote'], async (message, name) => {
      if (name !== 'quorlock:node:vote') return;
      const { outcome, late } = message as QuorlockChannels['quorlock:node:vote'];
      granted += outcome === 'granted' && !late ? 1 : 0;
      if (granted !== 3 || closing !== undefined) return;
      for (let passed = 0; passed < microtasks; passed += 1) await undefined;
      order.push('closed');
      closing = ours.redlock.close();
    });
    const call = get(ours.redlock, handed).then(
      (lock) => {
        order.push('has its lock');
        return lock;
      },
      (error: Error) => error,
    );
    const result = await simulation.until(call);
    await simulation.until(Promise.resolve(closing));
    return { order, result, keys: scene.keys.filter((key) => key !== 'lock:given') };
  }

  const WITH: readonly (readonly (keyof QuorlockChannels)[])[] = [[], ['quorlock:acquire']];

  it.each(Object.entries(GETS))('rejects, or gives a lock that is over: %s', async (name, get) => {
    const most = name === 'adopt' ? 3 : 2;
    for (const channels of WITH) {
      const outcomes: string[] = [];
      for (let microtasks = 0; outcomes.at(-1) !== 'had its lock' && microtasks < 50; microtasks += 1) {
        const { order, result, keys } = await closedAfter(microtasks, get, channels);
        expect(keys).toEqual([]);
        if (result === null || result instanceof Error) {
          expect(result).toBeInstanceOf(ClosedError);
          outcomes.push('rejects');
          continue;
        }
        expect(result.signal.reason).toBeInstanceOf(LockReleasedError);
        expect(() => result.assertHeld()).toThrow(LockReleasedError);
        expect(result.remainingValidity()).toBe(0);
        outcomes.push(order[0] === 'closed' ? 'is given a lock that is over' : 'had its lock');
      }
      // What was granted goes through a few functions until its caller has it. Most of them look.
      expect(outcomes.filter((each) => each === 'is given a lock that is over').length).toBeLessThanOrEqual(
        most,
      );
      expect(outcomes).toEqual(outcomes.toSorted((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b)));
      expect(outcomes[0]).toBe('rejects');
    }
  });

  const ORDER = ['rejects', 'is given a lock that is over', 'had its lock'];
});

describe('close() where a lock goes from hand to hand', () => {
  /** Has its callers take turns, until it is closed; the last of them has much to clear up. */
  async function takeTurns(
    { machine, redlock }: Program,
    sections: [number, number][],
    now: () => number,
    began?: (section: number) => Promise<void>,
  ) {
    try {
      for (;;) {
        await redlock.using('r', { waitTime: 60_000 }, async (lock) => {
          const from = now();
          await began?.(sections.length);
          for (let step = 0; step < 4; step += 1) await machine.sleep(2);
          if (lock.signal.aborted) await machine.sleep(3_000);
          lock.assertHeld();
          sections.push([from, now()]);
        });
      }
    } catch (error) {
      expect(error).toBeInstanceOf(ClosedError);
    }
  }

  it.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'lets no other holder in beside the last one: seed %i',
    async (seed) => {
      const scene = new Scene({ seed: seed + 1 });
      const { simulation } = scene;
      const programs = await scene.programs(2, { ttl: 5_000 });
      const random = new SeededRandom(seed + 1);
      const sections: [number, number][] = [];
      const now = () => simulation.nowMs;
      const callers = [0, 0, 0, 1, 1].map((index) => takeTurns(at(programs, index), sections, now));
      await simulation.advance(100 + random.fraction() * 50);
      await simulation.until(at(programs, 0).redlock.close());
      await simulation.advance(50);
      await simulation.until(at(programs, 1).redlock.close());
      await simulation.until(Promise.all(callers));
      sections.sort(([a], [b]) => a - b);
      const overlaps = sections.filter(
        ([from], index) => index > 0 && from < (sections[index - 1]?.[1] ?? 0),
      );
      expect(overlaps).toEqual([]);
      expect(sections.length).toBeGreaterThan(5);
      expect(scene.keys).toEqual([]);
    },
  );

  it.each(Array.from({ length: 12 }, (_, tenth) => tenth / 10))(
    'nor where it is closed %d ms after the grant',
    async (afterMs) => {
      const { simulation, programs } = await sceneOf(2, { ttl: 5_000 });
      const [ours, theirs] = [at(programs, 0), at(programs, 1)];
      const sections: [number, number][] = [];
      const now = () => simulation.nowMs;
      let next: Promise<number> | undefined;
      const began = async (section: number) => {
        await ours.machine.sleep(afterMs);
        if (section < 4 || next !== undefined) return;
        void ours.redlock.close();
        next = theirs.redlock.acquire('r').then(now);
      };
      const callers = [0, 1, 2, 3, 4, 5].map(() => takeTurns(ours, sections, now, began));
      await simulation.until(Promise.all(callers));
      expect(await simulation.until(Promise.resolve(next))).toBeGreaterThan(sections.at(-1)?.[1] ?? 0);
    },
  );
});

describe('close() while a call asks for a lock', () => {
  const CALLS: Readonly<Record<string, (redlock: Redlock) => Promise<unknown>>> = {
    'acquire of the next caller': async (redlock) => {
      const first = redlock.acquire('r').then((lock) => lock.release());
      // The lease of the first is too long for it: the nodes are asked again, as they release that.
      await Promise.all([first, redlock.acquire('r', { ttl: 1_000 })]);
    },
    downgrade: async (redlock) => {
      const lock = await redlock.acquire('r');
      await redlock.readWrite('r').downgrade(lock);
    },
  };

  it.each(Object.entries(CALLS))('leaves none on the nodes once it has resolved: %s', async (_, call) => {
    for (let step = 0; step < 24; step += 1) {
      const { scene, simulation, programs } = await sceneOf(1);
      const { redlock } = at(programs, 0);
      const calling = call(redlock).catch((error: unknown) => expect(error).toBeInstanceOf(ClosedError));
      await simulation.advance(step / 12);
      await simulation.until(redlock.close());
      expect(scene.keys).toEqual([]);
      await simulation.until(calling);
    }
  });
});

describe('closeTimeout', () => {
  it.each<[unknown, string]>([
    [-1, 'closeTimeout must be at least 0: got -1'],
    [Number.NaN, 'closeTimeout must be at least 0: got NaN'],
    ['1', 'closeTimeout must be a number: got "1"'],
    [null, 'closeTimeout must be a number: got null'],
  ])('is not %j', async (closeTimeout, message) => {
    const [{ machine } = { machine: undefined }] = await new Scene().programs(1);
    expect(() => machine?.redlock({ closeTimeout: closeTimeout as number })).toThrow(message);
  });
});
