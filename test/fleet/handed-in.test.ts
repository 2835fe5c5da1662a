import { join } from 'node:path';
import { Cluster, Command, Redis, type RedisOptions } from 'ioredis';
import { Cluster as Cluster5, Command as Command5, Redis as Redis5 } from 'ioredis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Fleet, type FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { type Lock, Redlock, type RedlockWarning } from '../../src/index.ts';
import { connectionsOf } from '../support/connections.ts';
import { expectLocksAfterRestart, nodeAt, PATIENT, startDeployment } from '../support/deployment.ts';
import { expectHeldOnAll, LONG_TTL_MS } from '../support/lock-keys.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3, { directives: ['--unixsocket', 'redis.sock'] });
});
afterAll(() => fleet.stop());

interface Endable {
  on(event: 'error', listener: () => void): unknown;
  disconnect(): void;
}

/** A client of the program's own, and gone with the test. */
function ofProgram<Client extends Endable>(client: Client): Client {
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

function clientsOf(options: object = {}, ofFleet = fleet): readonly Redis[] {
  return ofFleet.nodes.map(({ port }) => ofProgram(new Redis({ port, host: '127.0.0.1', ...options })));
}

let resources = 0;

function fresh(): string {
  resources += 1;
  return `resource ${resources}`;
}

/** How often commands of the name were called at a node since it started. */
async function callsOf(node: FleetNode, command: string): Promise<number> {
  const info = String(await node.command('INFO', 'commandstats'));
  return Number(new RegExp(`cmdstat_${command}:calls=(\\d+)`).exec(info)?.[1] ?? 0);
}

async function expectExclusion(redlock: Redlock, resource: string): Promise<Lock> {
  await using other = new Redlock(fleet.urls, PATIENT);
  const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
  // A node that has granted it to another client first does not have it back.
  await expectHeldOnAll(fleet, lock);
  expect(lock.token).toBeGreaterThan(1e15);
  expect(await other.tryAcquire(resource)).toBeNull();
  expect((await other.inspect(resource)).state).toBe('held');
  return lock;
}

describe('a client that is handed in is the program’s', () => {
  it('a transaction that it has begun has nothing of the lock in it, and tokens stay what they are', async () => {
    const clients = clientsOf();
    await Promise.all(clients.map((client) => client.ping()));
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(clients, {
      ...PATIENT,
      onWarning: (warning) => warnings.push(warning),
    });
    await (await redlock.acquire(fresh())).release();
    await Promise.all(clients.map((client) => client.multi({ pipeline: false })));
    await using first = await redlock.tryAcquire(fresh(), { ttl: LONG_TTL_MS });
    expect(first?.token).toBeGreaterThan(1e15);
    expect(await Promise.all(clients.map((client) => client.exec()))).toEqual([[], [], []]);
    await using second = await redlock.acquire(fresh(), { ttl: LONG_TTL_MS });
    expect(second.token).toBeGreaterThan(first?.token ?? Number.POSITIVE_INFINITY);
    expect(warnings).toEqual([]);
  });

  it.each(['before', 'after'])(
    'the database that it selects %s it is handed in is not that of the locks',
    async (when) => {
      const clients = clientsOf();
      const select = () => Promise.all(clients.map((client) => client.select(1)));
      if (when === 'before') await select();
      await using redlock = new Redlock(clients, PATIENT);
      await (await redlock.acquire(fresh())).release();
      if (when === 'after') await select();
      const resource = fresh();
      await using lock = await expectExclusion(redlock, resource);
      lock.assertHeld();
      // On a new connection as well.
      for (const node of fleet.nodes) {
        const list = String(await node.command('CLIENT', 'LIST'));
        const own = [...list.matchAll(/^id=(\d+) .* name=quorlock /gm)].map(([, id = '']) => id);
        expect(own.length).toBeGreaterThan(0);
        for (const id of own) await node.command('CLIENT', 'KILL', 'ID', id);
      }
      await eventually('it is extended', () =>
        lock.extend().then(
          () => true,
          () => false,
        ),
      );
      expect(await clients[0]?.exists(`lock:${resource}`)).toBe(0);
    },
  );

  it('it hears nothing, says nothing, and the library does not listen to it', async () => {
    const clients = clientsOf();
    await Promise.all(clients.map((client) => client.subscribe('orders')));
    const heard: unknown[] = [];
    for (const client of clients) client.on('message', (channel: string) => heard.push(channel));
    const listeners = () =>
      clients.map((client) => client.eventNames().map((name) => [name, client.listenerCount(name)]));
    const before = listeners();
    const said = clients.map((client) => vi.spyOn(client, 'sendCommand'));
    await using redlock = new Redlock(clients, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    const resource = fresh();
    const lock = await other.acquire(resource, { ttl: LONG_TTL_MS });
    const waiting = redlock.acquire(resource, { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await other.waiting(resource)).processes.length === 1);
    await lock.release();
    await (await waiting).release();
    await redlock.close();
    expect(heard).toEqual([]);
    expect(listeners()).toEqual(before);
    for (const commands of said) expect(commands).not.toHaveBeenCalled();
  });

  it('six Redlocks of one are no leak', async () => {
    const clients = clientsOf();
    const warnings: Error[] = [];
    const noted = (warning: Error) => warnings.push(warning);
    process.on('warning', noted);
    onTestFinished(() => void process.off('warning', noted));
    const redlocks = Array.from({ length: 12 }, () => new Redlock(clients, PATIENT));
    for (const redlock of redlocks) await (await redlock.acquire(fresh())).release();
    await Promise.all(redlocks.map((redlock) => redlock.close()));
    expect(warnings).toEqual([]);
  });

  it.each([
    ['ended before', 'before', (client: Redis) => client.disconnect()],
    ['quit before', 'before', (client: Redis) => client.quit()],
    ['ended after', 'after', (client: Redis) => client.disconnect()],
    ['quit after', 'after', (client: Redis) => client.quit()],
    [
      'used for blocking commands after',
      'after',
      (client: Redis) => void client.blpop('nothing', 0).catch(() => 0),
    ],
  ])('one that is %s it is handed in locks all the same', async (_, when, end) => {
    const clients = clientsOf();
    await Promise.all(clients.map((client) => client.ping()));
    if (when === 'before') for (const client of clients) await end(client);
    await using redlock = new Redlock(clients, PATIENT);
    await (await redlock.acquire(fresh())).release();
    if (when === 'after') for (const client of clients) await end(client);
    await using lock = await expectExclusion(redlock, fresh());
    await lock.extend();
  });

  it('one that monitors, and one that listens only, lock', async () => {
    const [first = ofProgram(new Redis()), second = first, third = first] = clientsOf();
    const monitoring = ofProgram(await first.monitor());
    const listening = ofProgram(new Redis5(nodeAt(fleet, 1).port, '127.0.0.1'));
    await listening.subscribe('orders');
    await using redlock = new Redlock([monitoring, listening, third], PATIENT);
    await using lock = await expectExclusion(redlock, fresh());
    lock.assertHeld();
    expect(second.status).toBe('ready');
  });
});

describe('options of a client that is handed in', () => {
  it.each([
    ['keyPrefix', { keyPrefix: 'app:' }],
    ['stringNumbers', { stringNumbers: true }],
    ['commandTimeout', { commandTimeout: 1 }],
    ['blockingTimeout', { blockingTimeout: 1 }],
    ['enableAutoPipelining', { enableAutoPipelining: true }],
    ['showFriendlyErrorStack', { showFriendlyErrorStack: true }],
    ['lazyConnect', { lazyConnect: true }],
    ['monitor', { monitor: true, lazyConnect: true }],
    ['readOnly', { readOnly: true }],
    ['protocol', { protocol: 2 }],
    ['replyMapping', { replyMapping: 'resp3' }],
    ['enableReadyCheck', { enableReadyCheck: false }],
    ['connectionName', { connectionName: 'billing' }],
    ['retryStrategy', { retryStrategy: null }],
    ['reconnectOnError', { reconnectOnError: () => 2 }],
    ['maxRetriesPerRequest', { maxRetriesPerRequest: null }],
    ['scripts', { scripts: { evalsha: { lua: 'return 1', numberOfKeys: 0 } } }],
    ['enableOfflineQueue', { enableOfflineQueue: true, autoResendUnfulfilledCommands: true }],
    ['db', { db: 0 }],
  ])('%s changes nothing about locks, and nothing is warned of', async (_, options) => {
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(clientsOf(options), {
      ...PATIENT,
      onWarning: (warning) => warnings.push(warning),
    });
    await using lock = await expectExclusion(redlock, fresh());
    lock.assertHeld();
    expect(warnings).toEqual([]);
  });

  it('retryStrategy: null keeps the library from nothing: it connects again', async () => {
    await using own = await startDeployment(1);
    const clients = clientsOf({ retryStrategy: null }, own);
    await using redlock = new Redlock(clients, { ...PATIENT, quarantine: 'off' });
    await expectLocksAfterRestart(own, redlock);
  });

  it('a path leads there', async () => {
    const paths = fleet.nodes.map(({ index }) =>
      ofProgram(new Redis(join(fleet.directory, `node-${index}`, 'redis.sock'))),
    );
    await using redlock = new Redlock(paths, PATIENT);
    await using lock = await expectExclusion(redlock, fresh());
    lock.assertHeld();
  });

  it('db is the database of the locks', async () => {
    const witness = ofProgram(new Redis(nodeAt(fleet, 0).port, '127.0.0.1', { db: 5 }));
    const clients = clientsOf({ db: 5 });
    await using redlock = new Redlock(clients, PATIENT);
    const resource = fresh();
    await Promise.all(clients.map((client) => client.select(6)));
    await using lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    await eventually('it is there', async () => {
      await lock.extend();
      return (await witness.get(`lock:${resource}`)) === lock.value;
    });
  });
});

describe('what a program does to the driver', () => {
  it.each([
    ['6', Command, (port: number) => new Redis({ port, host: '127.0.0.1', lazyConnect: true })],
    ['5', Command5, (port: number) => new Redis5({ port, host: '127.0.0.1', lazyConnect: true })],
  ])(
    'transformers of EVAL and EVALSHA change nothing about locks, with ioredis %s',
    async (_, Class, make) => {
      let isUsed = false;
      onTestFinished(() => {
        isUsed = false;
      });
      for (const name of ['eval', 'evalsha']) {
        Class.setReplyTransformer(name, (reply) => (isUsed ? { reply } : reply));
        Class.setArgumentTransformer(name, (args) => (isUsed ? ['another', ...args] : args));
      }
      isUsed = true;
      for (const node of fleet.nodes) await node.command('SCRIPT', 'FLUSH');
      await using redlock = new Redlock(
        fleet.nodes.map(({ port }) => ofProgram(make(port))),
        PATIENT,
      );
      await using lock = await expectExclusion(redlock, fresh());
      await lock.extend();
    },
  );

  class Own extends Redis {
    override evalsha(): Promise<string> {
      return Promise.resolve('its own');
    }

    override eval(): Promise<string> {
      return Promise.resolve('its own');
    }

    override duplicate(options?: RedisOptions): Redis {
      return Object.setPrototypeOf(super.duplicate(options), Own.prototype);
    }
  }

  it('a class of its own that has other methods, and makes more of its kind, locks', async () => {
    const clients = fleet.nodes.map(({ port }) =>
      ofProgram(new Own({ port, host: '127.0.0.1', lazyConnect: true })),
    );
    await using redlock = new Redlock(clients, PATIENT);
    await using lock = await expectExclusion(redlock, fresh());
    await lock.extend();
  });

  it.each(['master', 'slave'] as const)('sentinels are asked for the master, be the role %s', (role) => {
    const sentinels = [{ host: '127.0.0.1', port: nodeAt(fleet, 0).port }];
    const client = ofProgram(new Redis({ sentinels, name: 'main', role, lazyConnect: true }));
    const duplicate = vi.spyOn(client, 'duplicate');
    const redlock = new Redlock([client], PATIENT);
    onTestFinished(() => redlock.close());
    expect(duplicate.mock.results[0]?.value).toMatchObject({ options: { role: 'master' } });
  });
});

describe('the connections of a Redlock', () => {
  it('are one a node where RESP3 is spoken, whatever the client speaks, and go with close()', async () => {
    await using own = await startDeployment(3);
    const redlock = new Redlock(clientsOf({ lazyConnect: true, protocol: 2 }, own), PATIENT);
    await using other = new Redlock(own.urls, PATIENT);
    const lock = await other.acquire('held', { ttl: LONG_TTL_MS });
    const waiting = redlock.acquire('held', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await other.waiting('held')).processes.length === 1);
    for (const node of own.nodes) {
      await eventually('both are connected, and have one connection each', async () => {
        return (await connectionsOf(node)).join() === 'quorlock,quorlock';
      });
    }
    await lock.release();
    await (await waiting).release();
    await redlock.close();
    await other.close();
    for (const node of own.nodes) {
      await eventually('they are gone', async () => (await connectionsOf(node)).length === 0);
    }
  });

  it('are two a node with ioredis 5, once a caller waits', async () => {
    await using own = await startDeployment(1);
    const client = ofProgram(new Redis5(nodeAt(own, 0).port, '127.0.0.1', { lazyConnect: true }));
    const redlock = new Redlock([client], PATIENT);
    await using other = new Redlock(
      [ofProgram(new Redis5(own.urls[0] ?? '', { lazyConnect: true }))],
      PATIENT,
    );
    const lock = await other.acquire('held', { ttl: LONG_TTL_MS });
    const waiting = redlock.acquire('held', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it listens', async () =>
      (await connectionsOf(nodeAt(own, 0))).includes('quorlock:wake'),
    );
    expect([...(await connectionsOf(nodeAt(own, 0)))].sort()).toEqual([
      'quorlock',
      'quorlock',
      'quorlock:wake',
    ]);
    await lock.release();
    await (await waiting).release();
    await redlock.close();
    await other.close();
    await eventually('they are gone', async () => (await connectionsOf(nodeAt(own, 0))).length === 0);
  });

  it('speak RESP2 where HELLO is forbidden', async () => {
    await using own = await startDeployment(1);
    await nodeAt(own, 0).command('ACL', 'SETUSER', 'locks', 'on', '>secret', '~*', '&*', '+@all', '-hello');
    await nodeAt(own, 0).command('ACL', 'SETUSER', 'default', '-hello');
    const client = ofProgram(
      new Redis(nodeAt(own, 0).port, '127.0.0.1', {
        username: 'locks',
        password: 'secret',
        protocol: 2,
        lazyConnect: true,
      }),
    );
    await using redlock = new Redlock([client], PATIENT);
    await (await redlock.acquire('wanted')).release();
  });
});

describe('a client that can not be duplicated', () => {
  const REFUSAL = /^nodes\[1\] could not be duplicated/;
  const port = () => nodeAt(fleet, 1).port;

  it.each([
    ['has no duplicate()', () => undefined],
    [
      'throws',
      () => {
        throw new Error('not today');
      },
    ],
    ['gives nothing', () => () => undefined],
    ['gives a promise', () => async () => new Redis({ lazyConnect: true })],
    ['gives itself', (client: Redis) => () => client],
    ['leaves its options out', (client: Redis) => () => Redis.prototype.duplicate.call(client)],
  ])('because it %s is refused at once, and nothing is left open', async (what, make) => {
    await using own = await startDeployment(3);
    const client = ofProgram(new Redis(port(), '127.0.0.1', { lazyConnect: true }));
    const duplicate = what === 'throws' ? make : make(client);
    Object.defineProperty(client, 'duplicate', { value: duplicate });
    const [url = '', , last = ''] = own.urls;
    await eventually(
      'no client is connected',
      async () => (await connectionsOf(nodeAt(own, 0))).length === 0,
    );
    const before = await callsOf(nodeAt(own, 0), 'hello');
    const made = () => new Redlock([url, client, ofProgram(new Redis(last, { lazyConnect: true }))]);
    expect(made).toThrow(TypeError);
    expect(made).toThrow(REFUSAL);
    expect(client.status).toBe('wait');
    expect(await callsOf(nodeAt(own, 0), 'hello')).toBe(before);
    expect(await connectionsOf(nodeAt(own, 0))).toEqual([]);
  });
});

describe('a client whose duplicate() returns one that was there before', () => {
  const TAKEN = /duplicated, .*: its duplicate\(\) returned a client that was there before$/;

  it('is refused, and that one stays the program’s', async () => {
    const client = ofProgram(new Redis(nodeAt(fleet, 0).port, '127.0.0.1', { lazyConnect: true }));
    const another = ofProgram(new Redis(nodeAt(fleet, 0).port, '127.0.0.1'));
    await another.ping();
    Object.defineProperty(client, 'duplicate', { value: () => another, configurable: true });
    expect(() => new Redlock([client], PATIENT)).toThrow(TAKEN);
    expect(await another.ping()).toBe('PONG');
    const lazy = ofProgram(new Redis(nodeAt(fleet, 0).port, '127.0.0.1', { lazyConnect: true }));
    Object.defineProperty(client, 'duplicate', { value: () => lazy });
    expect(() => new Redlock([client], PATIENT)).toThrow(/duplicated/);
    expect(await lazy.ping()).toBe('PONG');
  });

  it('is refused where it is another node’s', async () => {
    const clients = clientsOf({ lazyConnect: true });
    let one: Redis | undefined;
    for (const client of clients) {
      const make = client.duplicate.bind(client);
      const value = (options: object) => {
        one ??= ofProgram(make(options));
        return one;
      };
      Object.defineProperty(client, 'duplicate', { value });
    }
    expect(() => new Redlock(clients, PATIENT)).toThrow(TAKEN);
    await eventually('it is ended', () => one?.status === 'end');
  });
});

describe('a Cluster that is handed in', () => {
  let cluster: Fleet;
  beforeAll(async () => {
    cluster = await Fleet.start(1, { cluster: true });
  });
  afterAll(() => cluster.stop());

  const SETTINGS = {
    keyPrefix: 'app:',
    enableAutoPipelining: true,
    scaleReads: 'slave' as const,
    clusterRetryStrategy: () => null,
    redisOptions: { stringNumbers: true, commandTimeout: 1_000, connectionName: 'billing' },
  };

  it.each([
    ['6', (port: number) => ofProgram(new Cluster([{ host: '127.0.0.1', port }], SETTINGS))],
    ['5', (port: number) => ofProgram(new Cluster5([{ host: '127.0.0.1', port }], SETTINGS))],
  ])('ioredis %s: it stays the program’s, whatever its options are', async (_, make) => {
    const node = nodeAt(cluster, 0);
    const client = make(node.port);
    const listeners = () => client.eventNames().map((name) => [name, client.listenerCount(name)]);
    await client.ping();
    await eventually('it is ready', () => client.status === 'ready');
    const before = listeners();
    const said = vi.spyOn(client, 'sendCommand');
    const redlock = new Redlock([client], { ...PATIENT, quarantine: 'off', onWarning: () => undefined });
    const resource = fresh();
    const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    expect(await node.command('GET', `lock:${resource}`)).toBe(lock.value);
    await eventually('it has one connection of its own, once the driver knows the Cluster', async () => {
      const own = (await connectionsOf(node)).filter((name) => name.includes('quorlock'));
      return own.length === 1 && own[0] === 'quorlock';
    });
    await lock.extend();
    expect((await lock.release()).freed).toBe(true);
    await redlock.close();
    expect(said).not.toHaveBeenCalled();
    expect(listeners()).toEqual(before);
    await eventually('its connections are gone', async () =>
      (await connectionsOf(node)).every((name) => !name.startsWith('quorlock')),
    );
    expect(client.status).toBe('ready');
  });

  it.each([
    ['6', (port: number, user: object) => new Cluster([{ host: '127.0.0.1', port }], user)],
    ['5', (port: number, user: object) => new Cluster5([{ host: '127.0.0.1', port }], user)],
  ])('ioredis %s: user and password are those that it has for each server', async (_, make) => {
    await using own = await Fleet.start(1, { cluster: true });
    const node = nodeAt(own, 0);
    await node.command('ACL', 'SETUSER', 'locks', 'on', '>secret', '~*', '&*', '+@all');
    await node.command('ACL', 'SETUSER', 'default', '-@all', '+acl', '+cluster|info');
    const user = { lazyConnect: true, redisOptions: { username: 'locks', password: 'secret' } };
    await using redlock = new Redlock([ofProgram(make(node.port, user))], PATIENT);
    await using lock = await redlock.acquire(fresh());
    await lock.extend();
  });
});
