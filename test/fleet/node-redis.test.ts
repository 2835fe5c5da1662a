import { join } from 'node:path';
import { createClient as createClient6, RESP_TYPES } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { type Lock, Redlock, type RedlockWarning } from '../../src/index.ts';
import { openNodes } from '../../src/redlock/nodes.ts';
import { connectionsOf } from '../support/connections.ts';
import { BRISK, expectLocksAfterRestart, nodeAt, PATIENT, startDeployment } from '../support/deployment.ts';
import { LONG_TTL_MS } from '../support/lock-keys.ts';

type Program = ReturnType<typeof createClient6>;
type Create = (options?: object) => Program;

/** The two versions; what a test calls is the same in both. */
const VERSIONS = [
  ['6', createClient6 as unknown as Create],
  ['5', createClient5 as unknown as Create],
] as const;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3, { directives: ['--unixsocket', 'redis.sock'] });
});
afterAll(() => fleet.stop());

let resources = 0;

function fresh(): string {
  resources += 1;
  return `resource ${resources}`;
}

/** Clients of the program's own, one a node, and gone with the test. They are not connected. */
function clientsOf(create: Create, options: object = {}, ofFleet = fleet): readonly Program[] {
  return ofFleet.nodes.map(({ port }) => {
    const client = create({ ...options, socket: { host: '127.0.0.1', port, ...Object(options).socket } });
    client.on('error', () => undefined);
    onTestFinished(() => {
      if (client.isOpen) client.destroy();
    });
    return client;
  });
}

async function connect(clients: readonly Program[]): Promise<void> {
  await Promise.all(clients.map((client) => client.connect()));
}

async function expectExclusion(redlock: Redlock, resource: string): Promise<Lock> {
  await using other = new Redlock(fleet.urls, PATIENT);
  const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
  expect(lock.token).toBeGreaterThan(1e15);
  expect(await other.tryAcquire(resource)).toBeNull();
  expect((await other.inspect(resource)).state).toBe('held');
  return lock;
}

describe.each(VERSIONS)('clients of node-redis %s', (_, create) => {
  it('lock, extend, release and wait like those of ioredis', async () => {
    const warnings: RedlockWarning[] = [];
    const options = { ...PATIENT, onWarning: (warning: RedlockWarning) => warnings.push(warning) };
    await using redlock = new Redlock(clientsOf(create), options);
    const resource = fresh();
    const lock = await expectExclusion(redlock, resource);
    expect((await lock.extend()).remainingValidity()).toBeGreaterThan(0);
    await using other = new Redlock(fleet.urls, PATIENT);
    const waiting = other.acquire(resource, { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await redlock.waiting(resource)).processes.length === 1);
    const again = redlock.acquire(resource, { waitTime: Number.POSITIVE_INFINITY });
    expect((await lock.release()).freed).toBe(true);
    await (await waiting).release();
    await (await again).release();
    expect(warnings).toEqual([]);
  });

  it.each([
    ['typeMapping', { commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } } }],
    ['numbers as texts', { commandOptions: { typeMapping: { [RESP_TYPES.NUMBER]: String } } }],
    ['a timeout of commands', { commandOptions: { timeout: 1 } }],
    ['asap', { commandOptions: { asap: true } }],
    ['keyPrefix', { keyPrefix: 'app:' }],
    ['RESP 2', { RESP: 2 }],
    ['RESP 3', { RESP: 3 }],
    ['client side caching', { RESP: 3, clientSideCache: { ttl: 0, maxEntries: 0 } }],
    ['emitInvalidate', { RESP: 3, emitInvalidate: true }],
    ['maintNotifications', { RESP: 3, maintNotifications: 'enabled' }],
    ['readonly', { readonly: true }],
    ['pingInterval', { pingInterval: 1 }],
    ['commandsQueueMaxLength', { commandsQueueMaxLength: 1 }],
    ['disableOfflineQueue', { disableOfflineQueue: false }],
    ['a name', { name: 'billing' }],
    ['no reconnection', { socket: { reconnectStrategy: false } }],
    ['a socketTimeout', { socket: { socketTimeout: 1 } }],
    ['a database', { database: 0 }],
  ])('with %s change nothing about locks, and nothing is warned of', async (_what, options) => {
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(clientsOf(create, options), {
      ...PATIENT,
      onWarning: (warning) => warnings.push(warning),
    });
    const resource = fresh();
    await using lock = await expectExclusion(redlock, resource);
    await lock.extend();
    await eventually('a majority has it', async () => {
      const values = await Promise.all(fleet.nodes.map((node) => node.command('GET', `lock:${resource}`)));
      return values.filter((value) => value === lock.value).length >= 2;
    });
    expect(warnings).toEqual([]);
  });

  it('that read replies in other types change nothing about locks', async () => {
    const clients = clientsOf(create).map((client) =>
      client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }),
    );
    await using redlock = new Redlock(clients, PATIENT);
    await using lock = await expectExclusion(redlock, fresh());
    await lock.extend();
  });

  it('stay the program’s: nothing is sent on them, nothing listens to them, nothing of them changes', async () => {
    const clients = clientsOf(create, { name: 'billing', database: 1 });
    await connect(clients);
    await Promise.all(clients.map((client) => client.select(2)));
    const heard: string[] = [];
    await Promise.all(clients.map((client) => client.subscribe('orders', (order) => heard.push(order))));
    const kept = () =>
      clients.map((client) => [
        client.eventNames().map((name) => [name, client.listenerCount(name)]),
        { ...client.options, ...client.options?.socket },
        client.socketEpoch,
      ]);
    const before = kept();
    const said = clients.map((client) => vi.spyOn(client, 'sendCommand'));
    const redlock = new Redlock(clients, PATIENT);
    const resource = fresh();
    const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    await eventually('it is in the database of their options', async () => {
      const found = await Promise.all(
        fleet.nodes.map(async (node) => String(await node.command('INFO', 'keyspace')).includes('db1:')),
      );
      return found.filter(Boolean).length >= 2;
    });
    await lock.release();
    await redlock.close();
    expect(kept()).toEqual(before);
    for (const commands of said) expect(commands).not.toHaveBeenCalled();
    expect(heard).toEqual([]);
    expect(clients.map(({ isReady }) => isReady)).toEqual([true, true, true]);
  });

  it.each([
    ['destroyed', (client: Program) => client.destroy()],
    ['closed', (client: Program) => client.close()],
    ['in a transaction', (client: Program) => client.sendCommand(['MULTI'])],
    ['watching', (client: Program) => client.watch('key')],
    ['monitoring', (client: Program) => client.monitor(() => undefined)],
  ])('that are %s lock all the same', async (_how, use) => {
    const clients = clientsOf(create);
    await connect(clients);
    await using redlock = new Redlock(clients, PATIENT);
    await (await redlock.acquire(fresh())).release();
    for (const client of clients) await use(client);
    await using after = new Redlock(clients, PATIENT);
    await using lock = await expectExclusion(after, fresh());
    await lock.extend();
    await (await redlock.acquire(fresh())).release();
  });

  it('lead to a path', async () => {
    const paths = fleet.nodes.map(({ index }) =>
      create({ socket: { path: join(fleet.directory, `node-${index}`, 'redis.sock'), tls: false } }),
    );
    await using redlock = new Redlock(paths, PATIENT);
    await using lock = await expectExclusion(redlock, fresh());
    lock.assertHeld();
  });

  it('say who they are, and their nodes why they do not vote; no password is told', async () => {
    await using own = await startDeployment(1);
    const node = nodeAt(own, 0);
    await node.command('ACL', 'SETUSER', 'locks', 'on', '>s3cret', '~*', '&*', '+@all');
    await node.command('ACL', 'SETUSER', 'default', '-@all', '+acl', '+client');
    const url = (password: string) => create({ url: `redis://locks:${password}@127.0.0.1:${node.port}` });
    await using redlock = new Redlock([url('s3cret')], PATIENT);
    await (await redlock.acquire('a')).release();
    const denied = new Redlock([url('wr0ng')], { ...BRISK, connectTimeout: 500 });
    onTestFinished(() => denied.close());
    await eventually('it says why', async () => {
      const error: unknown = await denied.tryAcquire('a').catch((thrown: unknown) => thrown);
      expect(String(error)).not.toContain('wr0ng');
      return String(error).includes('WRONGPASS ');
    });
  });

  it('have one connection a node where RESP3 is spoken, and none after close()', async () => {
    await using own = await startDeployment(3);
    await eventually('no other is left', async () => {
      const all = await Promise.all(own.nodes.map(connectionsOf));
      return all.flat().length === 0;
    });
    const redlock = new Redlock(clientsOf(create, {}, own), PATIENT);
    const lock = await redlock.acquire('held', { ttl: LONG_TTL_MS });
    const listening = redlock.acquire('held', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('each has one', async () => {
      const all = await Promise.all(own.nodes.map(connectionsOf));
      return all.flat().join() === 'quorlock,quorlock,quorlock';
    });
    await lock.release();
    await (await listening).release();
    await redlock.close();
    await eventually('they are gone', async () => {
      const all = await Promise.all(own.nodes.map(connectionsOf));
      return all.flat().length === 0;
    });
  });

  it('leave nothing behind that are closed while they connect', async () => {
    await using own = await startDeployment(1);
    await eventually('no other is left', async () => (await connectionsOf(nodeAt(own, 0))).length === 0);
    await using way = await TcpProxy.start(nodeAt(own, 0).port);
    for (const turns of [0, 1, 2, 3, 5, 8]) {
      const clients = Array.from({ length: 10 }, () => openNodes([create({ url: way.url })])[0]);
      // Each of these turns of the event loop ends another stage of a connection.
      for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      for (const client of clients) client?.close();
      let left: readonly string[] = [];
      const what = () => `none is left, ${turns} turns after the beginning, but ${JSON.stringify(left)}`;
      await eventually(what, async () => {
        left = await connectionsOf(nodeAt(own, 0));
        return left.length === 0;
      });
    }
  });

  it('connect again to a node that was killed', async () => {
    await using own = await startDeployment(1);
    await using redlock = new Redlock(clientsOf(create, {}, own), { ...PATIENT, quarantine: 'off' });
    await expectLocksAfterRestart(own, redlock);
  });
});
