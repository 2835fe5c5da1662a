import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  ClosedError,
  type Lock,
  LockHandedOverError,
  type LockJSON,
  LockLostError,
  LockReleasedError,
  NoQuorumError,
  NotALockError,
  type Redlock,
  type RedlockOptions,
} from '../../src/index.ts';
import type { Machine } from '../../src/testing/machine.ts';
import { TOKENS_A_LEASE } from '../../src/wire/operation.ts';
import { World } from './world.ts';

const TTL = 10_000;

/** Two processes, and a lock that the first one has. */
interface Scene {
  readonly world: World;
  readonly there: Machine;
  readonly giver: Redlock;
  readonly receiver: Redlock;
  readonly lock: Lock;
}

async function scene(options: RedlockOptions = {}, get = acquireOne): Promise<Scene> {
  const world = new World(3);
  const there = world.machine();
  const giver = world.redlock(options);
  const receiver = world.redlock(options, there);
  const lock = await world.clock.runUntil(get(giver));
  // All three nodes have it then.
  await world.clock.advance(10);
  return { world, there, giver, receiver, lock };
}

const acquireOne = (redlock: Redlock): Promise<Lock> => redlock.acquire('r', { ttl: TTL });

/** The way of a lock from one process to another. */
const sent = (json: LockJSON): LockJSON => JSON.parse(JSON.stringify(json));

/** What a promise rejects with; undefined: it does not. */
const rejectionOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );

const failureOf = (world: World, work: Promise<unknown>): Promise<unknown> =>
  world.clock.runUntil(rejectionOf(work));

const isSettled = async (world: World, work: Promise<unknown>): Promise<boolean> => {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  work.then(settle, settle);
  await world.clock.advance(0);
  return settled;
};

const all = (value: string | undefined) => Array(3).fill(value);

describe('a lock that is handed over', () => {
  it('is over at once for the process that had it', async () => {
    const { world, lock } = await scene();
    const { signal, token, value } = lock;
    const json = lock.handOver();
    expect(json).toEqual({
      resources: ['r'],
      value,
      token,
      counter: token + TOKENS_A_LEASE - 1,
      ttl: TTL,
      validity: expect.closeTo(TTL - 112, -1),
      isShared: false,
      permit: null,
      isHandedOver: true,
    });
    expect(signal.reason).toBeInstanceOf(LockHandedOverError);
    expect(lock.remainingValidity()).toBe(0);
    expect(() => lock.assertHeld()).toThrow(LockHandedOverError);
    expect(() => lock.handOver()).toThrow(LockHandedOverError);
    expect(await failureOf(world, lock.extend())).toBeInstanceOf(LockHandedOverError);
    expect(JSON.parse(JSON.stringify(lock))).toEqual(sent(json));
  });

  it('stays on the nodes, whatever that process does', async () => {
    const { world, giver, lock } = await scene();
    lock.signal.addEventListener('abort', () => void lock.release());
    lock.handOver();
    const { commands } = world;
    expect(await world.clock.runUntil(lock.release())).toEqual({ freed: true, handedOver: true, votes: [] });
    await world.clock.runUntil(giver.close());
    expect(world.commands).toEqual(commands);
    expect(world.valuesOf('lock:r')).toEqual(all(lock.value));
  });

  it('stays there though that process closes because the signal has aborted', async () => {
    const { world, giver, lock } = await scene();
    let closed: Promise<void> | undefined;
    lock.signal.addEventListener('abort', () => {
      closed = giver.close();
    });
    lock.handOver();
    await world.clock.runUntil(Promise.resolve(closed));
    expect(world.valuesOf('lock:r')).toEqual(all(lock.value));
  });

  it('goes on in the process that adopts it, with the same token and the whole ttl', async () => {
    const { world, receiver, lock } = await scene();
    await world.clock.advance(4_000);
    const json = lock.handOver();
    await world.clock.advance(1_000);
    const adopted = await world.clock.runUntil(receiver.adopt(sent(json)));
    expect(adopted).toMatchObject({ resources: ['r'], token: lock.token, ttl: TTL, isShared: false });
    expect(adopted.remainingValidity()).toBeGreaterThan(TTL - 115);
    await world.clock.advance(10);
    expect(adopted.value).not.toBe(lock.value);
    expect(world.valuesOf('lock:r')).toEqual(all(adopted.value));
    await world.clock.advance(9_000);
    await world.clock.runUntil(adopted.extend());
    expect(adopted.remainingValidity()).toBeGreaterThan(TTL - 115);
    expect(await world.clock.runUntil(adopted.release())).toMatchObject({ freed: true });
    await world.clock.advance(300);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
  });

  it('is told by held() where it is, and by inspect() whose it is', async () => {
    const world = new World(3);
    const giver = world.redlock({ owner: 'web-1' });
    const receiver = world.redlock({ owner: 'worker-2' }, world.machine());
    const lock = await world.clock.runUntil(giver.acquire('r'));
    expect(giver.held().locks.map(({ token }) => token)).toEqual([lock.token]);
    const json = lock.handOver();
    expect(giver.held().locks).toEqual([]);
    expect(await world.clock.runUntil(receiver.inspect('r'))).toMatchObject({ owner: 'web-1' });
    await world.clock.runUntil(receiver.adopt(json));
    expect(receiver.held().locks.map(({ token }) => token)).toEqual([lock.token]);
    await world.clock.advance(10);
    expect(await world.clock.runUntil(giver.inspect('r'))).toMatchObject({ owner: 'worker-2' });
  });

  it('can travel on, and back', async () => {
    const { world, giver, receiver, lock } = await scene();
    let held = lock;
    for (const next of [receiver, giver, giver, receiver]) {
      held = await world.clock.runUntil(next.adopt(sent(held.handOver())));
      expect(held.token).toBe(lock.token);
    }
    await world.clock.runUntil(held.release());
    const later = await world.clock.runUntil(giver.acquire('r'));
    expect(later.token).toBeGreaterThan(lock.token + TOKENS_A_LEASE - 1);
  });

  it('is not had by callers of that process who wait for it, until the other one has released it', async () => {
    const { world, giver, receiver, lock } = await scene();
    const next = giver.acquire('r', { ttl: TTL });
    await world.clock.advance(10);
    const json = lock.handOver();
    await world.clock.advance(500);
    const adopted = await world.clock.runUntil(receiver.adopt(sent(json)));
    expect(await isSettled(world, next)).toBe(false);
    await world.clock.runUntil(adopted.release());
    // The nodes' counters have one more than the lease's tokens.
    expect((await world.clock.runUntil(next)).token).toBeGreaterThan(lock.token + TOKENS_A_LEASE);
  });

  it('may have its next token in the process that adopts it', async () => {
    const { world, receiver, lock } = await scene();
    const adopted = await world.clock.runUntil(receiver.adopt(lock.handOver()));
    const next = receiver.acquire('r', { ttl: TTL });
    await world.clock.advance(5);
    void adopted.release();
    expect((await world.clock.runUntil(next)).token).toBe(lock.token + 1);
  });

  it('is not released at the end of the routine that handed it over, nor extended', async () => {
    const { world, giver, receiver } = await scene();
    const json = await world.clock.runUntil(giver.using('job', { ttl: 1_000 }, (lock) => lock.handOver()));
    const { commands } = world;
    await world.clock.advance(900);
    expect(world.commands).toEqual(commands);
    const adopted = await world.clock.runUntil(receiver.adopt(sent(json)));
    expect(adopted.token).toBe(json.token);
  });

  it.each([
    ['several resources', (redlock: Redlock) => redlock.acquire(['b', 'a'])],
    ['a read lock', (redlock: Redlock) => redlock.readWrite('r').acquireRead()],
    ['a write lock', (redlock: Redlock) => redlock.readWrite('r').acquireWrite()],
    ['a permit', (redlock: Redlock) => redlock.semaphore('s', 3).acquire()],
  ])('may be %s', async (_, get) => {
    const { world, receiver, lock } = await scene({}, get);
    const { resources, isShared, token } = lock;
    const adopted = await world.clock.runUntil(receiver.adopt(sent(lock.handOver())));
    expect(adopted).toMatchObject({ resources, isShared, token });
    await world.clock.runUntil(adopted.extend());
    await world.clock.runUntil(adopted.release());
    await world.clock.advance(300);
    expect(
      world
        .server(0)
        .store.keys()
        .filter((key) => !key.startsWith('quorlock:fence')),
    ).toEqual([]);
  });

  it('may have no token', async () => {
    const { world, receiver, lock } = await scene({ fencing: false });
    const json = sent(lock.handOver());
    expect(json).toMatchObject({ token: null, counter: null });
    const adopted = await world.clock.runUntil(receiver.adopt(json));
    expect(() => adopted.token).toThrow('fencing: false');
    await world.clock.runUntil(adopted.extend());
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(LockLostError);
  });

  it('keeps a writer out as a read lock, beside other readers', async () => {
    const { world, giver, receiver, lock } = await scene({}, (redlock) =>
      redlock.readWrite('r').acquireRead(),
    );
    const beside = await world.clock.runUntil(giver.readWrite('r').acquireRead());
    const adopted = await world.clock.runUntil(receiver.adopt(lock.handOver()));
    await world.clock.runUntil(beside.release());
    expect(await world.clock.runUntil(giver.tryAcquire('r'))).toBeNull();
    await world.clock.runUntil(adopted.release());
    expect(await world.clock.runUntil(giver.tryAcquire('r'))).not.toBeNull();
  });
});

describe('of several processes that were sent a lock', () => {
  it.each([true, false])('one has it (fencing: %s)', async (fencing) => {
    const { world, giver, receiver, lock } = await scene({ fencing });
    const json = lock.handOver();
    const [one, other] = await world.clock.runUntil(
      Promise.allSettled([receiver.adopt(json), giver.adopt(json)]),
    );
    const adopted = [one, other].filter(({ status }) => status === 'fulfilled');
    expect(adopted.length).toBeLessThanOrEqual(1);
  });

  it('none has it after another one, even once that has released it', async () => {
    const { world, giver, receiver, lock } = await scene();
    const json = lock.handOver();
    const adopted = await world.clock.runUntil(receiver.adopt(json));
    expect(await failureOf(world, giver.adopt(json))).toBeInstanceOf(LockLostError);
    adopted.assertHeld();
    await world.clock.runUntil(adopted.extend());
    await world.clock.runUntil(adopted.release());
    expect(await failureOf(world, giver.adopt(json))).toBeInstanceOf(LockLostError);
    await world.clock.advance(300);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
  });

  it('none has it by a late extension of the one that had it first', async () => {
    const { world, giver, receiver, lock } = await scene();
    for (const client of world.clients) client.cut('requests');
    const extension = rejectionOf(lock.extend());
    const json = lock.handOver();
    const adopted = await world.clock.runUntil(receiver.adopt(json));
    await world.clock.runUntil(adopted.release());
    for (const client of world.clients) client.mend();
    expect(await world.clock.runUntil(extension)).toBeInstanceOf(LockHandedOverError);
    await world.clock.advance(10);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
    expect(await failureOf(world, giver.adopt(json))).toBeInstanceOf(LockLostError);
  });
});

describe('an adoption', () => {
  it('is refused where the lock has not been handed over', async () => {
    const { world, receiver, lock } = await scene();
    const { commands } = world;
    const error = await failureOf(world, receiver.adopt(lock.toJSON()));
    expect(error).toMatchObject({
      message: expect.stringMatching(/isHandedOver must be true.*handOver\(\)/),
    });
    expect(await failureOf(world, receiver.adopt(lock as unknown as LockJSON))).toBeInstanceOf(TypeError);
    expect(world.commands).toEqual(commands);
    lock.assertHeld();
  });

  it('rejects when the lock has expired on its way, and takes nothing', async () => {
    const { world, receiver, lock } = await scene();
    const json = lock.handOver();
    await world.clock.advance(TTL + 1);
    const error = await failureOf(world, receiver.adopt(json));
    expect(error).toBeInstanceOf(LockLostError);
    expect(error).toMatchObject({
      resources: ['r'],
      message: expect.stringContaining('has ended on the way'),
    });
    expect((error as LockLostError).votes).toHaveLength(3);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
  });

  it('rejects when another process has it by now', async () => {
    const { world, giver, receiver, lock } = await scene();
    const json = lock.handOver();
    await world.clock.advance(TTL + 1);
    const later = await world.clock.runUntil(giver.acquire('r'));
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(LockLostError);
    await world.clock.runUntil(later.release());
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(LockLostError);
  });

  it('rejects when too few nodes answer, and keeps nothing of what one gave', async () => {
    const { world, receiver, lock } = await scene();
    await world.clock.runUntil(receiver.inspect('r'));
    for (const server of world.servers.slice(1)) server.pause();
    const json = lock.handOver();
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(NoQuorumError);
    for (const server of world.servers) server.resume();
    await world.clock.advance(5_000);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
  });

  it('leaves no key of the old value on a node that was not asked in time', async () => {
    const { world, there, receiver, lock } = await scene();
    await world.clock.runUntil(receiver.inspect('r'));
    there.clients[2]?.cut('requests');
    const adopted = await world.clock.runUntil(receiver.adopt(lock.handOver()));
    await world.clock.advance(3_000);
    there.clients[2]?.mend();
    await world.clock.advance(300);
    expect(world.valuesOf('lock:r')).toEqual([adopted.value, adopted.value, undefined]);
    await world.clock.runUntil(adopted.extend());
    await world.clock.advance(10);
    expect(world.valuesOf('lock:r')).toEqual(all(adopted.value));
  });

  it('rejects where the key is no lock any more, and where the Redlock is closed', async () => {
    const { world, receiver, lock } = await scene();
    const json = lock.handOver();
    for (const { store } of world.servers) {
      store.delete('lock:r');
      store.putForeign('lock:r', 'list');
    }
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(NotALockError);
    const adopting = rejectionOf(receiver.adopt(json));
    await world.clock.runUntil(receiver.close());
    expect(await adopting).toBeInstanceOf(ClosedError);
    expect(await failureOf(world, receiver.adopt(json))).toBeInstanceOf(ClosedError);
  });

  it('is released by close()', async () => {
    const { world, receiver, lock } = await scene();
    const adopted = await world.clock.runUntil(receiver.adopt(lock.handOver()));
    await world.clock.runUntil(receiver.close());
    expect(adopted.signal.aborted).toBe(true);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
  });

  const GOOD = {
    resources: ['r'],
    value: 'process.1',
    token: 100,
    counter: 115,
    ttl: TTL,
    validity: 5_000,
    isShared: false,
    permit: null,
    isHandedOver: true,
  };
  const BAD: readonly (readonly [message: string, json: unknown])[] = [
    ['json must be an object, as lock.handOver() returns it: got undefined', undefined],
    ['json must be an object, as lock.handOver() returns it: got null', null],
    ['got a string; JSON.parse() makes one of it', JSON.stringify(GOOD)],
    ['got an array', [GOOD]],
    ['json.isHandedOver must be true: got undefined', {}],
    ['json.isHandedOver must be true: got 1', { ...GOOD, isHandedOver: 1 }],
    ['json.resources must be an array: got a string', { ...GOOD, resources: 'r' }],
    ['json.resources must name at least one resource', { ...GOOD, resources: [] }],
    ['json.resources[1] must be a string: got 7', { ...GOOD, resources: ['r', 7] }],
    ['json.value must be a string: got 7', { ...GOOD, value: 7 }],
    ['json.value must be the value of a lock: got ""', { ...GOOD, value: '' }],
    ['json.value must be the value of a lock: got "&"', { ...GOOD, value: '&' }],
    ['json.value must be the value of a lock: got "~process.1:7"', { ...GOOD, value: '~process.1:7' }],
    ['json.value must be the value of a lock', { ...GOOD, value: 'x'.repeat(1_025) }],
    [
      'json.token must be a fencing token: got null. This Redlock was made with fencing: true',
      { ...GOOD, token: null },
    ],
    ['json.token must be a number: got "100"', { ...GOOD, token: '100' }],
    ['json.token must be an integer from 1 to json.counter (115): got 0', { ...GOOD, token: 0 }],
    ['json.token must be an integer from 1 to json.counter (115): got 116', { ...GOOD, token: 116 }],
    [
      'json.counter must be an integer from 1 to 9007199254739991: got 9007199254740992',
      { ...GOOD, counter: 2 ** 53 },
    ],
    ['json.ttl must be a number: got "1000"', { ...GOOD, ttl: '1000' }],
    ['json.ttl must be an integer from 1 to maxTtl (30000): got 30001', { ...GOOD, ttl: 30_001 }],
    ['json.validity must be at least 0: got -1', { ...GOOD, validity: -1 }],
    ['json.validity must be a number: got null', { ...GOOD, validity: null }],
    ['json.isShared must be a boolean: got undefined', { ...GOOD, isShared: undefined }],
    ['json.permit must be an object, or null: got undefined', { ...GOOD, permit: undefined }],
    ['json.permit.slot must be an integer from 0 to 2: got 3', { ...GOOD, permit: { slot: 3, of: 3 } }],
    [
      'json.permit.of must be an integer from 1 to 1000: got 1001',
      { ...GOOD, permit: { slot: 0, of: 1_001 } },
    ],
    [
      'json.resources must name the one resource of a permit: got 2',
      { ...GOOD, permit: { slot: 0, of: 2 }, resources: ['a', 'b'] },
    ],
    [
      'json.resources must name the one resource of a read lock: got 2',
      { ...GOOD, token: 115, isShared: true, resources: ['a', 'b'] },
    ],
    [
      'json.permit must be null for a read lock: got an object',
      { ...GOOD, token: 115, isShared: true, permit: { slot: 0, of: 2 } },
    ],
  ];

  it.each(BAD)('rejects bad JSON by the name of the field: %s', async (message, json) => {
    const { world, receiver } = await scene();
    const { commands } = world;
    const error = await failureOf(world, receiver.adopt(json as LockJSON));
    expect(error).toMatchObject({ message: expect.stringContaining(message) });
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    expect(world.commands).toEqual(commands);
  });

  it('rejects a token where its Redlock has none', async () => {
    const { world, receiver } = await scene({ fencing: false });
    const error = await failureOf(world, receiver.adopt(GOOD));
    expect(error).toMatchObject({ message: expect.stringContaining('json.token must be null: got 100') });
  });
});

describe('using, with a lock in place of resources', () => {
  it('extends it while the routine runs, and releases it', async () => {
    const { world, receiver, lock } = await scene();
    const adopted = await world.clock.runUntil(receiver.adopt(lock.handOver()));
    const lastsMs = 3 * TTL;
    const routine = async (held: Lock) => {
      await new Promise<void>((resolve) => {
        world.clock.after(lastsMs, resolve);
      });
      held.assertHeld();
      return held;
    };
    expect(await world.clock.runUntil(receiver.using(adopted, routine))).toBe(adopted);
    await world.clock.advance(300);
    expect(world.valuesOf('lock:r')).toEqual(all(undefined));
    expect(() => adopted.assertHeld()).toThrow(LockReleasedError);
  });

  it('extends it for maxHold at the most', async () => {
    const { world, giver, lock } = await scene();
    const aborted = (held: Lock) => new Promise((resolve) => held.signal.addEventListener('abort', resolve));
    const startedAt = world.clock.monotonic();
    await world.clock.runUntil(giver.using(lock, { maxHold: 500 }, aborted));
    expect(world.clock.monotonic() - startedAt).toBeCloseTo(500, -1);
  });

  it('takes a lock of its own Redlock, that is held, and no other option', async () => {
    const { world, giver, receiver, lock } = await scene();
    const run = () => 'ran';
    const stranger = await failureOf(world, receiver.using(lock, run));
    expect(stranger).toMatchObject({
      message: 'lock must be a lock of this Redlock: got a lock of another Redlock',
    });
    const options = { waitTime: 1 } as unknown as { maxHold: number };
    expect(await failureOf(world, giver.using(lock, options, run))).toMatchObject({
      message: 'there is no option of using a lock that is held "waitTime"; there are maxHold',
    });
    lock.handOver();
    expect(await failureOf(world, giver.using(lock, run))).toBeInstanceOf(LockHandedOverError);
  });
});

describe('the channels', () => {
  it('tell of a lock that is handed over as of one that is released, and of its adoption as of an acquire', async () => {
    const said: string[] = [];
    const hear = (message: unknown, name: string | symbol) => {
      const { token, handedOver, granted } = message as Record<string, unknown>;
      said.push(`${String(name)} ${token} ${handedOver ?? granted}`);
    };
    const names = ['acquire', 'release'].map((name) => `tracing:quorlock:${name}:asyncEnd`);
    for (const name of names) subscribe(name, hear);
    const { world, receiver, lock } = await scene();
    const json = lock.handOver();
    const adopted = await world.clock.runUntil(receiver.adopt(json));
    await failureOf(world, receiver.adopt(json));
    await lock.release();
    for (const name of names) unsubscribe(name, hear);
    const { token } = adopted;
    expect(said).toEqual([
      `${names[0]} ${token} true`,
      `${names[1]} ${token} true`,
      `${names[0]} ${token} true`,
      `${names[0]} undefined false`,
    ]);
  });
});
