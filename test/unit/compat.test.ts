import { describe, expect, it } from 'vitest';
import { LockHeldError, NoQuorumError } from '../../src/base/errors.ts';
import DefaultRedlock, {
  ExecutionError,
  Lock,
  Redlock,
  type RedlockSettings,
  ResourceLockedError,
} from '../../src/compat/redlock.ts';
import { World } from './world.ts';

const DAY_MS = 86_400_000;

function open(world: World, settings: RedlockSettings = {}, machine = world.here): Redlock {
  const { clock } = machine;
  const options = { clock, random: world.random.fork(), onWarning: () => undefined, ...settings.quorlock };
  return new Redlock(machine.clients, { ...settings, quorlock: options });
}

function run<Result>(world: World, call: Promise<Result>): Promise<Result> {
  return world.clock.runUntil(call);
}

async function failureOf(world: World, call: Promise<unknown>): Promise<unknown> {
  return await run(
    world,
    call.then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
}

function expectExecutionError(error: unknown): ExecutionError {
  expect(error).toBeInstanceOf(ExecutionError);
  return error as ExecutionError;
}

describe('the face of node-redlock', () => {
  it('has its names and defaults', () => {
    expect(DefaultRedlock).toBe(Redlock);
    const redlock = open(new World(3));
    expect(redlock.settings).toEqual({
      driftFactor: 0.01,
      retryCount: 10,
      retryDelay: 200,
      retryJitter: 100,
      automaticExtensionThreshold: 500,
    });
    expect(redlock.clients.size).toBe(3);
    expect(() => new Redlock([])).toThrow('Redlock must be instantiated with at least one redis client.');
    function* endless() {
      for (;;) yield { not: 'a client' } as never;
    }
    expect(() => new Redlock(endless())).toThrow('clients must be 1000 at the most: got more');
  });

  it('takes plain keys with a random value, of several resources in one', async () => {
    const world = new World(3);
    const redlock = open(world);
    const lock = await run(world, redlock.acquire(['{r}a', '{r}b'], 5_000));
    await world.clock.advance(5);
    expect(lock).toBeInstanceOf(Lock);
    expect(lock.redlock).toBe(redlock);
    expect(lock.resources).toEqual(['{r}a', '{r}b']);
    for (const key of lock.resources)
      expect(world.valuesOf(key)).toEqual([lock.value, lock.value, lock.value]);
    expect(lock.expiration - world.clock.wall()).toBeCloseTo(5_000 - 52, -2);
    const [stats] = await Promise.all(lock.attempts);
    expect(stats).toMatchObject({ membershipSize: 3, quorumSize: 2 });
    expect(stats?.votesFor.size).toBeGreaterThanOrEqual(2);
    expect(stats?.votesAgainst.size).toBe(0);
    await run(world, lock.release());
    await world.clock.advance(5);
    expect(world.valuesOf('{r}a')).toEqual([undefined, undefined, undefined]);
    expect(lock.expiration).toBe(0);
  });

  it.each([0, 1, 3])(
    'makes exactly %i retries, each one round, and says what every client said',
    async (retryCount) => {
      const world = new World(3);
      world.holdElsewhere('r', 600_000);
      const redlock = open(world, { retryCount });
      const error = expectExecutionError(await failureOf(world, redlock.acquire(['r'], 5_000)));
      expect(error.message).toBe('The operation was unable to achieve a quorum during its retry window.');
      expect(error.cause).toBeInstanceOf(LockHeldError);
      expect(error.attempts).toHaveLength(retryCount + 1);
      for (const { votesFor, votesAgainst } of await Promise.all(error.attempts)) {
        expect(votesFor.size + votesAgainst.size).toBeGreaterThanOrEqual(2);
        for (const each of votesAgainst.values()) expect(each).toBeInstanceOf(ResourceLockedError);
      }
    },
  );

  it('retries without end with a retryCount of -1, and takes what is undefined for the default', async () => {
    const world = new World(3);
    world.holdElsewhere('r', 60_000);
    const redlock = open(world, { retryCount: undefined as never });
    expect(redlock.settings.retryCount).toBe(10);
    const lock = await run(world, redlock.acquire(['r'], 5_000, { retryCount: -1 }));
    expect(lock.attempts.length).toBeGreaterThan(100);
  });

  it('tells a lock that is held from clients that fail, and emits only these', async () => {
    const world = new World(3);
    const redlock = open(world, { retryCount: 1 });
    const emitted: unknown[] = [];
    redlock.on('error', (error) => emitted.push(error));
    await run(world, redlock.acquire(['other'], 5_000));
    world.holdElsewhere('r', 600_000);
    expectExecutionError(await failureOf(world, redlock.acquire(['r'], 5_000)));
    expect(emitted).toEqual([]);
    for (const server of world.servers.slice(0, 2)) server.crash();
    const error = expectExecutionError(await failureOf(world, redlock.acquire(['r'], 5_000)));
    expect(error.cause).toBeInstanceOf(NoQuorumError);
    expect(emitted.length).toBeGreaterThanOrEqual(4);
    expect(emitted[0]).toBeInstanceOf(Error);
  });

  it('extends to a new lock, and the old one is over', async () => {
    const world = new World(3);
    const redlock = open(world);
    const first = await run(world, redlock.acquire(['r'], 5_000));
    await world.clock.advance(3_000);
    const second = await run(world, first.extend(5_000));
    expect(second).not.toBe(first);
    expect(second.value).toBe(first.value);
    expect(second.attempts).toHaveLength(1);
    expect(first.expiration).toBe(0);
    expect(second.expiration - world.clock.wall()).toBeGreaterThan(4_900);
    const error = expectExecutionError(await failureOf(world, first.extend(5_000)));
    expect(error.message).toBe('Cannot extend an already-expired lock.');
    await run(world, redlock.release(second));
  });

  it('makes at most retryCount + 1 extensions, and keeps a lock that none could extend', async () => {
    const world = new World(3);
    const redlock = open(world, { retryCount: 2 });
    const lock = await run(world, redlock.acquire(['r'], 60_000));
    for (const server of world.servers.slice(0, 2)) server.crash();
    const error = expectExecutionError(await failureOf(world, lock.extend(60_000)));
    expect(error.attempts).toHaveLength(3);
    expect(lock.expiration).toBeGreaterThan(world.clock.wall() + 50_000);
    expect(world.server(2).store.get('r')).toBe(lock.value);
  });

  it('releases an expired lock at once, and twice', async () => {
    const world = new World(3);
    const redlock = open(world);
    const lock = await run(world, redlock.acquire(['r'], 1_000));
    await world.clock.advance(2_000);
    expect(lock.expiration).toBe(0);
    const before = world.clock.monotonic();
    const { attempts } = await run(world, lock.release());
    expect(attempts).toHaveLength(1);
    await run(world, lock.release());
    expect(world.clock.monotonic() - before).toBeLessThan(10);
  });

  it('rejects a release that too few clients confirm', async () => {
    const world = new World(3);
    const lock = await run(world, open(world).acquire(['r'], 60_000));
    for (const server of world.servers.slice(0, 2)) server.crash();
    expectExecutionError(await failureOf(world, lock.release()));
  });

  it('extends and releases a lock that was made by hand', async () => {
    const world = new World(3);
    const given = await run(world, open(world).acquire(['r'], 5_000));
    const other = world.machine();
    const redlock = open(world, {}, other);
    const { resources, value, expiration } = JSON.parse(JSON.stringify({ ...given, redlock: undefined }));
    const lock = new Lock(redlock, resources, value, [], expiration);
    const extended = await run(world, lock.extend(20_000));
    expect(extended.value).toBe(given.value);
    expect(extended.expiration - other.clock.wall()).toBeGreaterThan(19_000);
    await run(world, new Lock(redlock, resources, value, [], 0).release());
    await world.clock.advance(5);
    expect(world.valuesOf('r')).toEqual([undefined, undefined, undefined]);
  });

  it('lets a lock be valid while its key is, however the wall clock steps', async () => {
    const world = new World(3);
    const lock = await run(world, open(world).acquire(['r'], 5_000));
    world.clock.stepWall(-60_000);
    await world.clock.advance(6_000);
    expect(lock.expiration > world.clock.wall()).toBe(false);
  });

  it('takes a duration of days, and one of milliseconds', async () => {
    const world = new World(3);
    const redlock = open(world);
    const long = await run(world, redlock.acquire(['days'], 40 * DAY_MS));
    expect(long.expiration - world.clock.wall()).toBeGreaterThan(39 * DAY_MS);
    await run(world, redlock.acquire(['short'], 20));
    await expect(redlock.acquire(['r'], 0.5)).rejects.toThrow(
      'Duration must be an integer value in milliseconds.',
    );
  });

  it('refuses a setting that is none, by its name', async () => {
    const world = new World(3);
    expect(() => open(world, { retryCount: -2 })).toThrow('retryCount must be an integer from -1: got -2');
    expect(() => open(world, { retryDelay: Number.NaN })).toThrow(
      'retryDelay must be a number from 0: got NaN',
    );
    const call = open(world).acquire(['r'], 5_000, { driftFactor: 0.1 });
    await expect(call).rejects.toThrow('driftFactor is that of the whole Redlock, 0.01');
  });

  it('locks one resource where it gets a string', async () => {
    const world = new World(3);
    const lock = await run(world, open(world).acquire('abc' as never, 5_000));
    expect(lock.resources).toEqual(['abc']);
    expect(world.server(0).store.get('a')).toBeUndefined();
  });
});

describe('using', () => {
  it('extends while the routine runs, and returns what that returns', async () => {
    const world = new World(3);
    const redlock = open(world);
    const seen: number[] = [];
    const call = redlock.using(['r'], 5_000, async (signal, context) => {
      for (let step = 0; step < 4; step += 1) {
        await new Promise<void>((resolve) => world.clock.after(4_000, resolve));
        expect(signal.aborted).toBe(false);
        expect(signal.error).toBeUndefined();
        expect(context.lock.expiration).toBeGreaterThan(world.clock.wall());
        seen.push(context.extensions);
      }
      return 'done';
    });
    expect(await run(world, call)).toBe('done');
    expect(seen.at(-1)).toBeGreaterThanOrEqual(5);
    await world.clock.advance(10);
    expect(world.valuesOf('r')).toEqual([undefined, undefined, undefined]);
  });

  it('aborts the signal, with its error, before the lock has ended', async () => {
    const world = new World(3);
    const redlock = open(world);
    const call = redlock.using(['r'], 5_000, { retryCount: 2 }, async (signal) => {
      for (const server of world.servers.slice(0, 2)) server.crash();
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      expect(signal.error).toBeInstanceOf(Error);
      expect(world.server(2).store.get('r')).toBeDefined();
      throw signal.error;
    });
    expect(await failureOf(world, call)).toMatchObject({ code: 'QUORLOCK_LOST' });
  });

  it('keeps the routine’s result and error, whatever becomes of the release', async () => {
    const world = new World(3);
    const redlock = open(world);
    const crash = () => {
      for (const server of world.servers.slice(0, 2)) server.crash();
    };
    const mine = new Error('mine');
    const failing = redlock.using(['r'], 5_000, async () => {
      crash();
      throw mine;
    });
    expect(await failureOf(world, failing)).toBe(mine);
  });

  it('goes through the methods of a subclass', async () => {
    const world = new World(3);
    const calls: string[] = [];
    class Prefixed extends Redlock {
      override async acquire(...[resources, ...rest]: Parameters<Redlock['acquire']>): Promise<Lock> {
        calls.push('acquire');
        return await super.acquire(
          resources.map((resource) => `own:${resource}`),
          ...rest,
        );
      }
      override async release(...args: Parameters<Redlock['release']>) {
        calls.push('release');
        return await super.release(...args);
      }
    }
    const { clock, clients } = world.here;
    const redlock = new Prefixed(clients, { quorlock: { clock, onWarning: () => undefined } });
    const call = redlock.using(['r'], 5_000, async () => world.server(0).store.get('own:r'));
    expect(await run(world, call)).toBeDefined();
    expect(calls).toEqual(['acquire', 'release']);
  });

  it('refuses a duration too close to the threshold, and a routine that is none', async () => {
    const redlock = open(new World(3));
    await expect(redlock.using(['r'], 550, async () => 1)).rejects.toThrow(/must be at least 100ms greater/);
    await expect(redlock.using(['r'], 5_000, {})).rejects.toThrow('INVARIANT: routine is not a function.');
  });
});

describe('quit', () => {
  it('releases what is held and quits the clients', async () => {
    const world = new World(3);
    const quit: string[] = [];
    const clients = world.clients.map((client) =>
      Object.assign(client, { quit: () => quit.push(client.address) }),
    );
    const { clock } = world;
    const redlock = new Redlock(clients, { quorlock: { clock, onWarning: () => undefined } });
    await run(world, redlock.acquire(['r'], 5_000));
    await run(world, redlock.quit());
    expect(quit).toHaveLength(3);
    expect(world.server(0).store.get('r')).toBeUndefined();
  });
});

describe('quit, while a routine runs', () => {
  it('asks it to stop, and keeps its lock until it has', async () => {
    const world = new World(3);
    const redlock = open(world);
    const call = redlock.using(['r'], 5_000, async (signal) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
      await new Promise<void>((resolve) => world.clock.after(100, resolve));
      expect(signal.error).toMatchObject({ code: 'QUORLOCK_CLOSED' });
      return world.server(0).store.get('r');
    });
    await world.clock.advance(50);
    const quitting = redlock.quit();
    expect(await run(world, call)).toBeDefined();
    await run(world, quitting);
    expect(world.server(0).store.get('r')).toBeUndefined();
  });
});

describe('a script of one’s own', () => {
  it('is accepted, and warned of: it is not run', async () => {
    const world = new World(3);
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    new Redlock(world.clients, { quorlock: { clock: world.clock } }, { acquireScript: (script) => script });
    expect(await warned).toMatchObject({
      code: 'QUORLOCK_SCRIPTS',
      message: expect.stringContaining('acquireScript'),
    });
  });
});
