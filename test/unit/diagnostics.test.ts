import { AsyncLocalStorage } from 'node:async_hooks';
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { describe, expect, it } from 'vitest';
import {
  LockHeldError,
  LockLostError,
  NoQuorumError,
  type Redlock,
  WaitTimeoutError,
} from '../../src/index.ts';
import { Listener, PLAIN, TRACING } from '../support/heard.ts';
import { World } from './world.ts';

const ENDED = ['start', 'end', 'asyncStart', 'asyncEnd'];
const FAILED = ['start', 'end', 'error', 'asyncStart', 'asyncEnd'];
const courseOf = (name: string, parts: readonly string[]) => parts.map((part) => `${name}:${part}`);

/** What a call comes to, in a world whose time passes. */
async function resultOf<Result>(world: World, call: Promise<Result>, ms = 100): Promise<Result> {
  call.catch(() => undefined);
  await world.clock.advance(ms);
  return call;
}

async function connected(nodes = 3): Promise<{ readonly world: World; readonly redlock: Redlock }> {
  const world = new World(nodes);
  const redlock = world.redlock();
  await resultOf(world, redlock.inspect('other'));
  return { world, redlock };
}

describe('what is published of', () => {
  it('an acquire, an extension and a release: their course, the token, and how long each took', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(TRACING);
    const lock = await resultOf(world, redlock.acquire('r', { ttl: 2_000, waitTime: 500 }));
    await resultOf(world, lock.extend(3_000));
    await resultOf(world, lock.release());
    expect(listener.channels).toEqual([
      ...courseOf('quorlock:acquire', ENDED),
      ...courseOf('quorlock:extend', ENDED),
      ...courseOf('quorlock:release', ENDED),
    ]);
    const { token } = lock;
    const what = { resources: ['r'], mode: 'exclusive' };
    const [asked] = listener.on('quorlock:acquire:start');
    expect(asked).toEqual({ ...what, ttl: 2_000, waitTime: 500, attempts: 0 });
    const [acquire] = listener.on('quorlock:acquire:asyncEnd');
    expect(acquire).toMatchObject({ ...what, token, attempts: 1, granted: true });
    expect(acquire?.elapsedMs).toBeGreaterThan(0);
    expect(acquire?.votes?.map(({ node }) => node)).toEqual(world.clients.map(({ address }) => address));
    const [extend] = listener.on('quorlock:extend:asyncEnd');
    expect(extend).toMatchObject({ ...what, token, ttl: 3_000, acquire: { token } });
    expect(extend?.votes).toHaveLength(3);
    const [released] = listener.on('quorlock:release:start');
    expect(released).toMatchObject({ ...what, token, acquire: { token } });
    expect(released?.heldMs).toBeGreaterThan(150);
    expect(listener.on('quorlock:release:asyncEnd')[0]).toMatchObject({ freed: true, handedOver: false });
  });

  it('read locks and permits: their mode', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(['quorlock:acquire']);
    await resultOf(world, redlock.readWrite('r').acquireRead());
    await resultOf(world, redlock.readWrite('w').acquireWrite());
    await resultOf(world, redlock.semaphore('s', 2).tryAcquire());
    const ended = listener.on('quorlock:acquire:asyncEnd');
    expect(ended.map(({ mode, resources }) => [mode, ...resources])).toEqual([
      ['shared', 'r'],
      ['exclusive', 'w'],
      ['semaphore', 's'],
    ]);
  });

  it('a call that fails: its error and what the nodes said', async () => {
    const { world, redlock } = await connected();
    world.holdElsewhere('lock:r', 60_000);
    using listener = new Listener(TRACING);
    await expect(resultOf(world, redlock.acquire('r', { waitTime: 0 }))).rejects.toThrow(LockHeldError);
    expect(listener.channels).toEqual(courseOf('quorlock:acquire', FAILED));
    const [acquire] = listener.on('quorlock:acquire:error');
    expect(acquire).toMatchObject({ granted: false, attempts: 1, error: { code: 'QUORLOCK_HELD' } });
    expect(acquire?.elapsedMs).toBeGreaterThan(0);
    expect(acquire?.votes?.filter(({ outcome }) => outcome === 'held').length).toBeGreaterThan(1);
    expect(acquire).not.toHaveProperty('token');
  });

  it('a wait: how often it asked, and that it was in vain', async () => {
    const { world, redlock } = await connected();
    world.holdElsewhere('lock:r', 60_000);
    using listener = new Listener(TRACING);
    const waiting = resultOf(world, redlock.acquire('r', { waitTime: 500 }), 1_000);
    await expect(waiting).rejects.toThrow(WaitTimeoutError);
    const [acquire] = listener.on('quorlock:acquire:asyncEnd');
    expect(acquire?.attempts).toBeGreaterThan(1);
    expect(acquire?.elapsedMs).toBeGreaterThanOrEqual(500);
  });

  it('a tryAcquire that finds the lock held: no error', async () => {
    const { world, redlock } = await connected();
    world.holdElsewhere('lock:r', 60_000);
    using listener = new Listener(TRACING);
    expect(await resultOf(world, redlock.tryAcquire('r'))).toBe(null);
    expect(listener.channels).toEqual(courseOf('quorlock:acquire', ENDED));
    const [acquire] = listener.on('quorlock:acquire:asyncEnd');
    expect(acquire).toMatchObject({ granted: false });
    expect(acquire).not.toHaveProperty('error');
    expect(acquire?.votes?.some(({ outcome }) => outcome === 'held')).toBe(true);
  });

  it('bad arguments: nothing', async () => {
    const { redlock } = await connected();
    using listener = new Listener();
    await expect(redlock.acquire('r', { ttl: -1 })).rejects.toThrow(RangeError);
    await expect(redlock.using('r', { maxHold: -1 }, () => undefined)).rejects.toThrow(RangeError);
    expect(listener.heard).toEqual([]);
  });

  it('a lock that is handed on: its new token, and no attempt', async () => {
    const { world, redlock } = await connected();
    const holder = await resultOf(world, redlock.acquire('r'), 5);
    const asked = redlock.acquire('r');
    // The first votes may be late.
    await world.clock.advance(5);
    using listener = new Listener();
    const report = holder.release();
    const next = await resultOf(world, asked, 1);
    expect((await report).handedOver).toBe(true);
    expect(listener.channels.slice(0, 2)).toEqual(['quorlock:release:start', 'quorlock:lock:handed-on']);
    const what = { resources: ['r'], mode: 'exclusive', token: next.token };
    expect(listener.on('quorlock:lock:handed-on')).toEqual([what]);
    expect(listener.on('quorlock:release:asyncEnd')[0]).toMatchObject({ freed: true, handedOver: true });
    expect(listener.on('quorlock:node:vote')).toEqual([]);
  });

  it.each([true, false])(
    'locks of three callers under one lease: two are handed on (fencing: %j)',
    async (fencing) => {
      const world = new World(3);
      const redlock = world.redlock({ fencing });
      using listener = new Listener(['quorlock:lock:handed-on']);
      const calls = Array.from({ length: 3 }, () => redlock.acquire('r'));
      const tokens: unknown[] = [];
      for (const call of calls) {
        const lock = await resultOf(world, call, 10);
        tokens.push(fencing ? lock.token : undefined);
        void lock.release();
      }
      expect(listener.on('quorlock:lock:handed-on').map(({ token }) => token)).toEqual(tokens.slice(1));
    },
  );

  it('a caller to which a lock is handed on: no attempt', async () => {
    const { world, redlock } = await connected();
    const holder = await resultOf(world, redlock.acquire('r'), 5);
    using listener = new Listener(['quorlock:acquire']);
    const asked = redlock.acquire('r');
    await world.clock.advance(5);
    void holder.release();
    const { token } = await resultOf(world, asked, 1);
    const [acquire] = listener.on('quorlock:acquire:asyncEnd');
    expect(acquire).toMatchObject({ token, granted: true, attempts: 0 });
    expect(acquire).not.toHaveProperty('votes');
  });

  it('a lock that was lost before its caller had it: that it is lost, once', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(['quorlock:acquire', 'quorlock:lock:lost'], (_, name) => {
      if (name === 'tracing:quorlock:acquire:asyncEnd') world.clock.stepWall(60_000);
    });
    const lock = await resultOf(world, redlock.acquire('r'), 5);
    expect(lock.remainingValidity()).toBe(0);
    expect(listener.on('quorlock:lock:lost')).toMatchObject([{ acquire: { token: lock.token } }]);
  });

  it('a lock that its caller has forgotten: that it is lost, once', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener();
    const lock = await resultOf(world, redlock.acquire('r', { ttl: 1_000 }));
    await world.clock.advance(2_000);
    const [said] = listener.on('quorlock:lock:lost');
    expect(said).toMatchObject({ resources: ['r'], mode: 'exclusive', token: lock.token });
    expect(said?.error).toBeInstanceOf(LockLostError);
    expect(said?.acquire).toMatchObject({ granted: true, token: lock.token });
    expect(said?.heldMs).toBeGreaterThan(900);
    expect(said?.heldMs).toBeLessThan(1_100);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    await resultOf(world, lock.release());
    expect(listener.on('quorlock:lock:lost')).toHaveLength(1);
    expect(listener.on('quorlock:release:asyncEnd')).toHaveLength(1);
  });

  it('a lock that is lost: before the holder hears of it', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(['quorlock:lock:lost', 'quorlock:release']);
    const lock = await resultOf(world, redlock.acquire('r', { ttl: 1_000 }));
    lock.signal.addEventListener('abort', () => void lock.release());
    await world.clock.advance(2_000);
    expect(listener.channels.slice(0, 2)).toEqual(['quorlock:lock:lost', 'quorlock:release:start']);
  });

  it('an extension that fails: its error', async () => {
    const { world, redlock } = await connected();
    const lock = await resultOf(world, redlock.acquire('r', { ttl: 10_000 }));
    for (const server of world.servers) server.crash();
    using listener = new Listener(['quorlock:extend']);
    await expect(resultOf(world, lock.extend(), 5_000)).rejects.toMatchObject({
      code: 'QUORLOCK_EXTEND_FAILED',
    });
    const [extend] = listener.on('quorlock:extend:error');
    expect(extend).toMatchObject({ error: { code: 'QUORLOCK_EXTEND_FAILED' }, acquire: undefined });
    expect(extend?.votes?.filter(({ outcome }) => outcome === 'failed').length).toBeGreaterThan(1);
  });

  it('locks that their Redlock releases as it closes, or exchanges: each release', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(['quorlock:release', 'quorlock:acquire']);
    const readWrite = redlock.readWrite('w');
    const writing = await resultOf(world, readWrite.acquireWrite());
    const reading = await resultOf(world, readWrite.downgrade(writing));
    await resultOf(world, redlock.acquire('r'));
    await resultOf(world, redlock.close(), 1_000);
    const released = listener.on('quorlock:release:asyncEnd');
    expect(released.map(({ resources, mode }) => [mode, ...resources].join(' ')).toSorted()).toEqual([
      'exclusive r',
      'exclusive w',
      'shared w',
    ]);
    expect(released.map(({ freed }) => freed)).toEqual([true, true, true]);
    await resultOf(world, Promise.all([writing.release(), reading.release()]));
    expect(listener.on('quorlock:release:asyncEnd')).toHaveLength(3);
  });

  it('a lock that close() releases in the very moment in which its caller gets it: the release, after the acquire', async () => {
    for (let steps = 0; steps < 12; steps += 1) {
      using listener = new Listener(TRACING);
      const { world, redlock } = await connected();
      const held = await resultOf(world, redlock.acquire('held'));
      // The nodes answer both in one call. The program closes it as many steps after the one answer.
      const extended = held.extend();
      const asked = redlock.tryAcquire('r');
      const closed = extended.then(async () => {
        for (let step = 0; step < steps; step += 1) await undefined;
        return redlock.close();
      });
      await resultOf(world, Promise.allSettled([asked, closed]));
      const acquired = listener.on('quorlock:acquire:asyncEnd').filter(({ granted }) => granted === true);
      const released = listener.on('quorlock:release:start').flatMap(({ acquire }) => acquire ?? []);
      expect(released.map(({ token }) => token)).toEqual(acquired.map(({ token }) => token));
    }
  });

  it('a using: its course around that of its lock, and its error', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(TRACING);
    await resultOf(
      world,
      redlock.using('r', async () => 1),
    );
    expect(listener.channels).toEqual([
      'quorlock:using:start',
      'quorlock:acquire:start',
      'quorlock:acquire:end',
      'quorlock:using:end',
      'quorlock:acquire:asyncStart',
      'quorlock:acquire:asyncEnd',
      ...courseOf('quorlock:release', ENDED),
      'quorlock:using:asyncStart',
      'quorlock:using:asyncEnd',
    ]);
    const [used] = listener.on('quorlock:using:asyncEnd');
    const [acquired] = listener.on('quorlock:acquire:asyncEnd');
    expect(used).toEqual({
      resources: ['r'],
      mode: 'exclusive',
      token: acquired?.token,
      elapsedMs: expect.any(Number),
    });
    const fault = new Error('of the routine');
    const failing = resultOf(
      world,
      redlock.using('r', () => Promise.reject(fault)),
    );
    await expect(failing).rejects.toBe(fault);
    expect(listener.on('quorlock:using:error').map(({ error }) => error)).toEqual([fault]);
  });

  it('votes: of every node, those that come too late to count as well', async () => {
    const { world, redlock } = await connected();
    using listener = new Listener(['quorlock:node:vote']);
    await resultOf(world, redlock.acquire('r'));
    const votes = listener.on('quorlock:node:vote');
    expect(votes.map(({ node }) => node).toSorted()).toEqual(world.clients.map(({ address }) => address));
    expect(votes.map(({ late }) => late)).toEqual([false, false, true]);
    for (const vote of votes) expect(vote).toMatchObject({ operation: 'acquire', outcome: 'granted' });
    listener.heard.length = 0;
    for (const server of world.servers) server.crash();
    await expect(resultOf(world, redlock.acquire('s', { waitTime: 0 }), 5_000)).rejects.toThrow(
      NoQuorumError,
    );
    expect(listener.on('quorlock:node:vote')[0]).toMatchObject({ outcome: 'failed', reason: 'disconnected' });
  });

  it('nodes: each change of their state, why, and for how long the one before lasted', async () => {
    const world = new World(3);
    using listener = new Listener(['quorlock:node']);
    const redlock = world.redlock();
    await resultOf(world, redlock.inspect('other'));
    const nodes = world.clients.map(({ address }) => address);
    const up = { state: 'up', before: 'connecting', why: '' };
    const changes = listener.on('quorlock:node').toSorted((a, b) => a.node.localeCompare(b.node));
    expect(changes).toMatchObject(nodes.map((node) => ({ node, ...up })));
    listener.heard.length = 0;
    world.server(1).crash();
    await world.clock.advance(1_000);
    const [node = ''] = nodes.slice(1);
    expect(listener.on('quorlock:node')).toMatchObject([{ node, state: 'down', before: 'up' }]);
    const [down] = listener.on('quorlock:node');
    expect(down?.why).not.toBe('');
    expect(down?.lastedMs).toBeGreaterThan(90);
    world.server(1).restart({ keepMemory: true });
    await world.clock.advance(5_000);
    const [, back] = listener.on('quorlock:node');
    expect(back).toMatchObject({ node, state: 'up', before: 'down', why: '' });
    expect(back?.lastedMs).toBeGreaterThan(900);
  });

  it('warnings: each one, to onWarning too', () => {
    using listener = new Listener();
    const told: unknown[] = [];
    new World(2).redlock({ onWarning: (warning) => told.push(warning) });
    expect(told).toMatchObject([{ code: 'QUORLOCK_EVEN_NODES' }]);
    expect(listener.on('quorlock:warning')).toEqual(told);
  });
});

describe('a listener', () => {
  it.each(TRACING)('of one channel of %s alone is heard', async (name) => {
    const { world, redlock } = await connected();
    const heard: unknown[] = [];
    const hear = (message: unknown) => heard.push(message);
    subscribe(`tracing:${name}:asyncEnd`, hear);
    try {
      await resultOf(
        world,
        redlock.using('r', (lock) => lock.extend()),
      );
    } finally {
      unsubscribe(`tracing:${name}:asyncEnd`, hear);
    }
    expect(heard).toHaveLength(1);
  });

  it('has the same object in all of a call, and that of the acquire with the release', async () => {
    const { world, redlock } = await connected();
    const objects = new Set<unknown>();
    const calls = new Set<unknown>();
    using _ = new Listener(['quorlock:acquire', 'quorlock:release'], (message) => {
      objects.add(message);
      if (typeof message === 'object' && message !== null && 'acquire' in message) calls.add(message.acquire);
    });
    const lock = await resultOf(world, redlock.acquire('r'));
    await resultOf(world, lock.release());
    expect(objects.size).toBe(2);
    expect(calls.size).toBe(1);
    expect(objects).toContain([...calls][0]);
  });

  it('can bind a store: the routine of a using has it', async () => {
    const { world, redlock } = await connected();
    const store = new AsyncLocalStorage<unknown>();
    const start = channel('tracing:quorlock:using:start');
    start.bindStore(store);
    try {
      const seen = await resultOf(
        world,
        redlock.using('r', async () => store.getStore()),
      );
      expect(seen).toMatchObject({ resources: ['r'], elapsedMs: expect.any(Number) });
      expect(store.getStore()).toBe(undefined);
    } finally {
      start.unbindStore(store);
    }
  });

  it('does not take the caller out of the stacks of errors', async () => {
    const { world, redlock } = await connected();
    world.holdElsewhere('lock:r', 60_000);
    const holder = await resultOf(world, redlock.acquire('mine', { ttl: 30_000 }));
    using _ = new Listener();
    for (const server of world.servers) server.crash();
    for (const ask of [
      () => redlock.acquire('r', { waitTime: 10 }),
      () => redlock.using('r', { waitTime: 10 }, () => undefined),
      () => holder.extend(),
    ]) {
      async function theProgram() {
        return await ask();
      }
      const failure = await resultOf(
        world,
        theProgram().catch((error: Error) => error),
        10_000,
      );
      expect((failure as Error).stack).toContain('theProgram');
    }
  });

  it('that is there no more costs nothing: all channels are idle', () => {
    new Listener()[Symbol.dispose]();
    for (const name of PLAIN) expect(channel(name).hasSubscribers).toBe(false);
  });
});
