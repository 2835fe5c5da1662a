import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import type { Lock } from '../../src/lock/lock.ts';
import { ReleaseRetries } from '../../src/node/release-retries.ts';
import type { Redlock } from '../../src/redlock.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';
import type { Leave, Release } from '../../src/wire/operation.ts';
import { NODE_SETTINGS, World } from './world.ts';

const release = (value: string): Release => ({
  kind: 'release',
  keys: ['lock:r'],
  fences: [],
  queues: ['queue'],
  value,
});

const leave: Leave = { kind: 'leave', keys: ['lock:r'], fences: [], queues: ['queue'], member: 'm' };

/** Settings of a node, and what is posted to it. */
function account(room: () => number = () => Number.POSITIVE_INFINITY, driftFactor = 0) {
  const { clock } = new World(1);
  const posted: string[] = [];
  const after = clock.after.bind(clock);
  clock.after = (...timer: Parameters<Clock['after']>) => {
    expect(timer[2], 'a process does not go on for it').toEqual({ keepAlive: false });
    return after(timer[0], timer[1]);
  };
  const settings = { ...NODE_SETTINGS, clock, nodeCount: 1, driftFactor };
  const post = async (operation: Release | Leave) => {
    posted.push(operation.kind === 'leave' ? operation.member : operation.value);
  };
  return { clock, posted, retries: new ReleaseRetries(settings, post, room) };
}

describe('the account of owed releases', () => {
  it('does not ask for what is on its way already', () => {
    const { posted, retries } = account();
    retries.sent(release('v'));
    retries.askAgain();
    retries.failed(release('v'), 'lost');
    retries.askAgain();
    retries.askAgain();
    expect(posted).toEqual(['v']);
    retries.failed(release('v'), 'lost');
    retries.sent(release('v'));
    retries.askAgain();
    expect(posted).toEqual(['v']);
  });

  it.each([0, 1, 2])('is settled by an answer, after %i failures too', (failures) => {
    const { clock, posted, retries } = account();
    retries.sent(release('v'));
    for (let times = 0; times < failures; times += 1) retries.failed(release('v'), 'refused');
    retries.confirmed(release('v'));
    expect(clock.pendingTimers).toBe(0);
    retries.askAgain();
    expect(posted).toEqual([]);
  });

  it('asks a node that refuses ever more seldom, by itself, until the keys have expired', async () => {
    const { clock, posted, retries } = account();
    const start = clock.uptime();
    const times: number[] = [];
    retries.failed(release('v'), 'refused');
    for (let seen = 0; clock.pendingTimers > 0; seen = posted.length) {
      await clock.advance(10);
      if (posted.length === seen) continue;
      times.push(clock.uptime() - start);
      retries.failed(release('v'), 'refused');
    }
    const pauses = times.map((time, index) => time - (times[index - 1] ?? time));
    expect(pauses.slice(1, 6)).toEqual([100, 200, 400, 800, 1_600]);
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2_010);
    // One of which the key expires meanwhile is dropped without being asked for.
    expect(times.at(-1)).toBeLessThan(30_050);
    expect(times.at(-1)).toBeGreaterThan(27_000);
  });

  it('is not held up by an older retry that is due later', async () => {
    const { clock, posted, retries } = account();
    for (let times = 0; times < 6; times += 1) {
      retries.failed(release('old'), 'refused');
      await clock.advance(2_000);
    }
    retries.failed(release('old'), 'refused');
    posted.length = 0;
    retries.failed(release('new'), 'refused');
    await clock.advance(60);
    expect(posted).toEqual(['new']);
  });

  it('asks for nothing while the node can not be asked', async () => {
    let room = 0;
    const { clock, posted, retries } = account(() => room);
    retries.failed(release('v'), 'refused');
    await clock.advance(5_000);
    expect(posted).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    room = 1;
    retries.failed(release('w'), 'lost');
    retries.askAgain();
    expect(posted).toEqual(['v']);
  });

  it('keeps no more than ten thousand, and drops the oldest for new ones', () => {
    const { posted, retries } = account();
    for (let index = 0; index <= 10_000; index += 1) retries.failed(release(`v${index}`), 'lost');
    retries.askAgain();
    expect(posted).toHaveLength(9_001);
    expect([posted[0], posted.at(-1)]).toEqual(['v1000', 'v10000']);
  });

  it.each([
    [30_349, ['v']],
    [30_350, []],
  ])('asks for it until its keys have expired by the node’s clock: after %i ms', async (ms, asked) => {
    const { clock, posted, retries } = account(undefined, 0.01);
    retries.failed(release('v'), 'lost');
    await clock.advance(ms);
    retries.askAgain();
    expect(posted).toEqual(asked);
  });

  it('asks for no more than there is room for, by the number of keys', () => {
    const { posted, retries } = account(() => 10);
    for (const value of ['a', 'b', 'c', 'd']) {
      retries.failed({ ...release(value), keys: Array(4).fill('lock:r') }, 'lost');
    }
    retries.askAgain();
    expect(posted).toEqual(['a', 'b', 'c']);
    retries.askAgain();
    expect(posted).toEqual(['a', 'b', 'c', 'd']);
  });

  it('is of waiters that have left, too, unless another process said so', () => {
    const { posted, retries } = account();
    retries.failed(leave, 'lost');
    retries.failed({ ...leave, member: 'hung', isHung: true }, 'lost');
    // A lock value of the same name is another thing.
    retries.confirmed(release('m'));
    retries.askAgain();
    expect(posted).toEqual(['m']);
    retries.failed(leave, 'lost');
    retries.confirmed(leave);
    retries.askAgain();
    expect(posted).toEqual(['m']);
  });

  it('is empty after close()', async () => {
    const { clock, posted, retries } = account();
    retries.failed(release('v'), 'refused');
    retries.putOff(leave);
    retries.close();
    expect(clock.pendingTimers).toBe(0);
    retries.askAgain();
    await retries.sendPutOff();
    expect(posted).toEqual([]);
  });
});

describe('what is put off', () => {
  it('is sent by itself after a quarter of a second', async () => {
    const { clock, posted, retries } = account();
    retries.putOff(leave);
    await clock.advance(100);
    retries.putOff(release('v'));
    await clock.advance(149);
    expect(posted).toEqual([]);
    await clock.advance(1);
    expect(posted).toEqual(['m', 'v']);
    expect(clock.pendingTimers).toBe(0);
    retries.putOff(release('w'));
    await clock.advance(250);
    expect(posted).toEqual(['m', 'v', 'w']);
  });

  it('is sent with the thirty-second of its kind', () => {
    const { clock, posted, retries } = account();
    for (let index = 1; index <= 31; index += 1) retries.putOff(release(`v${index}`));
    expect(posted).toEqual([]);
    retries.putOff(leave);
    expect(posted).toHaveLength(32);
    expect(clock.pendingTimers).toBe(0);
  });

  it('is sent when the next call is, once', async () => {
    const { clock, posted, retries } = account();
    expect(retries.sendPutOff()).toBeUndefined();
    retries.putOff(release('v'));
    retries.failed(release('v'), 'lost');
    await retries.sendPutOff();
    expect(posted).toEqual(['v']);
    expect(clock.pendingTimers).toBe(0);
    expect(retries.sendPutOff()).toBeUndefined();
    // It is on its way.
    retries.askAgain();
    expect(posted).toEqual(['v']);
  });
});

describe('a release that a node did not answer', () => {
  const absences: Record<
    string,
    { away(server: SimulatedServer): void; back(server: SimulatedServer): void }
  > = {
    'crashed and kept its memory': {
      away: (server) => server.crash(),
      back: (server) => server.restart({ keepMemory: true }),
    },
    hung: { away: (server) => server.pause(), back: (server) => server.resume() },
  };

  it.each(Object.keys(absences))('because it %s is done when the node is back', async (name) => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    absences[name]?.away(world.server(0));
    await world.clock.advance(10);
    const report = await world.clock.runUntil(lock.release());
    expect(report.freed).toBe(true);
    await world.clock.advance(3_000);
    expect(world.server(0).store.get('lock:r')).toBe(lock.value);
    absences[name]?.back(world.server(0));
    // Long before the key would have expired.
    await world.clock.advance(200);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('because the reply was lost is sent again, and harmless twice', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    world.client(0).cut('replies');
    await world.clock.runUntil(lock.release());
    expect(world.server(0).store.get('lock:r')).toBeUndefined();
    world.server(0).store.set('lock:r', 'the next holder', '30000');
    world.client(0).disconnect({ requestsArrive: true });
    world.client(0).mend();
    await world.clock.advance(500);
    expect(world.server(0).store.get('lock:r')).toBe('the next holder');
  });

  it('is asked for ever more seldom where the node refuses it, however often that comes and goes', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    const { store } = world.server(0);
    store.writeError = 'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk';
    await world.clock.runUntil(lock.release());
    const before = world.server(0).commands;
    for (let round = 0; round < 20; round += 1) {
      world.client(0).disconnect({ requestsArrive: true });
      await world.clock.advance(100);
    }
    // A look for each connection, and tries after 50, 100, 200, … ms.
    expect(world.server(0).commands - before).toBeLessThanOrEqual(20 + 6);
  });

  it.each([
    'NOREPLICAS Not enough good replicas to write.',
    'MISCONF Redis is configured to save RDB snapshots, but is unable to persist to disk',
    "NOPERM User app has no permissions to run the 'del' command",
  ])(
    'because it refused to write (%s) is done soon after that is over, in a quiet process too',
    async (error) => {
      const world = new World(3);
      const redlock = world.redlock();
      const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
      await world.clock.advance(10);
      for (const { store } of world.servers) store.writeError = error;
      await world.clock.runUntil(lock.release());
      await world.clock.advance(10_000);
      expect(world.valuesOf('lock:r')).toEqual([lock.value, lock.value, lock.value]);
      for (const { store } of world.servers) store.writeError = undefined;
      await world.clock.advance(2_100);
      expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
      expect(world.clock.pendingTimers).toBe(0);
    },
  );

  it.each<[string, (redlock: Redlock) => Promise<Lock>]>([
    ['a share', (redlock) => redlock.readWrite('r').acquireRead()],
    ['a permit', (redlock) => redlock.semaphore('r', 2).acquire()],
    ['several keys', (redlock) => redlock.acquire(['r', 's'])],
  ])('of %s because it refused to write is done as well', async (_, acquire) => {
    const world = new World(3);
    const redlock = world.redlock({ ttl: 30_000 });
    const lock = await world.clock.runUntil(acquire(redlock));
    await world.clock.advance(10);
    for (const { store } of world.servers) store.writeError = 'NOREPLICAS Not enough good replicas to write.';
    expect(await world.clock.runUntil(lock.release())).toMatchObject({ freed: false });
    await world.clock.advance(3_000);
    for (const { store } of world.servers) store.writeError = undefined;
    await world.clock.advance(2_100);
    const newcomer = world.redlock({}, world.machine());
    const all = world.clock.runUntil(newcomer.inspect('r'));
    expect(await all).toMatchObject({ state: 'free' });
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('is not asked for any more once the keys have expired', async () => {
    const world = new World(3);
    const redlock = world.redlock({ maxTtl: 2_000, ttl: 2_000 });
    const lock = await world.clock.runUntil(redlock.acquire('r'));
    await world.clock.advance(10);
    world.server(0).crash();
    await world.clock.advance(10);
    await world.clock.runUntil(lock.release());
    // A call may have been on its way for a quarter of the ttl.
    await world.clock.advance(2_600);
    world.server(0).restart({ keepMemory: true });
    const before = world.server(0).commands;
    await world.clock.advance(500);
    // The look: by hash, and by source since the new process did not know it.
    expect(world.server(0).commands - before).toBe(2);
  });

  it('keeps a late acquisition of the same attempt from being sent again by its source', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    world.client(0).rules.latency = { least: 15, most: 15 };
    world.server(0).flushScripts();
    world.holdElsewhere('lock:r', 10_000, world.servers.slice(1));
    // Lost at once by the two fast nodes, before the slow one could say that it does not know the script.
    await expect(world.clock.runUntil(redlock.tryAcquire('r'))).resolves.toBeNull();
    await world.clock.advance(500);
    expect(world.server(0).store.get('lock:r')).toBeUndefined();
  });
});

describe('an account that is idle', () => {
  it('has nothing put off, and nothing that waits for a confirmation', () => {
    const { retries } = account();
    const seen = [retries.isIdle];
    const then = (step: () => unknown) => {
      step();
      seen.push(retries.isIdle);
    };
    then(() => retries.failed(release('v'), 'lost'));
    then(() => retries.confirmed(release('v')));
    then(() => retries.putOff(leave));
    then(() => retries.sendPutOff());
    expect(seen).toEqual([true, false, true, false, true]);
    seen.length = 0;
    then(() => retries.failed(release('v'), 'lost'));
    then(() => retries.putOff(leave));
    then(() => retries.sendPutOff());
    then(() => retries.putOff(leave));
    then(() => retries.confirmed(release('v')));
    then(() => retries.sendPutOff());
    expect(seen).toEqual([false, false, false, false, false, true]);
  });

  it('is one that is closed, whatever it had', () => {
    const { clock, retries } = account();
    retries.close();
    expect(retries.isIdle).toBe(true);
    retries.failed(release('v'), 'refused');
    retries.putOff(leave);
    retries.close();
    expect(retries.isIdle).toBe(true);
    expect(clock.pendingTimers).toBe(0);
  });
});

it('releases and ends of waits of whatever names are told apart', () => {
  const { posted, retries } = account();
  const owed = [release('m'), leave, { ...leave, member: 'n' }, release('n')];
  for (const each of owed) retries.failed(each, 'lost');
  retries.confirmed(release('m'));
  retries.askAgain();
  expect(posted).toEqual(['m', 'n', 'n']);
});
