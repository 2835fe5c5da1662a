import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { LockLostError, Redlock, type RedlockOptions } from '../../src/index.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';

const HOUR_MS = 3_600_000;

/** Time that no fake timer reaches: it was taken before there were any. */
const realTimeout = setTimeout;
const sleep = (ms: number) => new Promise((resolve) => realTimeout(resolve, ms));

/** Everything that fake timers can take the place of here; Vitest refuses to replace nextTick in a child process. */
const EVERYTHING = [
  'setTimeout',
  'clearTimeout',
  'setInterval',
  'clearInterval',
  'setImmediate',
  'clearImmediate',
  'queueMicrotask',
  'hrtime',
  'performance',
  'Date',
] as const;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());
afterEach(() => {
  vi.useRealTimers();
});

function open(options: RedlockOptions = {}) {
  const warnings: string[] = [];
  const redlock = new Redlock(fleet.urls, {
    ...PATIENT,
    // A busy machine has nodes that are slow, and none is to be told of.
    nodeTimeout: 7_000,
    ...options,
    onWarning: ({ message }) => warnings.push(message),
  });
  onTestFinished(() => redlock.close());
  return { redlock, warnings };
}

describe('fake timers', () => {
  it.each(['before', 'after'])(
    'that come after the import, and go, change nothing for locks: connected %s them',
    async (when) => {
      if (when === 'after') vi.useFakeTimers();
      const { redlock, warnings } = open();
      await (await redlock.acquire('first')).release();
      vi.useFakeTimers();
      const lock = await redlock.acquire('orders', { ttl: 30_000 });
      await vi.advanceTimersByTimeAsync(HOUR_MS);
      vi.setSystemTime(0);
      expect(lock.remainingValidity()).toBeGreaterThan(20_000);
      expect((await lock.extend()).remainingValidity()).toBeGreaterThan(20_000);
      vi.useRealTimers();
      lock.assertHeld();
      expect((await lock.release()).freed).toBe(true);
      await (await redlock.acquire('orders', { waitTime: 0 })).release();
      expect(warnings).toEqual([]);
    },
  );

  it('that replace everything, hrtime and queueMicrotask included, leave a Redlock that is connected as it was', async () => {
    const { redlock, warnings } = open();
    await (await redlock.acquire('first')).release();
    vi.useFakeTimers({ toFake: [...EVERYTHING] });
    const lock = await redlock.acquire('everything', { ttl: 30_000 });
    vi.advanceTimersByTime(HOUR_MS);
    const waiting = redlock.acquire('everything', { waitTime: 20_000 });
    // However much of it passes while nodes are asked.
    vi.advanceTimersByTime(HOUR_MS);
    await lock.release();
    const next = await waiting;
    next.assertHeld();
    await next.release();
    vi.useRealTimers();
    await (await redlock.acquire('everything')).release();
    expect(warnings).toEqual([]);
  });

  it.each(['stay', 'go'])(
    'that %s do not keep a connection that is lost from being made anew',
    async (what) => {
      const { redlock } = open();
      await (await redlock.acquire('first')).release();
      vi.useFakeTimers();
      await Promise.all(fleet.nodes.map((node) => node.command('CLIENT', 'KILL', 'TYPE', 'normal')));
      await expect(redlock.acquire('orders', { waitTime: 0 })).rejects.toThrow();
      if (what === 'go') vi.useRealTimers();
      await eventually('there is a quorum again', async () => {
        const lock = await redlock.acquire('orders', { waitTime: 0 }).catch(() => null);
        await lock?.release();
        return lock !== null;
      });
    },
  );

  it('do not keep a lock from ending, nor its signal from telling, nor a caller from waiting no longer', async () => {
    const { redlock } = open({ nodeTimeout: 2_000 });
    vi.useFakeTimers();
    const lock = await redlock.acquire('ends', { ttl: 2_500 });
    const aborted = new Promise((resolve) => {
      lock.signal.addEventListener('abort', () => resolve(lock.signal.reason));
    });
    await using _other = await redlock.acquire('held');
    await expect(redlock.acquire('held', { waitTime: 1_000 })).rejects.toThrow('waitTime');
    expect(await aborted).toBeInstanceOf(LockLostError);
  });

  it('do not keep a lock that is kept alive from living', async () => {
    const { redlock } = open({ nodeTimeout: 3_000 });
    vi.useFakeTimers();
    await redlock.using('kept', { ttl: 4_000 }, async (lock) => {
      for (let before = 0, validity = 0; validity <= before; validity = lock.remainingValidity()) {
        before = lock.remainingValidity();
        await sleep(50);
        lock.assertHeld();
      }
    });
  });
});

describe('a constructor that throws', () => {
  const connections = async () => {
    const lists = await Promise.all(fleet.nodes.map((node) => node.command('CLIENT', 'LIST')));
    return lists.filter((list) => String(list).includes('name=quorlock')).length;
  };
  const refuse = () => {
    throw new Error('refused');
  };
  const noClock = { monotonic: () => 0, wall: () => 0, uptime: () => 0, after: refuse };

  it.each<[what: string, open: (urls: string[]) => unknown]>([
    ['a node', (urls) => new Redlock([...urls, 'redis://'])],
    ['an option', (urls) => new Redlock(urls, { ttl: -1 })],
    ['the name of an option', (urls) => new Redlock(urls, Object.fromEntries([['tll', 1]]))],
    ['chance that throws', (urls) => new Redlock(urls, { random: { fraction: refuse, identifier: refuse } })],
    ['a clock that throws', (urls) => new Redlock(urls, { clock: noClock })],
  ])('for %s leaves no connection', async (_, make) => {
    await vi.waitFor(async () => expect(await connections()).toBe(0), { timeout: 10_000 });
    const { Socket } = await import('node:net');
    const connect = vi.spyOn(Socket.prototype, 'connect');
    const destroyed = vi.spyOn(Socket.prototype, 'destroy');
    onTestFinished(() => {
      connect.mockRestore();
      destroyed.mockRestore();
    });
    expect(() => make([...fleet.urls])).toThrow();
    await sleep(100);
    const sockets = connect.mock.contexts;
    for (const socket of sockets) expect(socket).toMatchObject({ destroyed: true });
    expect(await connections()).toBe(0);
  });
});
