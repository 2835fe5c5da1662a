import { Decoder, GlideClient, type GlideClientConfiguration, Logger } from '@valkey/valkey-glide';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findServerBinaries, nameServer } from '../../scripts/fleet/binary.ts';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { Redlock, type RedlockWarning } from '../../src/index.ts';
import { openNodes } from '../../src/redlock/nodes.ts';
import { ClientFaultsError, checkClient } from '../../src/testing/index.ts';
import { connectionsOf } from '../support/connections.ts';
import {
  BRISK,
  expectLocksAfterRestart,
  nodeAt,
  PATIENT,
  startDeployment,
  startOn,
} from '../support/deployment.ts';
import { LONG_TTL_MS } from '../support/lock-keys.ts';

let fleet: Fleet;
beforeAll(async () => {
  Logger.setLoggerConfig('off');
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

let resources = 0;

function fresh(): string {
  resources += 1;
  return `resource ${resources}`;
}

/** Clients of the program's own, one a node, and gone with the test. */
async function clientsOf(
  options: Partial<GlideClientConfiguration> = {},
  ofFleet = fleet,
): Promise<readonly GlideClient[]> {
  return Promise.all(
    ofFleet.nodes.map(async ({ port }) => {
      const client = await GlideClient.createClient({ ...options, addresses: [{ host: '127.0.0.1', port }] });
      onTestFinished(() => client.close());
      return client;
    }),
  );
}

describe('clients of Valkey GLIDE', () => {
  it.each<[string, Partial<GlideClientConfiguration>]>([
    ['their defaults', {}],
    ['bytes for texts', { defaultDecoder: Decoder.Bytes }],
    ['a short timeout', { requestTimeout: 1 }],
    ['a name', { clientName: 'billing' }],
    ['RESP2', { protocol: 1 }],
    ['connections made later', { lazyConnect: true }],
  ])('with %s lock, extend, wait and release', async (_, options) => {
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(await clientsOf(options), {
      ...PATIENT,
      onWarning: (warning) => warnings.push(warning),
    });
    await using other = new Redlock(fleet.urls, PATIENT);
    const resource = fresh();
    const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    expect(await other.tryAcquire(resource)).toBeNull();
    expect((await lock.extend()).remainingValidity()).toBeGreaterThan(0);
    const waiting = other.acquire(resource, { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await redlock.waiting(resource)).processes.length === 1);
    const again = redlock.acquire(resource, { waitTime: Number.POSITIVE_INFINITY });
    expect((await lock.release()).freed).toBe(true);
    await (await waiting).release();
    await (await again).release();
    expect(warnings).toEqual([]);
  });

  it('lead to their database, and stay the program’s: closed, they change nothing', async () => {
    const clients = await clientsOf({ databaseId: 3 });
    await using redlock = new Redlock(clients, PATIENT);
    await (await redlock.acquire(fresh())).release();
    for (const client of clients) client.close();
    await using _lock = await redlock.acquire(fresh(), { ttl: LONG_TTL_MS });
    await eventually('it is there', async () => {
      const found = await Promise.all(fleet.nodes.map((node) => node.command('INFO', 'keyspace')));
      return found.filter((text) => String(text).includes('db3:')).length >= 2;
    });
  });

  it('have one connection a node, and none after close()', async () => {
    await using own = await startDeployment(3);
    const redlock = new Redlock(own.urls, { ...PATIENT, driver: '@valkey/valkey-glide' });
    await (await redlock.acquire('a')).release();
    const all = async () => (await Promise.all(own.nodes.map(connectionsOf))).flat().join();
    await eventually('each has one', async () => (await all()) === 'quorlock,quorlock,quorlock');
    await redlock.close();
    await eventually('they are gone', async () => (await all()) === '');
  });

  it.each([
    ['a wrong password', () => nodeAt(fleet, 0).port, /error \(WRONGPASS /],
    ['no server', () => 1, /disconnected \(Connection refused /],
  ])('have their node say why it does not vote: %s', async (_, port, why) => {
    const redlock = new Redlock([`redis://bob:s3cret@127.0.0.1:${port()}`], {
      ...BRISK,
      driver: '@valkey/valkey-glide',
      connectTimeout: 500,
    });
    onTestFinished(() => redlock.close());
    await eventually('it says why', async () => {
      const error: unknown = await redlock.tryAcquire('a').catch((thrown: unknown) => thrown);
      expect(String(error)).not.toContain('s3cret');
      return why.test(String(error));
    });
  });

  it('say of a command that hangs why its connection was given up', async () => {
    await using own = await startDeployment(1);
    const [client] = openNodes(own.urls, '@valkey/valkey-glide');
    onTestFinished(() => client?.close());
    await eventually('it is connected', () => client?.state === 'ready');
    nodeAt(own, 0).pause();
    await expect(client?.eval('return 1', [], [])).rejects.toThrow(/^no answer within \d+ ms$/);
  });

  it('connect again to a node that was killed', async () => {
    await using own = await startDeployment(1);
    await using redlock = new Redlock(await clientsOf({}, own), { ...PATIENT, quarantine: 'off' });
    await expectLocksAfterRestart(own, redlock);
  });
});

// By RESP2 it does not subscribe.
it.each(findServerBinaries().map((binary) => [nameServer(binary), binary]))(
  'on %s, it keeps the rules of the port but one: what it gets while it loses its connection goes on the next one',
  async (_, binary) => {
    await using server = await startOn(binary);
    await using link = await TcpProxy.start(nodeAt(server, 0).port);
    const make = (url: string) => {
      const [client] = openNodes([url], '@valkey/valkey-glide');
      if (client === undefined) throw new Error('there is none');
      return client;
    };
    const error: unknown = await checkClient(make, link).catch((thrown: unknown) => thrown);
    const faults = error instanceof ClientFaultsError ? error.faults : [];
    const late =
      'commands that do not reach the server before the connection is lost reject, and are not sent again: ';
    expect(faults.filter((fault) => !fault.startsWith(late))).toEqual([]);
  },
);
