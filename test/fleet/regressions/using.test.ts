import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { scriptCallsDuring, scriptCallsOfAll } from '../../../scripts/fleet/server-calls.ts';
import { SystemClock } from '../../../src/base/clock.ts';
import { type Lock, LockLostError, Redlock } from '../../../src/index.ts';
import { CountingClock } from '../../support/clocks.ts';
import { BRISK, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { expectNoKeys, LONG_TTL_MS, valuesOf } from '../../support/lock-keys.ts';

describe('over three nodes', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(3);
  });
  afterAll(() => fleet.stop());

  const resumeAll = () => {
    for (const node of fleet.nodes) node.resume();
  };

  describe('4. the signal aborts before the validity ends', () => {
    const ttl = 4_000;

    it('of a lock that was stolen', async () => {
      await using redlock = new Redlock(fleet.urls, BRISK);

      await redlock.using('stolen', { ttl }, async (lock) => {
        const order = orderOfEvents(lock);
        for (const node of fleet.nodes) await node.command('SET', 'lock:stolen', 'a thief', 'PX', 600_000);
        expect(await order).toEqual(['signal', 'end of validity']);
        expect(lock.signal.reason).toBeInstanceOf(LockLostError);
        expect(() => lock.assertHeld()).toThrow(LockLostError);
      });

      expect(await valuesOf(fleet, 'lock:stolen')).toEqual(['a thief', 'a thief', 'a thief']);
      for (const node of fleet.nodes) await node.command('DEL', 'lock:stolen');
    });

    it('of a lock that no majority answers for any more', async () => {
      await using redlock = new Redlock(fleet.urls, BRISK);

      const hanging = redlock.using('hung', { ttl }, async (lock) => {
        const order = orderOfEvents(lock);
        for (const node of fleet.nodes) node.pause();
        expect(await order).toEqual(['signal', 'end of validity']);
        expect(lock.signal.reason).toBeInstanceOf(LockLostError);
      });

      await hanging.finally(resumeAll);
      await expectNoKeys(fleet, 'lock:hung');
    });
  });

  it("5. the routine's own result or error is passed on when the release fails, without waiting for nodes", async () => {
    await using redlock = new Redlock(fleet.urls, BRISK);
    const problem = new Error("the routine's own");
    const pauseAll = () => {
      for (const node of fleet.nodes) node.pause();
    };

    const result = await redlock
      .using('result', { ttl: LONG_TTL_MS }, () => {
        pauseAll();
        return 'the result';
      })
      .finally(() => expect(fleet.nodes.map(({ state }) => state)).toEqual(['paused', 'paused', 'paused']));
    resumeAll();
    await untilAllVote(redlock);
    const failing = redlock
      .using('error', { ttl: LONG_TTL_MS }, () => {
        pauseAll();
        throw problem;
      })
      .finally(() => expect(fleet.nodes.map(({ state }) => state)).toEqual(['paused', 'paused', 'paused']));

    expect(result).toBe('the result');
    await expect(failing).rejects.toBe(problem);
    resumeAll();
    await expectNoKeys(fleet);
  });

  it('7. no timer is left when it ends during an extension', async () => {
    const clock = new CountingClock();
    const proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    try {
      await using redlock = new Redlock(
        proxies.map(({ url }) => url),
        { ...BRISK, clock },
      );
      await untilAllVote(redlock);
      await eventually('no timer is left', () => clock.pendingTimers === 0);

      await redlock.using('timed', { ttl: 6_000 }, async (lock) => {
        expect(lock.signal.aborted).toBe(false);
        const before = await scriptCallsOfAll(fleet);
        for (const proxy of proxies) proxy.cut('down');
        await eventually('an extension is under way', async () => {
          const now = await scriptCallsOfAll(fleet);
          return now.every((calls, index) => calls > (before[index] ?? 0));
        });
        expect(clock.pendingTimers).toBeGreaterThan(0);
      });

      // The nodes still say nothing: timers end by themselves, within the time that a node has to answer.
      await eventually('no timer is left', () => clock.pendingTimers === 0);
      await Promise.all(proxies.map((proxy) => proxy.heal()));
      await untilAllVote(redlock);
      await eventually('no timer is left', () => clock.pendingTimers === 0);
      await expectNoKeys(fleet, 'lock:timed');
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    }
  });

  it('7. nor is one left by an extension that comes through only after the end', async () => {
    const clock = new CountingClock();
    const proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    try {
      await using redlock = new Redlock(
        proxies.map(({ url }) => url),
        { ...PATIENT, nodeTimeout: 4_000, clock },
      );
      await untilAllVote(redlock);

      const running = redlock.using('timed', { ttl: 6_000 }, async () => {
        const before = await scriptCallsOfAll(fleet);
        for (const proxy of proxies) proxy.cut('down');
        await eventually('an extension is under way', async () => {
          const now = await scriptCallsOfAll(fleet);
          return now.every((calls, index) => calls > (before[index] ?? 0));
        });
        // The answers arrive once the routine has ended.
        setImmediate(() => {
          for (const proxy of proxies) void proxy.heal();
        });
      });

      await running;
      // A node that was late answers before this.
      await untilAllVote(redlock);
      await eventually('no timer is left', () => clock.pendingTimers === 0);
      await expectNoKeys(fleet, 'lock:timed');
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    }
  });
});

describe('8. neither a long ttl nor a short one makes a hot loop', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(3);
  });
  afterAll(() => fleet.stop());

  it.each([2 ** 31 - 1, 2 ** 31, 2 ** 32 + 5_000])('a ttl of %i ms', async (ttl) => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, maxTtl: 31_536_000_000 });
    await untilAllVote(redlock);

    const before = await scriptCallsOfAll(fleet);
    const callsSince = async () => {
      const now = await scriptCallsOfAll(fleet);
      return now.map((calls, index) => calls - (before[index] ?? 0));
    };
    await redlock.using('long', { ttl }, async (lock) => {
      expect(lock.signal.aborted).toBe(false);
      // A while for a hot loop to show itself; nothing is waited for.
      await sleep(500);
      expect(lock.signal.aborted).toBe(false);
    });

    // The acquisition and the release, which a majority has done before the last node.
    await eventually('all have done both', async () => (await callsSince()).every((calls) => calls >= 2));
    expect(await callsSince()).toEqual([2, 2, 2]);
  });

  it('a ttl that is as short as the time that is kept in reserve elsewhere', async () => {
    const ttl = 500;
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 400 });
    await untilAllVote(redlock);
    let extensions = 0;
    const startedAt = performance.now();

    const calls = await scriptCallsDuring(fleet, () =>
      redlock.using('short', { ttl }, async (lock) => {
        let validity = lock.remainingValidity();
        while (extensions < 4) {
          await sleep(5);
          const now = lock.remainingValidity();
          if (now > validity) extensions += 1;
          if (now === 0) break;
          validity = now;
        }
      }),
    );

    // Each extension lasts for half of the ttl, so however long this took there can't have been more of them.
    const most = Math.ceil((performance.now() - startedAt) / (ttl / 3)) + 3;
    for (const each of calls) expect(each).toBeLessThanOrEqual(most);
  });
});

/** Which comes first: the abort of the lock's signal, or the end of the validity that it has now. */
function orderOfEvents(lock: Lock): Promise<string[]> {
  const order: string[] = [];
  return new Promise((resolve) => {
    const note = (event: string) => {
      order.push(event);
      if (order.length === 2) resolve(order);
    };
    lock.signal.addEventListener('abort', () => note('signal'));
    new SystemClock().after(lock.remainingValidity(), () => note('end of validity'));
  });
}
