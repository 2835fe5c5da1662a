import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { NoQuorumError, Redlock } from '../../src/index.ts';
import type { DriverName } from '../../src/wire/clients/driver.ts';
import { BRISK, nodeAt } from '../support/deployment.ts';

/** Driver options under which a command is sent now or fails now. */
const SAFE = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false } as const;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await Fleet.start(1);
});
afterAll(() => fleet.stop());

async function listenOn(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that does this to every client that connects. */
function serverThat(meets: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    meets(socket);
  });
  return listenOn(server);
}

/** Why the one node of a Redlock does not vote, once it says this. */
async function expectReasonBy(driver: DriverName, url: string, reason: RegExp): Promise<void> {
  const redlock = new Redlock([url], { ...BRISK, driver, connectTimeout: 500 });
  try {
    const seen = new Set<string>();
    await eventually(`the vote says ${reason}, it says ${[...seen].join(', ')}`, async () => {
      const error: unknown = await redlock.tryAcquire('a').catch((thrown: unknown) => thrown);
      if (!(error instanceof NoQuorumError)) return false;
      expect(JSON.stringify(error) + error.message + error.stack).not.toContain('s3cret');
      const [vote] = error.votes;
      return vote?.outcome === 'failed' && reason.test(vote.message) && error.message.includes(vote.message);
    });
  } finally {
    await redlock.close();
  }
}

it('a client that is handed in has its node say why, too', async () => {
  const refused = new Redis(1, '127.0.0.1', { ...SAFE, connectTimeout: 1_000 });
  const denied = new Redis(nodeAt(fleet, 0).port, '127.0.0.1', {
    ...SAFE,
    password: 's3cret',
    username: 'bob',
  });
  const redlock = new Redlock([refused, denied], { ...BRISK, connectTimeout: 500 });
  try {
    await eventually('both say why', async () => {
      const error: unknown = await redlock.acquire('a').catch((thrown: unknown) => thrown);
      expect(inspect(error)).not.toContain('s3cret');
      const text = String(error);
      return (
        text.includes('127.0.0.1:1: disconnected (connect ECONNREFUSED)') && text.includes('(WRONGPASS ')
      );
    });
  } finally {
    await redlock.close();
    for (const client of [refused, denied]) client.disconnect();
  }
});

describe.each(['ioredis', 'redis'] as const)('why a node has no connection, by %s', (driver) => {
  const expectReason = (url: string, reason: RegExp) => expectReasonBy(driver, url, reason);

  it('is what the system says, or that the server says nothing', async () => {
    const port = await serverThat(() => undefined);
    await expectReason('redis://no-such-host.invalid:1', /^getaddrinfo E\w+$/);
    await expectReason(`redis://127.0.0.1:${port}`, /takes the connection and does not answer/);
  });

  it('is what the server says of a password, and never the password', async () => {
    const node = nodeAt(fleet, 0);
    await expectReason(`redis://bob:s3cret@127.0.0.1:${node.port}`, /^WRONGPASS /);
  });

  it('is not told with the arguments of a command that the server does not know, which has the password', async () => {
    const port = await serverThat((socket) => {
      socket.on('data', (data) => {
        const line = `-ERR unknown command 'AUTH', with args beginning with: 'bob' 's3cret' \r\n`;
        socket.write(line.repeat(String(data).split('*').length - 1));
      });
    });
    await expectReason(`redis://bob:s3cret@127.0.0.1:${port}`, /unknown command 'AUTH'$/);
  });

  it('is told without a password that the server repeats', async () => {
    const port = await serverThat((socket) => {
      socket.on('data', (data) => {
        socket.write('-ERR s3cret is no password\r\n'.repeat(String(data).split('*').length - 1));
      });
    });
    await expectReason(`redis://:s3cret@127.0.0.1:${port}`, /^ERR \*\*\* is no password$/);
  });

  it('hints at TLS where that is spoken to a port without it', async () => {
    await expectReason(`rediss://127.0.0.1:${nodeAt(fleet, 0).port}`, /has no TLS, connect with redis:\/\//);
    const port = await serverThat((socket) => void socket.on('data', () => socket.write('-ERR what\r\n')));
    await expectReason(`rediss://127.0.0.1:${port}`, /has no TLS, connect with redis:\/\//);
  });

  it.each<[string, () => Promise<number>]>([
    ['with a server of TLS', () => listenOn(createTlsServer().on('tlsClientError', () => undefined))],
    ['with one that closes', () => serverThat((socket) => void socket.on('data', () => socket.end()))],
    [
      'with one that resets',
      () => serverThat((socket) => void socket.on('data', () => socket.resetAndDestroy())),
    ],
    [
      'with one that answers in TLS',
      () => serverThat((socket) => void socket.on('data', () => socket.write('\x15\x03\x01\0\x02\x02\x46'))),
    ],
  ])('hints at TLS where a port may expect it: %s', async (_how, portOf) => {
    await expectReason(`redis://127.0.0.1:${await portOf()}`, /expects TLS, connect with rediss:\/\//);
  });

  it('says that a server is none of Redis', async () => {
    const port = await serverThat(
      (socket) => void socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    );
    await expectReason(`redis://127.0.0.1:${port}`, /"H".*not that of a Redis server/);
  });
});

it('nodes that die say why, once for all of them, and never that the driver gave up', async () => {
  await using dying = await Fleet.start(3);
  await using redlock = new Redlock(dying.urls, BRISK);
  const lock = await redlock.acquire('a');
  await lock.release();
  for (const node of dying.nodes) await node.pause();
  const failing = redlock.acquire('a', { waitTime: 0 }).catch((error: unknown) => error);
  for (const node of dying.nodes) await node.kill();
  const addresses = dying.nodes.map(({ port }) => `127.0.0.1:${port}`).join(', ');

  expect(String(await failing)).not.toMatch(/max retries|client status/i);
  await eventually('every node is said to refuse connections, in one go', async () => {
    const error: unknown = await redlock.acquire('a').catch((thrown: unknown) => thrown);
    expect(String(error)).toMatch(/^NoQuorumError: /);
    expect(String(error)).not.toMatch(/max retries|client status/i);
    return String(error).includes(`[${addresses}: disconnected (connect ECONNREFUSED)]`);
  });
});
