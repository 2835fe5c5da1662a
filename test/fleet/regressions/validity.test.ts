import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { LockExpiredError, LockLostError, Redlock } from '../../../src/index.ts';
import { fenceKeyOf } from '../../../src/quorum/fencing-token.ts';
import { stallProcess, WrongWallClock } from '../../support/clocks.ts';
import { PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { expectNoKeys, valuesOf } from '../../support/lock-keys.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

describe('3. a lock that has already expired is never returned', () => {
  const ttl = 1_500;
  const options = { ...PATIENT, nodeTimeout: 1_450 };

  it('when this process stalled for the ttl while the nodes granted it', async () => {
    await using redlock = new Redlock(fleet.urls, options);
    await (await redlock.acquire('stalled', { ttl })).release();

    const attempt = redlock.tryAcquire('stalled', { ttl });
    await letMicrotasksRun();
    stallProcess(ttl);

    await expect(attempt).rejects.toThrow(LockExpiredError);
    await expectNoKeys(fleet, 'lock:stalled');
  });

  it('when it was waited for: then the next attempt returns one that is valid', async () => {
    await using redlock = new Redlock(fleet.urls, options);
    await (await redlock.acquire('stalled again', { ttl })).release();

    const attempt = redlock.acquire('stalled again', { ttl, waitTime: Number.POSITIVE_INFINITY });
    await letMicrotasksRun();
    stallProcess(ttl);

    await using lock = await attempt;
    expect(lock.remainingValidity()).toBeGreaterThan(0);
    expect(await valuesOf(fleet, 'lock:stalled again')).toContain(lock.value);
  });

  it('and time spent waiting for another holder is not taken off, nor is it given on top', async () => {
    await using redlock = new Redlock(fleet.urls, options);
    // Another holder, for longer than our ttl.
    for (const node of fleet.nodes)
      await node.command('SET', 'lock:waited', 'another holder', 'PX', ttl + 500);

    await using lock = await redlock.acquire('waited', { ttl, waitTime: Number.POSITIVE_INFINITY });

    const validity = lock.remainingValidity();
    const remaining = await Promise.all(fleet.nodes.map((node) => node.command('PTTL', 'lock:waited')));
    expect(validity).toBeGreaterThan(0);
    expect(validity).toBeLessThan(ttl);
    expect(remaining.filter((each) => Number(each) > 0).length).toBeGreaterThanOrEqual(2);
  });

  describe('over slow nodes', () => {
    let proxies: TcpProxy[];
    beforeEach(async () => {
      proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    });
    afterEach(() => Promise.all(proxies.map((proxy) => proxy.stop())));

    it('that take as long as the ttl for the two round trips of an acquisition', async () => {
      await using redlock = new Redlock(
        proxies.map(({ url }) => url),
        options,
      );
      await (await redlock.acquire('slow', { ttl })).release();
      // Counters that differ, and are ahead of every proposal, need a second round trip.
      const now = Date.now() * 1_000;
      for (const [index, node] of fleet.nodes.entries()) {
        await node.command('SET', fenceKeyOf('lock:slow'), now + (index + 1) * 60_000_000, 'PX', 600_000);
      }
      for (const proxy of proxies) proxy.setDelayMs(500, 500);
      // From now on they have the time for that.
      await untilAllVote(redlock);

      await expect(redlock.tryAcquire('slow', { ttl })).rejects.toThrow(LockExpiredError);

      await expectNoKeys(fleet, 'lock:slow');
    });
  });
});

describe('10. a wall clock that is set wrong never makes a lock valid for longer', () => {
  const ttl = 2_500;

  it('steps back by a minute: the lock is lost when its keys have gone', async () => {
    const clock = new WrongWallClock();
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_000, clock });
    await using lock = await redlock.acquire('stepped back', { ttl });
    const { signal } = lock;
    const before = lock.remainingValidity();

    clock.offsetMs = -60_000;

    // A wall clock counts whole milliseconds; what it had taken off by rounding may come back.
    expect(lock.remainingValidity()).toBeLessThan(before + 1);
    expect(signal.aborted).toBe(false);
    await expectNoKeys(fleet, 'lock:stepped back');
    expect(lock.remainingValidity()).toBe(0);
    expect(signal.aborted).toBe(true);
    expect(signal.reason).toBeInstanceOf(LockLostError);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
  });

  it('steps back by a minute between acquisition and extension: no minute is won', async () => {
    const clock = new WrongWallClock();
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_000, clock });
    await using lock = await redlock.acquire('extended', { ttl });

    clock.offsetMs = -60_000;
    await lock.extend();
    clock.offsetMs = -120_000;

    expect(lock.remainingValidity()).toBeLessThan(ttl);
    await expectNoKeys(fleet, 'lock:extended');
    expect(lock.remainingValidity()).toBe(0);
  });

  it('steps forward by hours: the lock counts as lost at once, though its keys are there', async () => {
    const clock = new WrongWallClock();
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_000, clock });
    await using lock = await redlock.acquire('stepped forward', { ttl: 30_000 });
    const { signal } = lock;
    expect(signal.aborted).toBe(false);

    clock.offsetMs = 3 * 3_600_000;

    expect(lock.remainingValidity()).toBe(0);
    expect(signal.aborted).toBe(true);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
    expect(await valuesOf(fleet, 'lock:stepped forward')).toContain(lock.value);
    await lock.release();
    await expectNoKeys(fleet, 'lock:stepped forward');
  });
});

/** Lets what is only waiting for microtasks go on, up to its first real input or output. */
async function letMicrotasksRun(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}
