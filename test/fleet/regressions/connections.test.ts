import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Fleet, type FleetNode } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import { ClosedError, NoQuorumError, Redlock } from '../../../src/index.ts';
import { BRISK, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { expectHeldOnAll } from '../../support/lock-keys.ts';

/** Short, so that a quarantine ends within a test. */
const BRIEF = { ...PATIENT, nodeTimeout: 500, ttl: 800, maxTtl: 1_000 };

const SAFE = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false };

/** The open connections of this name, as `<node> <id>`. */
async function namedAt(fleet: Fleet, name: string): Promise<readonly string[]> {
  const lists = await Promise.all(fleet.nodes.map((node) => idsAt(node, name)));
  return lists.flat();
}

async function idsAt(node: FleetNode, name: string): Promise<readonly string[]> {
  const list = String(await node.command('CLIENT', 'LIST'));
  return list
    .split('\n')
    .filter((line) => line.includes(` name=${name} `))
    .map((line) => `${node.port} ${line.split(' ', 1)}`);
}

async function canLock(redlock: Redlock): Promise<boolean> {
  try {
    await (await redlock.acquire('wanted', { waitTime: 0 })).release();
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(NoQuorumError);
    return false;
  }
}

describe('a database that can not be selected', () => {
  it('is not replaced by database 0', async () => {
    await using fleet = await Fleet.start(1);
    await using redlock = new Redlock([`${fleet.urls[0]}/99`]);
    const error = await redlock.tryAcquire('wanted').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NoQuorumError);
    expect(String(error)).toContain('database could not be selected');
    expect(await fleet.nodes[0]?.command('DBSIZE')).toBe(0);
  });

  it('nor is it by a client that was handed in', async () => {
    await using fleet = await Fleet.start(1);
    const [node] = fleet.nodes;
    const client = new Redis({ port: node?.port ?? 0, db: 99 });
    client.on('error', () => {
      // The owner of a client hears of its errors; this one expects them.
    });
    await using redlock = new Redlock([client], { onWarning: () => {} });
    expect(await canLock(redlock)).toBe(false);
    expect(await node?.command('DBSIZE')).toBe(0);
    client.disconnect();
  });

  it.each([
    ['redis://127.0.0.1/abc', /path of nodes\[0\]/],
    ['redis://:100%@127.0.0.1', /percent-encoded/],
    ['redis://127.0.0.1?enableOfflineQueue=true', /must not set enableOfflineQueue/],
    ['http://127.0.0.1', /redis:\/\//],
  ])('and a URL that is wrong is refused before anything is connected to: %s', (url, message) => {
    expect(() => new Redlock([url])).toThrow(TypeError);
    expect(() => new Redlock([url])).toThrow(message);
  });
});

describe('connections that die silently', () => {
  it('are replaced, and those on which there is nothing to be heard are not', async () => {
    await using fleet = await startDeployment(3);
    const proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    onTestFinished(async () => void (await Promise.all(proxies.map((proxy) => proxy.stop()))));
    // A listener of its own, which every connection with RESP2 needs, takes the options over.
    const listening = fleet.urls.map((url) => new Redis5(url, { ...SAFE, socketTimeout: 10_000 }));
    onTestFinished(() => {
      for (const client of listening) client.disconnect();
    });
    await using idle = new Redlock(fleet.urls, PATIENT);
    await using waiting = new Redlock(listening, PATIENT);
    await using redlock = new Redlock(
      proxies.map(({ url }) => url),
      BRISK,
    );
    const held = await idle.acquire('held', { ttl: 30_000 });
    await expectHeldOnAll(fleet, held);
    const next = waiting.acquire('held', { waitTime: Number.POSITIVE_INFINITY });
    // Only if the test fails before it is served.
    next.catch(() => undefined);
    let listeners: readonly string[] = [];
    await eventually(
      () => `three listen: ${listeners.join(', ')}`,
      async () => {
        // On a busy machine it may take longer than the lock lives, and then the waiter has it and listens no more.
        if (held.remainingValidity() < 15_000) await held.extend();
        listeners = await namedAt(fleet, 'quorlock:wake');
        return listeners.length === 3;
      },
    );
    const quiet = [...(await namedAt(fleet, 'quorlock')), ...(await namedAt(fleet, 'quorlock:wake'))];
    await untilAllVote(redlock);

    for (const proxy of proxies) proxy.forget();
    expect(await canLock(redlock)).toBe(false);
    await eventually('locks are granted again', () => canLock(redlock));

    const now = [...(await namedAt(fleet, 'quorlock')), ...(await namedAt(fleet, 'quorlock:wake'))];
    expect(now).toEqual(expect.arrayContaining(quiet));
    await held.release();
    await (await next).release();
  });
});

describe('a server that accepts connections and never answers', () => {
  it('does not keep the others of a new deployment from starting, after their quarantine', async () => {
    await using fleet = await Fleet.start(3);
    fleet.nodes[0]?.pause();
    // Whether the third one may be new is open until its connection is given up.
    await using redlock = new Redlock(fleet.urls, { ...BRIEF, connectTimeout: 2_000 });
    await eventually('the other two vote', () => canLock(redlock));
  });
});

describe('a node that was refused', () => {
  it('gets another handshake, and votes once a program has declared the longer list', async () => {
    await using fleet = await Fleet.start(5);
    await using three = new Redlock(fleet.urls.slice(0, 3), BRIEF);
    await untilAllVote(three);
    await using five = new Redlock(fleet.urls, BRIEF);
    expect(await canLock(five)).toBe(false);
    await using operator = new Redlock(fleet.urls, BRIEF);
    await operator.initialize();
    await eventually('the refused program can lock', () => canLock(five));
  });
});

describe('close()', () => {
  it('ends an attempt that is under way with a ClosedError that names the resource', async () => {
    await using fleet = await Fleet.start(3);
    const redlock = new Redlock(fleet.urls, BRISK);
    await untilAllVote(redlock);
    for (const node of fleet.nodes) node.pause();
    const trying = redlock.tryAcquire('wanted').catch((error: unknown) => error);
    await redlock.close();
    expect(await trying).toBeInstanceOf(ClosedError);
    expect(await trying).toMatchObject({ resources: ['wanted'] });
  });

  it('leaves no listener on a client that was handed in', async () => {
    await using fleet = await Fleet.start(1);
    const client = new Redis(fleet.urls[0] ?? '');
    const listeners = () => client.eventNames().map((name) => client.listenerCount(name));
    const before = listeners();
    for (let i = 0; i < 20; i += 1) {
      const redlock = new Redlock([client], PATIENT);
      await (await redlock.acquire('wanted')).release();
      await redlock.close();
    }
    expect(listeners()).toEqual(before);
    client.disconnect();
  });
});
