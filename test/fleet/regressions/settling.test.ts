import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { scriptCalls, scriptCallsDuring } from '../../../scripts/fleet/server-calls.ts';
import { LockHeldError, NoQuorumError, Redlock } from '../../../src/index.ts';
import { BRISK, nodeAt, PATIENT, startDeployment } from '../../support/deployment.ts';
import { expectNoKeys, holdElsewhere, LONG_TTL_MS, letGoElsewhere } from '../../support/lock-keys.ts';

describe.each([2, 4])('over %i nodes, an even number', (nodeCount) => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(nodeCount);
  });
  afterAll(() => fleet.stop());

  const half = () => fleet.nodes.slice(0, nodeCount / 2);

  it('1. a tie settles, and leaves no partial lock', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await holdElsewhere(half(), 'lock:tied');

    expect(await redlock.tryAcquire('tied', { ttl: LONG_TTL_MS })).toBeNull();
    await expect(redlock.acquire('tied', { ttl: LONG_TTL_MS, waitTime: 1_000 })).rejects.toMatchObject({
      code: 'QUORLOCK_WAIT_TIMEOUT',
    });

    await letGoElsewhere(half(), 'lock:tied');
    await expectNoKeys(fleet, 'lock:tied');
    await using lock = await redlock.acquire('tied', { ttl: LONG_TTL_MS });
    lock.assertHeld();
  });

  it('1. ties of two live attempts settle, every time', async () => {
    await using one = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock([...fleet.urls].reverse(), PATIENT);

    for (let round = 1; round <= 50; round++) {
      const locks = await Promise.all([one.tryAcquire('split'), other.tryAcquire('split')]);
      expect(locks.filter((lock) => lock !== null).length).toBeLessThanOrEqual(1);
      for (const lock of locks) await lock?.release();
    }

    await expectNoKeys(fleet, 'lock:split');
  });

  it('17. half of the nodes are not enough', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await holdElsewhere(half(), 'lock:halved');

    await expect(redlock.acquire('halved', { ttl: LONG_TTL_MS, waitTime: 0 })).rejects.toThrow(LockHeldError);

    await letGoElsewhere(half(), 'lock:halved');
    await expectNoKeys(fleet, 'lock:halved');
  });
});

describe('over five nodes', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(5);
  });
  afterAll(() => fleet.stop());

  it('2. a retry is not blocked by the keys of the attempt before it', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const majority = fleet.nodes.slice(0, 3);
    const minority = fleet.nodes.slice(3);
    await holdElsewhere(majority, 'lock:retried');
    const attempts = async () => (await scriptCalls(nodeAt(fleet, 4))) - callsBefore;
    const callsBefore = await scriptCalls(nodeAt(fleet, 4));

    const waiting = redlock.acquire('retried', { ttl: LONG_TTL_MS, waitTime: Number.POSITIVE_INFINITY });
    await eventually('two attempts were granted on the minority', async () => (await attempts()) >= 4);
    // Were the keys of a lost attempt in the way of the next one, the two others could not be spared.
    await letGoElsewhere(majority.slice(2), 'lock:retried');

    await using lock = await waiting;
    lock.assertHeld();
    for (const node of [...majority.slice(2), ...minority]) {
      expect(await node.command('GET', 'lock:retried')).toBe(lock.value);
    }
    await letGoElsewhere(majority.slice(0, 2), 'lock:retried');
  });

  it('2. waiters are served with few commands each', async () => {
    await using one = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    const wanted = 32;
    const cycle = async (redlock: Redlock) => {
      await using _lock = await redlock.acquire('crowded', {
        ttl: LONG_TTL_MS,
        waitTime: Number.POSITIVE_INFINITY,
      });
    };

    const calls = await scriptCallsDuring(fleet, async () => {
      const cycles = Array.from({ length: wanted }, (_, index) => cycle(index % 2 === 0 ? one : other));
      await Promise.all(cycles);
    });

    // A livelock took thousands for each acquisition.
    for (const each of calls) expect(each / wanted).toBeLessThan(100);
    await expectNoKeys(fleet, 'lock:crowded');
  });

  it('17. a quorum below the majority cannot be asked for, and is not accepted', async () => {
    const options: object = { quorum: 1 };
    expect(() => new Redlock(fleet.urls, options)).toThrow(TypeError);
    expect(() => new Redlock(fleet.urls, options)).toThrow('there is no option "quorum"');
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const majority = fleet.nodes.slice(2);
    await holdElsewhere(majority, 'lock:outnumbered');

    await expect(redlock.acquire('outnumbered', { ttl: LONG_TTL_MS, waitTime: 0 })).rejects.toThrow(
      LockHeldError,
    );

    await letGoElsewhere(majority, 'lock:outnumbered');
    await expectNoKeys(fleet, 'lock:outnumbered');
  });
});

describe('without an answer from a majority', () => {
  it('9. nothing hangs: every call settles while the nodes still say nothing', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, BRISK);
    const lock = await redlock.acquire('held before', { ttl: LONG_TTL_MS });
    for (const node of fleet.nodes.slice(0, 3)) node.pause();

    await expect(redlock.acquire('unanswered', { waitTime: Number.POSITIVE_INFINITY })).rejects.toThrow(
      NoQuorumError,
    );
    await expect(redlock.tryAcquire('unanswered')).rejects.toThrow(NoQuorumError);
    await expect(redlock.using('unanswered', {}, () => 'never run')).rejects.toThrow(NoQuorumError);
    await expect(lock.extend()).rejects.toMatchObject({ code: 'QUORLOCK_EXTEND_FAILED' });
    expect(await redlock.inspect('held before')).toMatchObject({ state: 'unknown' });
    expect(await lock.release()).toMatchObject({ freed: false });

    expect(fleet.nodes.map(({ state }) => state)).toEqual(['paused', 'paused', 'paused', 'up', 'up']);
  });

  it('9. nothing hangs, nor does close, when no node answers the first connection', async () => {
    await using fleet = await startDeployment(3);
    for (const node of fleet.nodes) node.pause();
    const redlock = new Redlock(fleet.urls, { ...BRISK, connectTimeout: 500 });

    await expect(redlock.acquire('unanswered', { waitTime: Number.POSITIVE_INFINITY })).rejects.toThrow(
      NoQuorumError,
    );
    expect(await redlock.inspect('unanswered')).toMatchObject({ state: 'unknown' });
    await redlock.close();

    expect(fleet.nodes.map(({ state }) => state)).toEqual(['paused', 'paused', 'paused']);
  });
});
