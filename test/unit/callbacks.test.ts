import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LockHeldError } from '../../src/base/errors.ts';
import { Redlock as CompatRedlock, ExecutionError } from '../../src/compat/redlock.ts';
import type { AttemptPlan } from '../../src/redlock/options.ts';
import { Redlock } from '../../src/redlock.ts';
import type { Client } from '../../src/wire/client.ts';
import { World } from './world.ts';

const WRONG = new Error('a mistake of the program');

function throwIt(): never {
  throw WRONG;
}

async function rejectIt(): Promise<never> {
  throw WRONG;
}

/** A client of the simulation in which one method throws. */
function broken(client: Client, method: keyof Client, fails: () => unknown = throwIt): Client {
  return new Proxy(client, {
    get: (target, name) => {
      if (name === method) return fails;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('a function of the program that fails', () => {
  const warnings: (Error & { readonly detail?: unknown })[] = [];
  const heard = (warning: Error) => {
    if ((warning as NodeJS.ErrnoException).code === 'QUORLOCK_CALLBACK') warnings.push(warning);
  };
  beforeEach(() => {
    warnings.length = 0;
    process.on('warning', heard);
  });
  afterEach(() => {
    process.off('warning', heard);
  });

  /** What was warned of, once all that is due has come. */
  async function messages(): Promise<readonly string[]> {
    await new Promise((resolve) => setImmediate(resolve));
    return warnings.map(({ message }) => message);
  }

  async function heldWorld() {
    const world = new World(3);
    world.holdElsewhere('lock:r', 60_000);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    return { world, redlock };
  }

  it.each([
    ['throws', throwIt],
    ['rejects', rejectIt],
  ])(
    'as attempts.made, which %s, is a warning for each call of it, and the call goes on',
    async (_, made) => {
      const { world, redlock } = await heldWorld();
      const attempts: AttemptPlan = { most: 2, pauseMs: () => 10, made };
      const failure = await world.clock.runUntil(redlock.acquire('r', { attempts }).catch((error) => error));
      expect(failure).toBeInstanceOf(LockHeldError);
      const message = 'attempts.made failed: a mistake of the program';
      expect(await messages()).toEqual([message, message]);
    },
  );

  it.each([
    ['throws', throwIt],
    ['rejects', rejectIt],
  ])('as onWarning, which %s, is a warning of the process', async (_, onWarning) => {
    new World(2).redlock({ onWarning });
    expect(await messages()).toEqual(['onWarning failed: a mistake of the program']);
  });

  it('with a password in its message gives it away neither there nor in the stack', async () => {
    const fails = () => {
      throw new Error('no way to redis://user:secret@one');
    };
    new World(2).redlock({ onWarning: fails });
    expect(await messages()).toEqual(['onWarning failed: no way to redis://***@one']);
    expect(warnings[0]?.detail).toMatch(/^ +at fails .*callbacks\.test\.ts/);
    expect(warnings[0]?.detail).not.toContain('secret');
  });

  it.each([
    [
      'a message',
      {
        get message() {
          return throwIt();
        },
      },
    ],
    ['a stack', Object.defineProperty(new Error('a mistake'), 'stack', { get: throwIt })],
    ['anything', new Proxy({}, { get: throwIt, getPrototypeOf: throwIt })],
  ])('with what has not even %s is a warning', async (_, thrown) => {
    const fails = () => {
      throw thrown;
    };
    new World(2).redlock({ onWarning: fails });
    new World(2).redlock({ onWarning: async () => fails() });
    const told = await messages();
    expect(told).toEqual(Array.from({ length: 2 }, () => expect.stringMatching(/^onWarning failed: a/)));
  });

  it('as attempts.pauseMs, which rejects, rejects the call alone', async () => {
    const { world, redlock } = await heldWorld();
    const attempts = { most: 2, pauseMs: rejectIt } as unknown as AttemptPlan;
    const failure = await world.clock.runUntil(redlock.acquire('r', { attempts }).catch((error) => error));
    expect(failure).toEqual(new TypeError('attempts.pauseMs() must be a number: got an object (Promise)'));
    expect(await messages()).toEqual([]);
  });

  it.each([
    ['throws', throwIt],
    ['rejects', rejectIt],
  ])(
    'as a listener for errors of quorlock/redlock, which %s, is a warning, and the call goes on',
    async (_, fails) => {
      const world = new World(3);
      const redlock = new CompatRedlock(world.clients, {
        retryCount: 0,
        quorlock: { clock: world.clock, onWarning: () => undefined },
      });
      const heard: unknown[] = [];
      redlock.on('error', fails);
      redlock.on('error', (error) => heard.push(error));
      world.server(0).crash();
      const lock = await world.clock.runUntil(redlock.acquire(['r'], 1_000));
      const extended = await world.clock.runUntil(redlock.extend(lock, 1_000));
      for (const server of world.servers.slice(1)) server.crash();
      const failure = await world.clock.runUntil(redlock.release(extended).catch((error) => error));
      expect(failure).toBeInstanceOf(ExecutionError);
      const told = await messages();
      expect(told.length).toBeGreaterThan(2);
      expect(heard).toHaveLength(told.length);
      expect(new Set(told)).toEqual(new Set(['a listener for "error" failed: a mistake of the program']));
    },
  );

  function redlockOn(world: World, clients: readonly Client[]): Redlock {
    return new Redlock(clients, { clock: world.clock, random: world.random, onWarning: () => undefined });
  }

  it("as a client's subscribe() is a warning, and callers wait without notifications", async () => {
    const world = new World(3);
    const redlock = redlockOn(
      world,
      world.clients.map((client) => broken(client, 'subscribe')),
    );
    const holder = redlockOn(world, world.machine().clients);
    const held = await world.clock.runUntil(holder.acquire('r'));
    const waiting = redlock.acquire('r');
    await world.clock.advance(1_000);
    await world.clock.runUntil(held.release());
    expect((await world.clock.runUntil(waiting)).remainingValidity()).toBeGreaterThan(0);
    expect(await messages()).toContain("a client's subscribe() failed: a mistake of the program");
  });

  it("as a client's close() does not hide why a Redlock could not be made", async () => {
    const world = new World(2);
    const fails = () => {
      throw new Error('why');
    };
    const [one, other] = world.clients.map((client) => broken(client, 'close'));
    const clients = [one as Client, broken(other as Client, 'onStateChange', fails)];
    expect(() => redlockOn(world, clients)).toThrow('why');
    expect(new Set(await messages())).toEqual(
      new Set(["a client's close() failed: a mistake of the program"]),
    );
  });

  it("as a client's close() is a warning: close() resolves, and ends the other clients", async () => {
    const world = new World(3);
    const redlock = redlockOn(
      world,
      world.clients.map((client, index) => (index === 0 ? broken(client, 'close') : client)),
    );
    await world.clock.runUntil(redlock.inspect('other'));
    await world.clock.runUntil(redlock.close());
    expect(world.clients.map(({ state }) => state)).toEqual(['ready', 'ended', 'ended']);
    expect(await messages()).toEqual(["a client's close() failed: a mistake of the program"]);
  });

  it.each([0, 10_000])(
    'as a signal that can not be listened to rejects the call, which leaves no lock: a waitTime of %i ms',
    async (waitTime) => {
      const { world, redlock } = await heldWorld();
      const signal = { aborted: false, addEventListener: throwIt, removeEventListener: () => undefined };
      const asking = redlock.acquire('free', { signal, waitTime }).catch((error) => error);
      expect(await world.clock.runUntil(asking)).toBe(WRONG);
      await world.clock.advance(1_000);
      expect((await world.clock.runUntil(redlock.inspect('free'))).state).toBe('free');
    },
  );

  it('as a signal that can not be read when it aborts rejects the call with its error', async () => {
    const { world, redlock } = await heldWorld();
    let isAborted = () => false;
    const events = new EventEmitter();
    const signal = {
      get aborted() {
        return isAborted();
      },
      addEventListener: (_type: string, listener: () => void) => events.on('abort', listener),
      removeEventListener: (_type: string, listener: () => void) => events.off('abort', listener),
    };
    const asking = redlock.acquire('free', { signal, waitTime: 0 }).catch((error) => error);
    await new Promise((resolve) => setImmediate(resolve));
    isAborted = throwIt;
    events.emit('abort');
    expect(await world.clock.runUntil(asking)).toBe(WRONG);
  });

  it('as a signal that can be neither left nor read rejects the call with its error', async () => {
    const { world, redlock } = await heldWorld();
    const events = new EventEmitter();
    const signal = {
      aborted: false,
      get reason() {
        return throwIt();
      },
      addEventListener: (_type: string, listener: () => void) => events.on('abort', listener),
      removeEventListener: throwIt,
    };
    const waiting = redlock.acquire('r', { signal }).catch((error) => error);
    await world.clock.advance(100);
    signal.aborted = true;
    events.emit('abort');
    expect(await world.clock.runUntil(waiting)).toBe(WRONG);
    const told = new Set(await messages());
    expect(told).toEqual(new Set(['removeEventListener of a signal failed: a mistake of the program']));
    expect(redlock.held().waiting).toEqual([]);
  });
});
