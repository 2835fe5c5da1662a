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
function broken(client: Client, method: keyof Client): Client {
  return new Proxy(client, {
    get: (target, name) => {
      if (name === method) return throwIt;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

describe('a function of the program that fails', () => {
  const warnings: Error[] = [];
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

  it('as attempts.pauseMs, which rejects, rejects the call alone', async () => {
    const { world, redlock } = await heldWorld();
    const attempts = { most: 2, pauseMs: rejectIt } as unknown as AttemptPlan;
    const failure = await world.clock.runUntil(redlock.acquire('r', { attempts }).catch((error) => error));
    expect(failure).toEqual(new TypeError('attempts.pauseMs() must be a number: got an object (Promise)'));
    expect(await messages()).toEqual([]);
  });

  it('as a listener for errors of quorlock/redlock is a warning, and the call goes on', async () => {
    const world = new World(3);
    const redlock = new CompatRedlock(world.clients, {
      retryCount: 0,
      quorlock: { clock: world.clock, onWarning: () => undefined },
    });
    redlock.on('error', throwIt);
    world.server(0).crash();
    const lock = await world.clock.runUntil(redlock.acquire(['r'], 1_000));
    const extended = await world.clock.runUntil(redlock.extend(lock, 1_000));
    for (const server of world.servers.slice(1)) server.crash();
    const failure = await world.clock.runUntil(redlock.release(extended).catch((error) => error));
    expect(failure).toBeInstanceOf(ExecutionError);
    const told = await messages();
    expect(told.length).toBeGreaterThan(2);
    expect(new Set(told)).toEqual(new Set(['a listener for "error" failed: a mistake of the program']));
  });

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
