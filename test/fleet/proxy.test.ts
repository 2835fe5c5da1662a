import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Fleet, type FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';

let fleet: Fleet;
let node: FleetNode;
let proxy: TcpProxy;
const clients: Redis[] = [];
const sockets: Socket[] = [];

beforeAll(async () => {
  fleet = await Fleet.start(1);
  const [first] = fleet.nodes;
  if (first === undefined) throw new Error('the fleet has no node');
  node = first;
});

afterAll(() => fleet.stop());

beforeEach(async () => {
  await node.command('FLUSHALL');
  proxy = await TcpProxy.start(node.port);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.disconnect();
  for (const socket of sockets.splice(0)) socket.destroy();
  await proxy.stop();
});

/** A client that is connected through the proxy, and neither retries nor reconnects. */
async function connectedClient(): Promise<Redis> {
  const client = new Redis(proxy.url, {
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  client.on('error', () => undefined);
  clients.push(client);
  await client.connect();
  return client;
}

async function connectedSocket(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  sockets.push(socket);
  await once(socket, 'connect');
  return socket;
}

/** Resolves when it has closed, whatever errors went before. */
function closing(connection: Redis | Socket): Promise<void> {
  return new Promise((resolve) => connection.once('close', () => resolve()));
}

/** Whether a promise has settled by now. */
async function hasSettled(promise: Promise<unknown>): Promise<boolean> {
  const notYet = Symbol();
  return (await Promise.race([promise.catch(() => undefined), notYet])) !== notYet;
}

const serverHas = async (key: string): Promise<boolean> => (await node.command('EXISTS', key)) === 1;

describe('a proxy without faults', () => {
  test('carries requests and replies of any size both ways', async () => {
    const client = await connectedClient();
    const value = 'x'.repeat(3_000_000);

    await client.set('resource', value);

    expect((await client.get('resource')) === value).toBe(true);
    expect(await node.command('STRLEN', 'resource')).toBe(3_000_000);
  });

  test('passes the end of a connection on', async () => {
    const socket = await connectedSocket();
    const ended = once(socket, 'end');

    socket.resume();
    socket.write('QUIT\r\n');

    await ended;
  });

  test('resets its clients when the server dies, and serves new ones when it is back', async () => {
    const client = await connectedClient();
    const closed = closing(client);

    await node.kill();
    await closed;
    await expect(connectedClient()).rejects.toThrow();

    await node.restart();
    expect(await (await connectedClient()).ping()).toBe('PONG');
  });
});

describe('a forgotten connection', () => {
  test('stays silent, healed or not, while new ones pass', async () => {
    const client = await connectedClient();
    proxy.forget();

    const reply = client.set('resource', 'lock value');
    await proxy.heal();
    expect(await (await connectedClient()).ping()).toBe('PONG');
    expect(await serverHas('resource')).toBe(false);
    expect(await hasSettled(reply)).toBe(false);

    reply.catch(() => undefined);
  });
});

describe('a cut', () => {
  test('of the way down lets the server execute and the client hear nothing until it heals', async () => {
    const client = await connectedClient();
    proxy.cut('down');

    const reply = client.set('resource', 'lock value');
    await eventually('the server has executed', () => serverHas('resource'));
    expect(await hasSettled(reply)).toBe(false);

    await proxy.heal();
    expect(await reply).toBe('OK');
  });

  test('of the way up holds the request back from the server until it heals', async () => {
    const client = await connectedClient();
    proxy.cut('up');

    const reply = client.set('resource', 'lock value');
    // Another connection's round trip gives the request every chance to slip through.
    await node.command('PING');
    expect(await serverHas('resource')).toBe(false);

    await proxy.heal();
    expect(await reply).toBe('OK');
    expect(await serverHas('resource')).toBe(true);
  });

  test('of both ways still lets clients connect, and hides the death of the server from them', async () => {
    proxy.cut('both');
    const socket = await connectedSocket();
    let heard = false;
    socket.on('data', () => {
      heard = true;
    });
    socket.on('error', () => undefined);
    const closed = closing(socket);

    socket.write('PING\r\n');
    await node.kill();
    await node.restart();
    expect(heard).toBe(false);
    expect(await hasSettled(closed)).toBe(false);

    await proxy.heal();
    await closed;
  });
});

describe('a delay', () => {
  test('holds replies back, and may be shortened while they are on the way', async () => {
    const client = await connectedClient();
    proxy.setDelayMs(0, 3_600_000);

    const reply = client.set('resource', 'lock value');
    await eventually('the server has executed', () => serverHas('resource'));
    expect(await hasSettled(reply)).toBe(false);

    proxy.setDelayMs(0, 1);
    expect(await reply).toBe('OK');
  });

  test('with jitter keeps the order of what is sent', async () => {
    proxy.setDelayMs(1, 1, 5);
    const client = await connectedClient();

    const lengths = await Promise.all(Array.from({ length: 50 }, () => client.rpush('list', 'x')));

    expect(lengths).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
  });

  test('draws its jitter from the source it is given', async () => {
    let draws = 0;
    await using steady = await TcpProxy.start(node.port, {
      random: () => {
        draws++;
        return 0;
      },
    });
    steady.setDelayMs(0, 0, 3_600_000);
    const socket = connect(steady.port, '127.0.0.1');
    sockets.push(socket);

    socket.write('PING\r\n');
    const [bytes] = await once(socket, 'data');

    expect(String(bytes)).toBe('+PONG\r\n');
    expect(draws).toBeGreaterThanOrEqual(2);
  });
});

test('a slow drip brings a reply piece by piece, and the rest at once when healed', async () => {
  const value = 'x'.repeat(10_000);
  await node.command('SET', 'resource', value);
  const expected = `$10000\r\n${value}\r\n`;
  const socket = await connectedSocket();
  let received = '';
  socket.on('data', (bytes) => {
    received += bytes;
  });
  proxy.slowDrip(500);

  socket.write('GET resource\r\n');
  await eventually('something has arrived', () => received.length > 0);
  expect(received.length).toBeLessThan(expected.length);

  await proxy.heal();
  await eventually('everything has arrived', () => received.length >= expected.length);
  expect(received).toBe(expected);
});

test('refusing applies to new connections only, and ends', async () => {
  const client = await connectedClient();

  await proxy.refuse(true);

  await expect(connectedSocket()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  expect(await client.ping()).toBe('PONG');

  await proxy.refuse(false);
  expect(await (await connectedClient()).ping()).toBe('PONG');
});

test('resetting all ends open connections with a reset, and new ones work', async () => {
  const socket = await connectedSocket();

  const failed = once(socket, 'data');
  socket.write('PING\r\n');
  await failed;
  const reset = once(socket, 'end');
  proxy.resetAll();

  await expect(reset).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect(await (await connectedClient()).ping()).toBe('PONG');
});

describe('a trap for the next bytes', () => {
  test('on the way up: the server executes, and the client is reset before the reply', async () => {
    const client = await connectedClient();
    const sprung = proxy.resetAfterNextBytes('up');

    await expect(client.set('resource', 'lock value')).rejects.toThrow();

    expect(await sprung).toBe(true);
    expect(await serverHas('resource')).toBe(true);
  });

  test('on the way down: the reply arrives, and then the connection ends', async () => {
    const socket = await connectedSocket();
    const sprung = proxy.resetAfterNextBytes('down');
    // A reset right behind data may show as a plain end to the reader.
    socket.on('error', () => undefined);
    const closed = closing(socket);

    socket.write('PING\r\n');
    const [bytes] = await once(socket, 'data');

    expect(String(bytes)).toBe('+PONG\r\n');
    await closed;
    expect(await sprung).toBe(true);
  });

  test('springs once: the connection after it is left alone', async () => {
    const sprung = proxy.resetAfterNextBytes('up');
    await expect(connectedClient().then((client) => client.ping())).rejects.toThrow();
    await sprung;

    expect(await (await connectedClient()).ping()).toBe('PONG');
  });

  test('is disarmed by healing', async () => {
    const client = await connectedClient();
    const sprung = proxy.resetAfterNextBytes('up');

    await proxy.heal();

    expect(await sprung).toBe(false);
    expect(await client.ping()).toBe('PONG');
  });
});

test('stopping a proxy resets its clients and frees its port, twice as well as once', async () => {
  const client = await connectedClient();
  const closed = closing(client);

  await Promise.all([proxy.stop(), proxy.stop()]);
  await closed;

  await expect(connectedSocket()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
