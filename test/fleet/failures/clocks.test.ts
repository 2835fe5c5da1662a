import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { LockLostError, NoQuorumError, Redlock, type RedlockWarning } from '../../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { expectNoKeys } from '../../support/lock-keys.ts';

const MINUTE_MS = 60_000;

let fleet: Fleet;

async function setClocks(offsetMs: number, rate = 1): Promise<void> {
  await Promise.all(fleet.nodes.map((node) => node.setWallClock({ offsetMs, rate })));
}

/** A Redlock that knows all nodes, and what it warns of. */
async function acquainted() {
  const warnings: RedlockWarning[] = [];
  const redlock = new Redlock(fleet.urls, { ...PATIENT, onWarning: (warning) => warnings.push(warning) });
  for (let times = 0; times < 2; times += 1) await untilAllVote(redlock);
  return { redlock, warnings };
}

describe.skipIf(process.platform !== 'linux')('the clocks of all nodes', () => {
  beforeEach(async () => {
    fleet = await startDeployment(3, { wallClock: true });
  });
  afterEach(() => fleet.stop());

  it('leap ahead together: the lock is lost as soon as they have answered, and this process lets no caller in', async () => {
    const { redlock, warnings } = await acquainted();
    await using _open = redlock;
    const lock = await redlock.acquire('orders', { ttl: 30_000 });
    const aborted = new Promise((resolve) => {
      lock.signal.addEventListener('abort', () => resolve(lock.signal.reason));
    });

    await setClocks(MINUTE_MS);
    await using stranger = new Redlock(fleet.urls, PATIENT);
    await using theirs = await stranger.acquire('orders', { ttl: 30_000 });
    expect(theirs.token).toBeGreaterThan(lock.token);
    await expect(redlock.acquire('another', { waitTime: 0 })).rejects.toThrow(NoQuorumError);

    await eventually('a majority has answered', async () => lock.remainingValidity() === 0);
    expect(await aborted).toBeInstanceOf(LockLostError);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    await expect(lock.extend()).rejects.toThrow(LockLostError);
    await expect(redlock.acquire('orders', { waitTime: 0 })).rejects.toThrow();
    theirs.assertHeld();
    expect(new Set(warnings.map(({ code }) => code))).toEqual(new Set(['QUORLOCK_CLOCK']));
    expect(warnings[0]?.message).toMatch(/is \d+ ms ahead of .*this host was stopped for as long$/);
  });

  it('step back together: locks are held and had as before', async () => {
    const { redlock, warnings } = await acquainted();
    await using _open = redlock;
    await using lock = await redlock.acquire('orders', { ttl: 30_000 });

    await setClocks(-MINUTE_MS);

    for (const name of ['a', 'b', 'c']) await (await redlock.acquire(name, { waitTime: 0 })).release();
    expect((await lock.extend()).remainingValidity()).toBeGreaterThan(0);
    lock.assertHeld();
    await using stranger = new Redlock(fleet.urls, PATIENT);
    expect(await stranger.tryAcquire('orders')).toBeNull();
    await lock.release();
    await using next = await stranger.acquire('orders');
    expect(next.token).toBeGreaterThan(lock.token);
    expect(warnings.length).toBeGreaterThanOrEqual(2);
    for (const { message } of warnings) expect(message).toContain('it goes on voting');
    await expectNoKeys(fleet, 'lock:a');
  });

  it('of which one steps back leave all three voting', async () => {
    const { redlock } = await acquainted();
    await using _open = redlock;
    await nodeAt(fleet, 0).setWallClock({ offsetMs: -MINUTE_MS, rate: 1 });
    await (await redlock.acquire('orders')).release();
    nodeAt(fleet, 1).pause();
    await using lock = await redlock.acquire('orders', { waitTime: 0 });
    lock.assertHeld();
    nodeAt(fleet, 1).resume();
  });

  it('that are slewed by 5 % are told of again as long as that lasts, with driftFactor', async () => {
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(fleet.urls, {
      ...PATIENT,
      maxTtl: 5_000,
      nodeTimeout: 1_000,
      onWarning: (warning) => warnings.push(warning),
    });
    await untilAllVote(redlock);
    await setClocks(0, 1.05);
    await eventually('each node is told of twice', async () => {
      await redlock.inspect('orders');
      await redlock.tryAcquire('orders').catch(() => null);
      return warnings.length >= 6;
    });
    for (const { message } of warnings) expect(message).toContain('driftFactor (0.01)');
  });

  it('that differ from ours by what driftFactor allows take nothing off', async () => {
    const { redlock, warnings } = await acquainted();
    await using _open = redlock;
    await setClocks(0, 1.008);
    await using lock = await redlock.acquire('orders', { ttl: 30_000 });
    const since = performance.now();
    for (let asked = 0; asked < 500; asked += 1) await (await redlock.acquire('a')).release();
    expect(lock.remainingValidity()).toBeGreaterThan(30_000 - 302 - (performance.now() - since) - 1_000);
    expect(warnings).toEqual([]);
  });
});
