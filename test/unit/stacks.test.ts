import { describe, expect, it } from 'vitest';
import type { Redlock } from '../../src/index.ts';
import * as library from '../../src/index.ts';
import { World } from './world.ts';

const SHORT = { waitTime: 500 };

/** What a call of `theProgram` ends with, as it is told to the one who made it, after a few seconds. */
async function failureOf(world: World, theProgram: () => Promise<unknown>): Promise<Error> {
  const result = theProgram().then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );
  await world.clock.advance(5_000);
  return result;
}

/** A Redlock whose resource another program holds. */
async function contended(): Promise<{ readonly world: World; readonly redlock: Redlock }> {
  const world = new World(3);
  const redlock = world.redlock();
  await world.clock.advance(10);
  world.holdElsewhere('lock:resource', 60_000);
  return { world, redlock };
}

type Ask = (redlock: Redlock) => Promise<unknown>;

const ASKING: readonly [string, Ask][] = [
  ['acquire', (redlock) => redlock.acquire('resource', SHORT)],
  ['acquire without a wait', (redlock) => redlock.acquire('resource', { waitTime: 0 })],
  ['using', (redlock) => redlock.using('resource', SHORT, () => undefined)],
  ['acquire of several', (redlock) => redlock.acquire(['other', 'resource'], SHORT)],
  ['acquireRead', (redlock) => redlock.readWrite('resource').acquireRead(SHORT)],
  ['acquireWrite', (redlock) => redlock.readWrite('resource').acquireWrite(SHORT)],
  ['usingRead', (redlock) => redlock.readWrite('resource').usingRead(SHORT, () => undefined)],
  ['usingWrite', (redlock) => redlock.readWrite('resource').usingWrite(SHORT, () => undefined)],
];

const AMONG: readonly [string, (ask: () => Promise<unknown>) => Promise<unknown>][] = [
  ['alone', (ask) => ask()],
  ['with others', (ask) => Promise.all([ask(), ask()])],
  ['with something after it', (ask) => ask().catch((error: unknown) => Promise.reject(error))],
  ['out of several functions', (ask) => (async () => await (async () => await ask())())()],
];

describe.each(ASKING)('%s', (_name, ask) => {
  it.each(AMONG)(
    'of a lock that is held, %s, fails with a stack that names who asked',
    async (_how, among) => {
      const { world, redlock } = await contended();
      const failure = await failureOf(world, async function theProgram() {
        return await among(() => ask(redlock));
      });
      expect(failure).toBeInstanceOf(library.QuorlockError);
      expect(failure.stack).toContain('theProgram');
    },
  );

  it('without a quorum fails with such a stack', async () => {
    const { world, redlock } = await contended();
    for (const server of world.servers) server.crash();
    const failure = await failureOf(world, async function theProgram() {
      return await ask(redlock);
    });
    expect(failure).toBeInstanceOf(library.NoQuorumError);
    expect(failure.stack).toContain('theProgram');
  });

  it('of a Redlock that is closed meanwhile fails with such a stack', async () => {
    const { world, redlock } = await contended();
    const failing = failureOf(world, async function theProgram() {
      return await ask(redlock);
    });
    await redlock.close();
    const failure = await failing;
    expect(failure).toBeInstanceOf(library.ClosedError);
    expect(failure.stack).toContain('theProgram');
  });

  it('of what is no lock fails with such a stack', async () => {
    const { world, redlock } = await contended();
    for (const server of world.servers) {
      server.store.delete('lock:resource');
      server.store.putForeign('lock:resource', 'list');
    }
    const failure = await failureOf(world, async function theProgram() {
      return await ask(redlock);
    });
    expect(failure).toBeInstanceOf(library.NotALockError);
    expect(failure.stack).toContain('theProgram');
  });
});

describe('a semaphore', () => {
  it.each<[string, (semaphore: library.Semaphore) => Promise<unknown>]>([
    ['acquire', (semaphore) => semaphore.acquire(SHORT)],
    ['using', (semaphore) => semaphore.using(SHORT, () => undefined)],
  ])('without a free permit fails in %s with a stack that names who asked', async (_name, ask) => {
    const { world, redlock } = await contended();
    const semaphore = redlock.semaphore('jobs', 2);
    const holding = Promise.all([1, 2].map(() => semaphore.acquire({ ttl: 30_000 })));
    await world.clock.advance(100);
    await holding;
    const failure = await failureOf(world, async function theProgram() {
      return await ask(semaphore);
    });
    expect(failure).toBeInstanceOf(library.WaitTimeoutError);
    expect(failure.stack).toContain('theProgram');
    expect(failure.message).toContain('within a waitTime of 500 ms');
  });
});

describe('a lock that is held no more', () => {
  it.each<[string, (lock: library.Lock) => unknown, library.ErrorCode]>([
    ['assertHeld', (lock) => lock.assertHeld(), 'QUORLOCK_RELEASED'],
    ['extend', (lock) => lock.extend(), 'QUORLOCK_RELEASED'],
    ['extend twice', (lock) => Promise.all([lock.extend(), lock.extend()]), 'QUORLOCK_RELEASED'],
  ])('fails in %s with a stack that names who asked', async (_name, use, code) => {
    const world = new World(3);
    const acquiring = world.redlock().acquire('resource');
    await world.clock.advance(100);
    const lock = await acquiring;
    const releasing = lock.release();
    await world.clock.advance(100);
    await releasing;
    const failure = await failureOf(world, async function theProgram() {
      return await use(lock);
    });
    expect(failure).toMatchObject({ code });
    expect(failure.stack).toContain('theProgram');
  });

  it.each<[string, (world: World) => void, new (...args: never[]) => Error]>([
    [
      'because it was given away',
      (world) => void world.holdElsewhere('lock:resource', 60_000),
      library.LockLostError,
    ],
    [
      'for all that nodes say',
      (world) => {
        for (const server of world.servers) server.crash();
      },
      library.ExtendFailedError,
    ],
  ])('or may be, %s, fails to be extended with such a stack', async (_why, fault, error) => {
    const world = new World(3);
    const acquiring = world.redlock().acquire('resource', { ttl: 30_000 });
    await world.clock.advance(100);
    const lock = await acquiring;
    fault(world);
    const failure = await failureOf(world, async function theProgram() {
      return await Promise.all([lock.extend(), lock.extend(), lock.extend()]);
    });
    expect(failure).toBeInstanceOf(error);
    expect(failure.stack).toContain('theProgram');
  });

  it('is told in the stack of the routine that found out, not of the using around it', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const failure = await failureOf(world, () =>
      redlock.using('resource', {}, async function theRoutine(lock) {
        await lock.release();
        await lock.extend();
      }),
    );
    expect(failure).toBeInstanceOf(library.LockReleasedError);
    expect(failure.stack).toContain('theRoutine');
  });
});

describe('the reason of a signal', () => {
  it('is passed on as it is, with its own stack, also if it is an error of another lock', async () => {
    const { world, redlock } = await contended();
    const acquiring = redlock.acquire('other');
    await world.clock.advance(100);
    const lock = await acquiring;
    const { signal } = lock;
    const failing = failureOf(world, () => redlock.acquire('resource', { signal, waitTime: 2_000 }));
    await lock.release();
    const { stack } = signal.reason as Error;
    expect(await failing).toBe(signal.reason);
    expect((signal.reason as Error).stack).toBe(stack);
  });
});
