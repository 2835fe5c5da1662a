import { Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { Redis as Valkey } from 'iovalkey';
import { createClient } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { check } from '../../examples/clients/check.ts';
import { findServerBinaries, nameServer } from '../../scripts/fleet/binary.ts';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { type NodeSource, openNodes } from '../../src/redlock/nodes.ts';
import { ClientFaultsError, checkClient } from '../../src/testing/index.ts';
import type { Client, SubscriptionEvents } from '../../src/wire/client.ts';
import type { DriverName } from '../../src/wire/clients/driver.ts';
import { clientOver } from '../../src/wire/clients/ioredis.ts';
import { nodeAt, startOn } from '../support/deployment.ts';

function open(source: NodeSource, driver?: DriverName): Client {
  const [client] = openNodes([source], driver);
  if (client === undefined) throw new Error('there is none');
  return client;
}

const LAZY = { lazyConnect: true };

/** How a client of each driver comes about. */
const CLIENTS: readonly (readonly [what: string, make: (url: string) => Client])[] = [
  ['ioredis 6, by its URL', (url) => open(url, 'ioredis')],
  ['ioredis 6', (url) => open(new Redis(url, LAZY))],
  ['ioredis 5', (url) => open(new Redis5(url, LAZY))],
  ['iovalkey, by its URL', (url) => open(url, 'iovalkey')],
  ['iovalkey', (url) => open(new Valkey(url, LAZY))],
  ['node-redis 6, by its URL', (url) => open(url, 'redis')],
  ['node-redis 6', (url) => open(createClient({ url }))],
  ['node-redis 5', (url) => open(createClient5({ url }))],
];

const servers = findServerBinaries().flatMap((binary) => [
  [nameServer(binary), binary, []] as const,
  [`${nameServer(binary)} without RESP3`, binary, ['--rename-command', 'HELLO', '""']] as const,
]);

describe.concurrent.each(servers)('on %s, a client of', (_, binary, directives) => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startOn(binary, directives);
  });
  afterAll(() => fleet.stop());

  it.concurrent.each(CLIENTS)('%s keeps the rules of the port', async (_what, make) => {
    await using link = await TcpProxy.start(nodeAt(fleet, 0).port);
    await checkClient(make, link);
  });
});

it.concurrent('a client is checked behind the proxy that docs/clients.md shows', async () => {
  await using fleet = await Fleet.start(1);
  await check((url) => open(url, 'redis'), nodeAt(fleet, 0).port);
});

describe.concurrent('a client that breaks the rules of the port is told which', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(1);
  });
  afterAll(() => fleet.stop());

  async function expectFaults(make: (url: string) => Client, rules: readonly string[]): Promise<void> {
    await using link = await TcpProxy.start(nodeAt(fleet, 0).port);
    const error: unknown = await checkClient(make, link).catch((thrown: unknown) => thrown);
    if (!(error instanceof ClientFaultsError)) throw new Error(`it breaks none: ${error}`);
    for (const fault of error.faults) expect(error.message).toContain(`\n- ${fault}`);
    expect(error.faults).toEqual(rules.map((rule) => expect.stringContaining(`${rule}: `)));
  }

  it.concurrent('by the defaults of a driver, which sends late and twice', async () => {
    await expectFaults(
      (url) => clientOver(new Redis(url)),
      [
        'a client without a server is down and says why, and is ready once there is one',
        'a client whose server does not answer at first is of use once it does',
        'when the connection is lost it is down, refuses commands and never sends them, and connects again by itself',
        'a command whose answer is lost rejects, and is not sent again',
        'commands that do not reach the server before the connection is lost reject, and are not sent again',
        'a connection that leaves commands without an answer is given up for another one',
        'reconnect() makes a new connection, and does nothing while one is being made',
      ],
    );
  });

  it.concurrent('by what it does to errors, replies, messages and listeners', async () => {
    const make = (url: string) => new Careless(open(url, 'ioredis'));
    await expectFaults(make, [
      'replies have the shapes of the server’s',
      'EVALSHA of a script that the server does not have rejects with NOSCRIPT; EVAL teaches it to the server',
      'a client without a server is down and says why, and is ready once there is one',
      'when the connection is lost it is down, refuses commands and never sends them, and connects again by itself',
      'a subscription hears each message once, is told of a loss, and is made anew on the next connection',
      'a subscription may begin before the client is ready, and ends without another one',
      'reconnect() makes a new connection, and does nothing while one is being made',
      'a listener that is taken away is told nothing',
      'close() ends it for good: commands under way settle, and no other is sent',
    ]);
  });

  it.concurrent('by never being ready, and nothing more', async () => {
    await expectFaults(
      () => open('redis://127.0.0.1:1', 'ioredis'),
      ['it becomes ready by itself, and says so'],
    );
  });
});

/** Turns numbers into texts, and so on. */
class Careless implements Client {
  readonly isCluster = false;
  readonly #client: Client;
  readonly #listeners: (() => void)[] = [];

  constructor(client: Client) {
    this.#client = client;
    client.onStateChange(() => {
      for (const listener of this.#listeners) listener();
    });
  }

  get address(): string {
    return this.#client.address;
  }

  get state() {
    return this.#client.state;
  }

  get stateReason(): string {
    return '';
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.push(listener);
    return () => undefined;
  }

  async evalsha(...call: Parameters<Client['evalsha']>): Promise<unknown> {
    return this.#client.evalsha(...call).catch((error: Error) => {
      throw new Error(error.message.replace('NOSCRIPT', 'NoScriptError'));
    });
  }

  async eval(...call: Parameters<Client['eval']>): Promise<unknown> {
    const reply = await this.#client.eval(...call);
    return typeof reply === 'number' && reply < 0 ? `${reply}` : reply;
  }

  subscribe(channel: string, events: SubscriptionEvents) {
    const twice = (message: string) => {
      events.heard(message);
      events.heard(message);
    };
    return this.#client.subscribe(channel, { ...events, heard: twice });
  }

  slotOf(key: string): number {
    return this.#client.slotOf(key);
  }

  reconnect(): boolean {
    this.#client.reconnect();
    return true;
  }

  close(): void {
    this.#client.close();
  }
}
