import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it, vi } from 'vitest';
import {
  type Lock,
  LockHeldError,
  LockLostError,
  LockReleasedError,
  type Redlock,
  UpgradeError,
  WaitTimeoutError,
} from '../../src/index.ts';
import { type Program, Scene } from './waiting/scene.ts';

async function program(): Promise<
  Program & { scene: Scene; simulation: Scene['simulation']; other: Program }
> {
  const scene = new Scene();
  const [one, other] = await scene.programs(2);
  return { ...one, other, scene, simulation: scene.simulation };
}

const SOON = { waitTime: 300 };

describe('using within a lock that is shown', () => {
  it('runs the routine under that lock, which stays held after it; nodes are not asked', async () => {
    const { redlock, scene, simulation } = await program();
    const using = redlock.using(['q', 'r'], async (outer) => {
      const before = scene.commands;
      const shown = { within: outer, maxHold: 5, ...SOON };
      const inner = await redlock.using('r', shown, (lock) => lock);
      const both = await redlock.using(['r', 'q', 'r'], shown, (lock) => lock);
      const written = await redlock.readWrite('q').usingWrite(shown, (lock) => lock);
      const read = await redlock.readWrite('q').usingRead(shown, (lock) => lock);
      await redlock.using('q', shown, (lock) => redlock.using('q', { within: lock }, () => 'and deeper'));
      outer.assertHeld();
      expect(outer.signal.aborted).toBe(false);
      expect(scene.commands).toBe(before);
      return [inner, both, written, read].map((lock) => lock === outer);
    });
    expect(await simulation.until(using)).toEqual([true, true, true, true]);
  });

  it('does so with one of acquire, and neither extends it nor gives it back', async () => {
    const { redlock, machine, simulation } = await program();
    const lock = await simulation.until(redlock.acquire('r', { ttl: 1_000 }));
    await simulation.until(redlock.using('r', { within: lock }, () => machine.sleep(600)));
    expect(lock.remainingValidity()).toBeGreaterThan(0);
    expect(lock.remainingValidity()).toBeLessThan(400);
    const tooLong = redlock.using('r', { within: lock }, () => machine.sleep(600).then(() => lock.signal));
    expect((await simulation.until(tooLong)).reason).toBeInstanceOf(LockLostError);
  });

  it('passes on what the routine returns or throws', async () => {
    const { redlock, simulation } = await program();
    const lock = await simulation.until(redlock.acquire('r'));
    const problem = new Error("the routine's own");
    const throwing = redlock.using('r', { within: lock }, () => {
      throw problem;
    });
    await expect(throwing).rejects.toBe(problem);
    lock.assertHeld();
  });

  it.each([undefined, null])('acquires where %s is shown', async (within) => {
    const { redlock, simulation } = await program();
    const lock = await simulation.until(redlock.using('r', { within }, (held) => held));
    expect(() => lock.assertHeld()).toThrow(LockReleasedError);
  });

  it('acquires where the lock is one over something else, of any holder, held or not', async () => {
    const { redlock, machine, other, simulation } = await program();
    const again = machine.redlock({ quarantine: 'off', keyPrefix: 'other:' });
    const ended = await simulation.until(redlock.acquire('ended'));
    await simulation.until(ended.release());
    const shown: Lock[] = [
      await simulation.until(redlock.acquire('s')),
      await simulation.until(redlock.semaphore('r', 2).acquire()),
      await simulation.until(redlock.readWrite('t').acquireRead()),
      await simulation.until(again.acquire('r')),
      ended,
    ];
    for (const within of shown) {
      const got = await simulation.until(redlock.using('r', { within }, (lock) => lock));
      expect(got).not.toBe(within);
      expect(got.resources).toEqual(['r']);
    }
    const theirs = await simulation.until(other.redlock.acquire('r'));
    const using = redlock.using('r', { within: theirs, ...SOON }, () => 'never');
    await expect(simulation.until(using)).rejects.toThrow(WaitTimeoutError);
    theirs.assertHeld();
  });

  it('acquires where it covers a part only, and so waits for itself, and says so', async () => {
    const { redlock, simulation } = await program();
    const using = redlock.using('r', (within) =>
      redlock.using(['q', 'r'], { within, ...SOON }, () => 'never'),
    );
    await expect(simulation.until(using)).rejects.toThrow(/This process itself has held it/);
  });

  it.each([
    ['given back', LockReleasedError],
    ['lost', LockLostError],
  ])('rejects with its error where the lock was %s, and acquires nothing', async (how, error) => {
    const { redlock, scene, simulation } = await program();
    const locks = [
      await simulation.until(redlock.acquire('r')),
      await simulation.until(redlock.readWrite('s').acquireRead()),
    ];
    if (how === 'lost') await simulation.advance(20_000);
    else await simulation.until(Promise.all(locks.map((lock) => lock.release())));
    const [plain, read] = locks;
    const routine = vi.fn();
    for (const using of [
      redlock.using('r', { within: plain }, routine),
      redlock.using(['q', 'r'], { within: plain }, routine),
      redlock.readWrite('r').usingRead({ within: plain }, routine),
      redlock.readWrite('s').usingWrite({ within: read }, routine),
    ])
      await expect(using).rejects.toThrow(error);
    expect(routine).not.toHaveBeenCalled();
    expect(scene.keys).toEqual([]);
  });

  it.each<[unknown, string]>([
    ['r', '"r"'],
    [true, 'true'],
    [{}, 'an object'],
    [new AbortController().signal, 'an object (AbortSignal)'],
    [Promise.resolve(), 'an object (Promise)'],
  ])('is refused if it is no lock: %o', async (within, found) => {
    const { redlock } = await program();
    const message = `within must be a lock that is held, or null: got ${found}`;
    for (const using of [
      redlock.using('r', { within: within as Lock }, () => 'never'),
      redlock.readWrite('r').usingRead({ within: within as Lock }, () => 'never'),
      redlock.readWrite('r').usingWrite({ within: within as Lock }, () => 'never'),
      redlock.semaphore('r', 2).using({ within: within as Lock }, () => 'never'),
    ])
      await expect(using).rejects.toThrow(new TypeError(message));
  });

  it.each<[string, object, string]>([
    ['ttl', { ttl: -5 }, 'ttl must be'],
    ['waitTime', { waitTime: Number.NaN }, 'waitTime must be'],
    ['maxHold', { maxHold: 0 }, 'maxHold must be'],
    ['signal', { signal: {} }, 'signal must be'],
    ['reentrant', { reentrant: true }, 'there is no using option "reentrant"'],
  ])('checks its other options: %s', async (_, options, message) => {
    const { redlock, simulation } = await program();
    const within = await simulation.until(redlock.acquire('r'));
    await expect(redlock.using('r', { within, ...options }, () => 'never')).rejects.toThrow(message);
  });

  it('does not begin where its signal has aborted', async () => {
    const { redlock, simulation } = await program();
    const within = await simulation.until(redlock.acquire('r'));
    const signal = AbortSignal.abort(new Error('too late'));
    await expect(redlock.using('r', { within, signal }, () => 'never')).rejects.toThrow('too late');
  });
});

describe('a read lock that is shown', () => {
  it('is good for reading, and refused for a write at once', async () => {
    const { redlock, simulation } = await program();
    const lock = redlock.readWrite('r');
    const reading = lock.usingRead({}, async (within) => {
      expect(await lock.usingRead({ within }, (read) => read)).toBe(within);
      for (const writing of [
        lock.usingWrite({ within }, () => 'never'),
        redlock.using('r', { within }, () => 'never'),
        redlock.using(['q', 'r'], { within }, () => 'never'),
      ]) {
        await expect(writing).rejects.toThrow(UpgradeError);
        await expect(writing).rejects.toMatchObject({ code: 'QUORLOCK_UPGRADE', votes: [] });
      }
      within.assertHeld();
      return 'read';
    });
    expect(await simulation.until(reading)).toBe('read');
  });
});

describe('permits that are shown', () => {
  it('serve like others of the same semaphore', async () => {
    const { redlock, scene, simulation } = await program();
    const semaphore = redlock.semaphore('r', 3);
    const using = semaphore.using(async (permit) => {
      const before = scene.commands;
      expect(await semaphore.using({ within: permit }, (lock) => lock)).toBe(permit);
      expect(scene.commands).toBe(before);
      permit.assertHeld();
    });
    await simulation.until(using);
  });

  it('are nothing in another semaphore', async () => {
    const { redlock, simulation } = await program();
    const within = await simulation.until(redlock.semaphore('r', 2).acquire());
    const other = redlock.semaphore('s', 2).using({ within }, (lock) => lock.resources);
    expect(await simulation.until(other)).toEqual(['s']);
  });

  it('reject with their error if they were released', async () => {
    const { redlock, simulation } = await program();
    const semaphore = redlock.semaphore('r', 2);
    const permit = await simulation.until(semaphore.acquire());
    await simulation.until(permit.release());
    await expect(semaphore.using({ within: permit }, () => 'never')).rejects.toThrow(LockReleasedError);
  });
});

describe('what is begun inside of a using, by whatever carries its context', () => {
  /** Ways to ask for "r" that have nothing to do with who holds it. */
  const STRANGERS: Readonly<Record<string, (redlock: Redlock) => Promise<{ token: number }>>> = {
    using: (redlock) => redlock.using('r', ({ token }) => ({ token })),
    acquire: async (redlock) => {
      await using lock = await redlock.acquire('r');
      return { token: lock.token };
    },
    usingWrite: (redlock) => redlock.readWrite('r').usingWrite({}, ({ token }) => ({ token })),
  };

  it.each(Object.entries(STRANGERS))('waits for its turn as any other: %s', async (_, ask) => {
    const { redlock, machine, simulation } = await program();
    const order: string[] = [];
    let stranger: Promise<unknown> | undefined;
    const holding = redlock.using('r', async (lock) => {
      // As a queue, a pool or a server does that was begun here and serves strangers.
      const runInContext = AsyncLocalStorage.snapshot();
      stranger = runInContext(() => ask(redlock)).then(({ token }) => {
        expect(token).toBeGreaterThan(lock.token);
        order.push('the stranger');
      });
      await machine.sleep(200);
      lock.assertHeld();
      order.push('the holder');
    });
    await simulation.until(holding);
    await simulation.until(Promise.resolve(stranger));
    expect(order).toEqual(['the holder', 'the stranger']);
  });

  it('a read lock of the context refuses no write', async () => {
    const { redlock, machine, simulation } = await program();
    const lock = redlock.readWrite('r');
    let writing: Promise<string> | undefined;
    const reading = lock.usingRead({}, async () => {
      writing = lock.usingWrite({}, () => 'written');
      await machine.sleep(50);
    });
    await simulation.until(reading);
    expect(await simulation.until(writing ?? Promise.reject())).toBe('written');
  });
});

describe('who waits for what this very process holds', () => {
  it('hears that, since when, and what to look for', async () => {
    const { redlock, machine, simulation } = await program();
    const holding = redlock.using('r', async () => {
      await machine.sleep(2_000);
      return redlock.using('r', { waitTime: 300 }, () => 'never');
    });
    const error: unknown = await simulation.until(holding).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(WaitTimeoutError);
    expect((error as WaitTimeoutError).message).toMatch(
      /^"r" was not free within a waitTime of 300 ms\. This process itself has held it for 2\.3 s: look for a using\(\) inside of a using\(\).*\{ within: lock \}/,
    );
    expect((error as WaitTimeoutError).ownHold).toMatchObject({ permits: undefined, isToBeUpgraded: false });
    expect((error as WaitTimeoutError).ownHold?.heldForMs).toBeGreaterThanOrEqual(2_300);
  });

  it('hears it of a lock that was extended since, of several, of acquire, and of locks of every kind', async () => {
    const { redlock, simulation } = await program();
    const semaphore = redlock.semaphore('p', 2);
    await simulation.until(redlock.acquire(['a', 'b'], { ttl: 30_000 }));
    const read = await simulation.until(redlock.readWrite('c').acquireRead({ ttl: 30_000 }));
    const permits = await simulation.until(Promise.all([1, 2].map(() => semaphore.acquire({ ttl: 30_000 }))));
    await simulation.advance(1_000);
    await simulation.until(Promise.all([read, ...permits].map((lock) => lock.extend(30_000))));
    const why = async (waiting: Promise<unknown>) =>
      (await simulation.until(waiting.catch((error: unknown) => error))) as Error;
    const held = /This process itself has held it for 1\.\d s: look for a using/;
    expect((await why(redlock.acquire('b', SOON))).message).toMatch(held);
    expect((await why(redlock.acquire(['b', 'x'], SOON))).message).toMatch(held);
    expect((await why(redlock.readWrite('a').acquireRead(SOON))).message).toMatch(held);
    expect((await why(redlock.readWrite('c').acquireWrite(SOON))).message).toMatch(
      /This process itself has had a read lock of it for \d\.\d s, and a read lock can't become a write lock/,
    );
    expect((await why(semaphore.acquire(SOON))).message).toMatch(
      /This process itself has had 2 of its permits for \d\.\d s: look/,
    );
    const held0 = await why(redlock.acquire('a', { waitTime: 0 }));
    expect(held0).toBeInstanceOf(LockHeldError);
    expect(held0.message).toMatch(/^"a" is held\. This process itself has held it/);
  });

  it('hears nothing of the kind where another process holds it, or this one did before', async () => {
    const { redlock, other, simulation } = await program();
    const before = await simulation.until(redlock.acquire('r'));
    await simulation.until(before.release());
    await simulation.until(other.redlock.acquire('r'));
    const error = await simulation.until(redlock.acquire('r', SOON).catch((reason: unknown) => reason));
    expect(error).toMatchObject({ code: 'QUORLOCK_WAIT_TIMEOUT', ownHold: undefined });
    expect((error as Error).message).not.toMatch(/This process/);
    const held = await simulation.until(
      redlock.acquire('r', { waitTime: 0 }).catch((reason: unknown) => reason),
    );
    expect((held as Error).message).toMatch(
      /^"r" is held by machine 2, \d+\.\d s left\. Give acquire\(\) a waitTime/,
    );
  });
});
