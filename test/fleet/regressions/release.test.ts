import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { scriptCalls, scriptCallsDuring } from '../../../scripts/fleet/server-calls.ts';
import { NoQuorumError, Redlock } from '../../../src/index.ts';
import { BRISK, nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { expectHeldOnAll, expectNoKeys, LONG_TTL_MS, valuesOf } from '../../support/lock-keys.ts';

let fleet: Fleet;
let proxies: TcpProxy[];

beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

beforeEach(async () => {
  proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
});
afterEach(async () => {
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

const proxyUrls = () => proxies.map(({ url }) => url);

function proxyAt(index: number): TcpProxy {
  const proxy = proxies[index];
  if (proxy === undefined) throw new Error(`there is no proxy ${index}`);
  return proxy;
}

describe('6. releasing an expired lock', () => {
  it('does not throw, and asks every node just once', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_900 });
    await untilAllVote(redlock);
    const lock = await redlock.acquire('expired', { ttl: 3_000 });
    // An answer to this comes after that to the acquisition.
    await redlock.inspect('expired');
    await expectNoKeys(fleet, 'lock:expired');
    await eventually('the lock is lost', () => lock.remainingValidity() === 0);

    const calls = await scriptCallsDuring(fleet, async () => {
      const report = await lock.release();
      expect(report.freed).toBe(true);
      expect(report.votes.map(({ outcome }) => outcome)).toContain('missing');
      expect(await lock.release()).toBe(report);
      // Closed: the last node has been asked as well.
      await redlock.close();
    });

    expect(calls).toEqual([1, 1, 1]);
  });

  it('does not throw, and gives up nothing, when another client holds it by now', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 2_900 });
    const expired = await redlock.acquire('taken over', { ttl: 3_000 });
    await expectNoKeys(fleet, 'lock:taken over');
    await using present = await redlock.acquire('taken over', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, present);

    const report = await expired.release();

    expect(report.freed).toBe(true);
    expect(await valuesOf(fleet, 'lock:taken over')).toEqual([present.value, present.value, present.value]);
    present.assertHeld();
  });

  it('does not throw, and settles, while all nodes are hung', async () => {
    await using redlock = new Redlock(fleet.urls, { ...BRISK, nodeTimeout: 400 });
    const lock = await redlock.acquire('expired while hung', { ttl: 500 });
    for (const node of fleet.nodes) node.pause();
    try {
      await eventually('the lock is lost', () => lock.remainingValidity() === 0);
      expect(await lock.release()).toMatchObject({ freed: false });
    } finally {
      for (const node of fleet.nodes) node.resume();
    }
  });
});

describe('16. a node that timed out is cleaned up', () => {
  it('though it cannot answer: nothing is left of a lost attempt', async () => {
    await using redlock = new Redlock(proxyUrls(), BRISK);
    await untilAllVote(redlock);
    const granted = await scriptCalls(nodeAt(fleet, 0));
    for (const index of [0, 1]) proxyAt(index).cut('down');

    await expect(redlock.acquire('unheard', { ttl: LONG_TTL_MS })).rejects.toThrow(NoQuorumError);

    await eventually('acquire and release have run', async () => {
      return (await scriptCalls(nodeAt(fleet, 0))) >= granted + 2;
    });
    await expectNoKeys(fleet, 'lock:unheard');
  });

  it('though it cannot answer: nothing is left of a lock that was granted by the others', async () => {
    // The release comes before the node counts as silent.
    await using redlock = new Redlock(proxyUrls(), PATIENT);
    await untilAllVote(redlock);
    proxyAt(0).cut('down');

    const lock = await redlock.acquire('half heard', { ttl: LONG_TTL_MS });
    await eventually('the unheard node has granted it too', async () => {
      return (await nodeAt(fleet, 0).command('GET', 'lock:half heard')) === lock.value;
    });
    await lock.release();

    await expectNoKeys(fleet, 'lock:half heard');
  });

  it('once requests reach it again', async () => {
    await using redlock = new Redlock(proxyUrls(), PATIENT);
    await untilAllVote(redlock);
    const before = await scriptCalls(nodeAt(fleet, 0));
    proxyAt(0).cut('both');

    const lock = await redlock.acquire('delayed', { ttl: LONG_TTL_MS });
    const { votes } = await lock.release();
    expect(votes.find(({ node }) => node.endsWith(`:${proxyAt(0).port}`))?.outcome).toMatch(
      /^(failed|pending)$/,
    );
    await proxyAt(0).heal();

    await eventually('acquire and release have arrived', async () => {
      return (await scriptCalls(nodeAt(fleet, 0))) >= before + 2;
    });
    await expectNoKeys(fleet, 'lock:delayed');
  });

  it('when the connection breaks after it granted and before it answered', async () => {
    await using redlock = new Redlock(proxyUrls(), PATIENT);
    await untilAllVote(redlock);

    const sprung = proxyAt(0).resetAfterNextBytes('up');
    const lock = await redlock.acquire('broken', { ttl: LONG_TTL_MS });
    expect(await sprung).toBe(true);
    await eventually('the node has granted it', async () => {
      return (await nodeAt(fleet, 0).command('GET', 'lock:broken')) === lock.value;
    });
    await lock.release();

    await expectNoKeys(fleet, 'lock:broken');
  });

  it('when it could not be reached at the time of the release', async () => {
    await using redlock = new Redlock(proxyUrls(), PATIENT);
    const lock = await redlock.acquire('unreachable', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    await proxyAt(0).refuse(true);
    proxyAt(0).resetAll();

    const report = await lock.release();
    expect(report.freed).toBe(true);
    expect(await nodeAt(fleet, 0).command('GET', 'lock:unreachable')).toBe(lock.value);
    await proxyAt(0).refuse(false);

    await expectNoKeys(fleet, 'lock:unreachable');
  });

  it('when it was hung just after a new connection, at the time of the release', async () => {
    const clients = proxies.map(
      ({ port }) =>
        new Redis(port, '127.0.0.1', {
          enableOfflineQueue: false,
          autoResendUnfulfilledCommands: false,
          retryStrategy: () => 20,
        }),
    );
    for (const client of clients) client.on('error', () => undefined);
    try {
      await using redlock = new Redlock(clients, PATIENT);
      const lock = await redlock.acquire('greeted', { ttl: LONG_TTL_MS });
      await expectHeldOnAll(fleet, lock);
      const reconnected = new Promise<void>((resolve) => {
        clients[0]?.once('ready', () => {
          proxyAt(0).cut('both');
          resolve();
        });
      });
      proxyAt(0).resetAll();
      await reconnected;

      await lock.release();
      await proxyAt(0).heal();

      await expectNoKeys(fleet, 'lock:greeted');
    } finally {
      for (const client of clients) client.disconnect();
    }
  });
});

describe('a release that a node refused', () => {
  it('is done when the node takes it, though the process asks for nothing else', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await untilAllVote(redlock);
    const locks = [
      await redlock.acquire('refused', { ttl: LONG_TTL_MS }),
      await redlock.readWrite('refused share').acquireRead({ ttl: LONG_TTL_MS }),
    ];
    const requireReplicas = (count: number) =>
      Promise.all(fleet.nodes.map((node) => node.command('CONFIG', 'SET', 'min-replicas-to-write', count)));
    await requireReplicas(1);
    try {
      for (const lock of locks) {
        const { freed, votes } = await lock.release();
        expect(freed).toBe(false);
        expect(
          votes.filter((vote) => vote.outcome === 'failed' && vote.reason === 'error').length,
        ).toBeGreaterThan(1);
      }
      // It goes on until the keys must have expired, and no other call makes it do so.
      const before = await scriptCalls(nodeAt(fleet, 0));
      await eventually('it is asked again', async () => (await scriptCalls(nodeAt(fleet, 0))) > before + 4);
    } finally {
      await requireReplicas(0);
    }
    await expectNoKeys(fleet, 'lock:refused');
    await expectNoKeys(fleet, 'lock:refused share');
  });
});
