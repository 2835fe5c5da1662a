import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Fleet, FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { Redlock, type RedlockWarning } from '../../src/index.ts';
import { PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import { expectHeldOnAll, expectNoKeys, LONG_TTL_MS } from '../support/lock-keys.ts';

/** The defaults of the library, but for its warnings: a busy machine is slow, too. */
const QUIET = { onWarning: () => undefined } as const;

/** Three of five. */
const mostOf = ({ nodes }: Fleet): readonly FleetNode[] => nodes.slice(0, 3);

describe('a majority that stands still for a moment', () => {
  it.each([100, 120, 250, 500])('(%i ms) costs one caller that time, and no error', async (stallMs) => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, QUIET);
    await (await redlock.acquire('before')).release();
    for (const node of mostOf(fleet)) node.pause();
    const acquiring = redlock.acquire('wanted');
    await sleep(stallMs);
    for (const node of mostOf(fleet)) node.resume();
    await using lock = await acquiring;
    lock.assertHeld();
  });

  it.each([120, 250, 500])('(%i ms) fails none of a thousand callers', async (stallMs) => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, QUIET);
    let served = 0;
    let isOver = false;
    const callers = Array.from({ length: 1_000 }, async (_, index) => {
      do {
        await redlock.using(`wanted ${index}`, { waitTime: 30_000 }, () => sleep(1));
        served += 1;
      } while (!isOver);
    });
    await eventually('they have begun', () => served > 100);
    for (const node of mostOf(fleet)) node.pause();
    await sleep(stallMs);
    for (const node of mostOf(fleet)) node.resume();
    const before = served;
    await eventually('they go on', () => served > before + 1_000);
    isOver = true;
    const outcomes = await Promise.allSettled(callers);
    const reasons = outcomes.flatMap((outcome) =>
      outcome.status === 'rejected' ? [String(outcome.reason)] : [],
    );
    expect(reasons).toEqual([]);
  });
});

describe('a node 80 ms away', () => {
  it('keeps no release waiting: it is given back to in the background', async () => {
    await using fleet = await startDeployment(3);
    await using proxy = await TcpProxy.start(fleet.nodes[2]?.port ?? 0);
    await using redlock = new Redlock([...fleet.urls.slice(0, 2), proxy.url], PATIENT);
    await untilAllVote(redlock);
    proxy.setDelayMs(40, 40);
    const lock = await redlock.acquire('wanted', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    // On a busy machine the near ones may take as long to answer.
    proxy.cut('both');
    const { freed, votes } = await lock.release();
    await proxy.heal();
    expect(freed).toBe(true);
    expect(votes.map(({ outcome }) => outcome)).toEqual(['granted', 'granted', 'pending']);
    await expectNoKeys(fleet);
  });
});

describe('nodes 80 ms away', () => {
  it.each([1, 2])('(%i of three) vote from the first call on, with the defaults', async (far) => {
    await using fleet = await startDeployment(3);
    const proxies = await Promise.all(fleet.nodes.slice(0, far).map(({ port }) => TcpProxy.start(port)));
    for (const proxy of proxies) proxy.setDelayMs(40, 40);
    const warnings: string[] = [];
    const urls = [...proxies.map(({ url }) => url), ...fleet.urls.slice(far)];
    await using redlock = new Redlock(urls, { onWarning: ({ code }) => warnings.push(code) });
    await untilAllVote(redlock);
    // The far ones are needed by now.
    if (far === 1) await fleet.nodes[2]?.kill();
    for (let index = 0; index < 10; index += 1) {
      await using lock = await redlock.acquire(`wanted ${index}`, { ttl: LONG_TTL_MS });
      lock.assertHeld();
    }
    expect(warnings).not.toContain('QUORLOCK_NODE_SLOW');
    await Promise.all(proxies.map((proxy) => proxy.stop()));
  });

  it('are warned of where nodeTimeout keeps them from voting', async () => {
    await using fleet = await startDeployment(3);
    await using proxy = await TcpProxy.start(fleet.nodes[0]?.port ?? 0);
    proxy.setDelayMs(40, 40);
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock([proxy.url, ...fleet.urls.slice(1)], {
      nodeTimeout: 50,
      onWarning: (warning) => warnings.push(warning),
    });
    await eventually('it is warned of', async () => {
      await redlock.inspect('anything');
      return warnings.some(
        ({ code, message }) =>
          code === 'QUORLOCK_NODE_SLOW' &&
          message.startsWith(`127.0.0.1:${proxy.port} is slow: it takes about`),
      );
    });
  });
});

describe('after a thaw, with all connections cut', () => {
  it('every call is served once the nodes are back', async () => {
    await using fleet = await startDeployment(3);
    const proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    await using redlock = new Redlock(
      proxies.map(({ url }) => url),
      QUIET,
    );
    await (await redlock.acquire('before')).release();
    for (const proxy of proxies) proxy.resetAll();
    const [first] = await Promise.allSettled([redlock.tryAcquire('too early')]);
    await eventually('the client has heard of it', async () => {
      const [next] = await Promise.allSettled([redlock.inspect('anything')]);
      return first?.status === 'rejected' || next?.status === 'fulfilled';
    });
    const calls = Array.from({ length: 20 }, (_, index) => redlock.using(`wanted ${index}`, () => index));
    expect(await Promise.all(calls)).toHaveLength(20);
    await Promise.all(proxies.map((proxy) => proxy.stop()));
  });
});
