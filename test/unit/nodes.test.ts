import { EventEmitter, once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { GlideClient, GlideClusterClient } from '@valkey/valkey-glide';
import { Cluster, Redis } from 'ioredis';
import * as redis from 'redis';
import * as redis5 from 'redis-5';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Redlock } from '../../src/index.ts';
import { checkNodes, type NodeSource, openNodes } from '../../src/redlock/nodes.ts';
import { thrownBy } from '../support/thrown-by.ts';

/** What an ioredis client looks like from outside. */
class LooksLikeIoredis extends EventEmitter {
  readonly status: string = 'connecting';
  readonly isCluster: boolean = false;
  readonly options: object = { host: 'one', port: 1 };
  readonly evalsha = () => Promise.resolve();
  readonly eval = () => Promise.resolve();
  readonly connect = () => Promise.resolve();
  readonly createScanStream = () => undefined;
  readonly setSocketTimeout = () => undefined;
  readonly disconnect = () => {
    this.isOpen = false;
  };
  readonly duplicate: (options: object) => unknown = (options) => {
    const duplicate = new LooksLikeIoredis();
    Object.assign(duplicate.options, this.options, options);
    this.duplicates.push(duplicate);
    return duplicate;
  };
  readonly duplicates: LooksLikeIoredis[] = [];
  isOpen = true;
}

class CanNotBeDuplicated extends LooksLikeIoredis {
  override readonly options = { host: 'two', port: 2 };
  override readonly duplicate = () => {
    throw new Error('no way to redis://user:secret@two');
  };
}

/** What is thrown for these nodes, which must not repeat what may be a password. */
function refusalOf(...nodes: readonly unknown[]): TypeError {
  const error = thrownBy(() => checkNodes(nodes as NodeSource[]));
  expect(error).toBeInstanceOf(TypeError);
  expect(String(error)).not.toContain('secret');
  return error as TypeError;
}

/** The first bytes that the node with this URL is sent. */
async function firstBytes(nodeFor: (port: number) => NodeSource): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const connected = once(server, 'connection');
  const clients = openNodes([nodeFor((server.address() as AddressInfo).port)]);
  const [socket] = (await connected) as [Socket];
  const [bytes] = (await once(socket, 'data')) as [Buffer];
  for (const client of clients) client.close();
  socket.destroy();
  return bytes;
}

describe('a URL that is right', () => {
  it.each([
    'redis://one',
    'redis://one/',
    'redis://one/0',
    'rediss://one:6380/15',
    'REDISS://ONE',
    ' redis://one',
    'redis://[::1]:6379',
    'redis://user:p%23s%2Fs@one',
    'redis://one?db=5&family=6',
    'redis://one?family=0',
    'redis://one?family=4',
    'redis://one?username=user&password=secret',
  ])('is taken: %s', (url) => {
    checkNodes([url]);
    checkNodes([new URL(url)]);
  });

  it('connects with TLS however rediss:// is written', async () => {
    const HANDSHAKE = 0x16;
    for (const scheme of ['rediss', 'REDISS', ' Rediss']) {
      expect((await firstBytes((port) => `${scheme}://127.0.0.1:${port}`))[0]).toBe(HANDSHAKE);
    }
  });

  it('may have a blank before it, as in a list that was split at its commas', async () => {
    expect(String(await firstBytes((port) => ` redis://127.0.0.1:${port}`))).toMatch(/^\*/);
  });
});

describe('a client that is handed in', () => {
  it('leads to its node by TLS if its owner’s connection does', async () => {
    const HANDSHAKE = 0x16;
    const options = { host: '127.0.0.1', tls: {}, lazyConnect: true };
    expect((await firstBytes((port) => new Redis({ ...options, port })))[0]).toBe(HANDSHAKE);
  });

  it('leads to its node by way of its sentinels', async () => {
    const options = {
      name: 'main',
      role: 'master' as const,
      lazyConnect: true,
      sentinelRetryStrategy: () => null,
    };
    const asked = await firstBytes(
      (port) => new Redis({ ...options, sentinels: [{ host: '127.0.0.1', port }] }),
    );
    expect(String(asked)).toMatch(/sentinel|HELLO/i);
  });
});

describe('a client of node-redis', () => {
  it.each([
    ['6', redis],
    ['5', redis5 as unknown as typeof redis],
  ])('%s that can not be a node is refused by its name', (_, driver) => {
    const pool = driver.createClientPool({ url: 'redis://:secret@one' });
    expect(refusalOf(pool).message).toBe(
      'nodes[0] is a pool of node-redis: hand in a client, as createClient() makes it, or a URL',
    );
    const sentinelRootNodes = [{ host: 'one', port: 26379 }];
    expect(refusalOf(driver.createSentinel({ name: 'main', sentinelRootNodes })).message).toBe(
      'nodes[0] is a Sentinel client of node-redis: hand in an ioredis client with sentinels, or a client of the master',
    );
    const rootNodes = [{ url: 'redis://:secret@one' }];
    expect(refusalOf('redis://one', driver.createCluster({ rootNodes })).message).toBe(
      'nodes[1] is a Cluster client of node-redis: hand in a Cluster of ioredis, or clients of single masters',
    );
    expect(refusalOf(driver.createClient().legacy()).message).toMatch(
      /must be a URL, or a client of .*: got an object/,
    );
  });

  it('is refused by its name as one of Valkey GLIDE for a Cluster is', () => {
    expect(refusalOf(Object.create(GlideClusterClient.prototype)).message).toBe(
      'nodes[0] is a Cluster client of Valkey GLIDE: hand in a Cluster of ioredis or iovalkey, or clients of single masters',
    );
  });

  it('of Valkey GLIDE that does not tell how it connects is refused', () => {
    const glide: GlideClient = Object.create(GlideClient.prototype);
    expect(() => openNodes([glide])).toThrow('a connection of its own: it does not tell how it connects');
  });

  it('before 5.12 is refused as too old', () => {
    const old = { isOpen: false, isReady: false, options: {}, duplicate: () => old, sendCommand: () => 0 };
    expect(refusalOf(old).message).toBe('nodes[0] is a client of node-redis before 5.12: use a newer one');
  });

  it.each([
    [undefined, 'localhost:6379'],
    [{ url: 'rediss://user:secret@One:7000/5' }, 'one:7000'],
    [{ socket: { host: '::1', port: 7_000 } }, '[::1]:7000'],
    [{ socket: { path: '/run/redis.sock', tls: false as const } }, '/run/redis.sock'],
  ])('with %j is at %s, and connects to nothing before it is asked to', (options, address) => {
    const program = redis.createClient(options);
    const [client] = openNodes([program]);
    expect(client?.address).toBe(address);
    expect(client?.state).toBe('connecting');
    client?.close();
    expect([client?.state, program.isOpen]).toEqual(['ended', false]);
  });

  it('is the same node as a URL, and as itself', () => {
    const client = redis.createClient({ url: 'redis://one:7000' });
    expect(refusalOf('redis://ONE:7000', client).message).toContain('the same server (one:7000)');
    expect(refusalOf(client, client).message).toContain('one and the same client');
  });

  it.each(['onWarning', 'clock', 'random', 'driver'])(
    'has no connection left, however often %s could be read before that failed',
    (name) => {
      const client = new LooksLikeIoredis();
      let readable = 0;
      const isRefused = (mostReads: number) => {
        readable = mostReads;
        const get = () => {
          readable -= 1;
          if (readable < 0) throw new Error('no more');
        };
        const options = Object.defineProperty({}, name, { enumerable: true, get });
        return thrownBy(() => new Redlock([client as unknown as NodeSource], options)) !== undefined;
      };
      let mostReads = 0;
      while (mostReads < 10 && isRefused(mostReads)) mostReads += 1;
      const open = client.duplicates.filter(({ isOpen }) => isOpen);
      expect(mostReads).toBeGreaterThan(0);
      expect(open).toHaveLength(1);
    },
  );

  it('that can not be duplicated is told why', () => {
    const client = redis.createClient({ url: 'redis://one' });
    const duplicates: [() => unknown, string][] = [
      [() => client, 'returned the client itself'],
      [() => 5, 'must return a client of node-redis: got 5'],
      [() => redis.createClient(), 'does not take over the option socket'],
    ];
    for (const [duplicate, why] of duplicates) {
      Object.assign(client, { duplicate });
      expect(() => openNodes([client])).toThrow(
        `the library needs a connection of its own: its duplicate() ${why}`,
      );
    }
  });
});

describe('a client of ioredis', () => {
  const without = (...names: readonly string[]) => {
    const old = new LooksLikeIoredis();
    for (const name of names) Reflect.deleteProperty(old, name);
    return old;
  };

  it('that is too old is refused by its version, as far as that can be told', () => {
    expect(refusalOf(without('createScanStream', 'setSocketTimeout')).message).toBe(
      'nodes[0] is a client of ioredis 4: use ioredis 5.4.2 or a newer one',
    );
    expect(refusalOf(without('setSocketTimeout')).message).toBe(
      'nodes[0] is a client of ioredis 5 before 5.4.2: use that or a newer one',
    );
    const printing = new LooksLikeIoredis();
    // So that of 5.4.0 does, for every answer.
    Object.assign(printing, { setSocketTimeout: () => console.log('GOT DATA, CLEARING TIMER') });
    expect(refusalOf(printing).message).toBe(
      'nodes[0] is a client of ioredis 5 before 5.4.2: use that or a newer one',
    );
  });

  it('is not its options: an address is given as a URL', () => {
    for (const options of [{ host: 'one' }, { port: 6379, host: 'one' }, { socket: { host: 'one' } }]) {
      expect(refusalOf(options as unknown as string).message).toMatch(
        /got an object; an address is given as a URL, as in redis:\/\/host:port$/,
      );
    }
  });
});

describe('further arguments', () => {
  it('are refused where they would be ignored', async () => {
    const redlock = new Redlock(['redis://127.0.0.1:1']);
    const call = (name: 'readWrite' | 'semaphore' | 'initialize' | 'adopt', ...args: readonly unknown[]) =>
      thrownBy(() => Reflect.apply(redlock[name], redlock, args)) as Error | undefined;
    const hint = 'options go to the calls of what it returns';
    expect(call('readWrite', 'r', { ttl: 1 })?.message).toBe(
      `readWrite takes a resource: got an object besides; ${hint}`,
    );
    expect(call('semaphore', 's', 3, { ttl: 1 })?.message).toBe(
      `semaphore takes a resource and a number of permits: got an object besides; ${hint}`,
    );
    expect(call('semaphore', 's', 3, undefined)).toBeUndefined();
    await expect(Reflect.apply(redlock.initialize, redlock, [{ timeout: 1 }])).rejects.toThrow(
      'initialize takes no argument: got an object besides',
    );
    await redlock.close();
  });
});

describe('a URL that is wrong', () => {
  it.each(['redis:', 'redis:/1', 'redis:1', 'redis://', 'redis:///2', 'rediss:///', 'redis://?db=1'])(
    'because it names no host is refused: %s',
    (url) => {
      expect(refusalOf('redis://one', url).message).toBe(
        'nodes[1] must name a host, as redis://host:port does: got a URL without one',
      );
    },
  );

  it.each([
    'redis://:secret#s@one',
    'redis://:secret/s@one',
    'redis://:secret?s@one',
    'redis://one:99999',
    'redis://::1',
  ])('because it is none is refused, with what it may be: %s', (url) => {
    expect(refusalOf(url).message).toBe(
      'nodes[0] must be a redis:// or rediss:// URL, as redis://host:port is: got something that is no URL; in a user or ' +
        'password #, /, ? and @ must be percent-encoded, a port is 65535 at most, and an IPv6 address stands in [ ]',
    );
  });

  it.each(['one', 'one:6379', '127.0.0.1:6379', '[::1]:6379', 'user:secret@one', '//one', ':secret@one'])(
    'because it has no scheme is told so: %s',
    (url) => {
      expect(refusalOf(url).message).toBe(
        'nodes[0] must be a redis:// or rediss:// URL, as redis://host:port is: got one without a scheme; put redis:// before it',
      );
    },
  );

  it('because it is the path of a socket is told what to give', () => {
    expect(refusalOf('/run/redis.sock').message).toBe(
      'nodes[0] must be a redis:// or rediss:// URL, as redis://host:port is; for a socket, hand in a client',
    );
  });

  it('because it is the address of IPv6 of a client is the same server', () => {
    const client = new Redis({ host: '::1', port: 7001, lazyConnect: true });
    expect(refusalOf('redis://[::1]:7001', client).message).toContain('the same server ([::1]:7001)');
  });

  it.each(['', '  '])('because it is empty is told so: %j', (url) => {
    expect(refusalOf(url).message).toBe(
      'nodes[0] must be a redis:// or rediss:// URL, as redis://host:port is: got an empty string',
    );
  });

  it('because of its scheme, or a very long parameter, is told so in few words', () => {
    expect(refusalOf('https://one').message).toMatch(/: got a URL with https:\/\/$/);
    expect(refusalOf(`${'x'.repeat(1_000_000)}://one`).message.length).toBeLessThan(300);
    expect(refusalOf(`redis://one?${'x'.repeat(1_000_000)}=1`).message.length).toBeLessThan(300);
  });

  it.each([
    [
      'a # that ends it',
      'redis://user:1#secret@one',
      'nodes[0] must have no #: in a user or password it is %23',
    ],
    [
      'a / that ends its host',
      'redis://user:1/secret@one',
      'the path of nodes[0] must be the number of a database: got something else; in a user or password a / is %2F',
    ],
    [
      'a ? that ends its host',
      'redis://user:1?secret@one',
      'the query of nodes[0] may set db, family, username, password and nothing else; in a user or password a ? is %3F',
    ],
    [
      'a ? that ends its host, and = after it',
      'redis://user:1?secret=secret@one',
      'the query of nodes[0] may set db, family, username, password and nothing else; in a user or password a ? is %3F',
    ],
  ])('because its password has %s is refused without it', (_what, url, message) => {
    expect(refusalOf(url).message).toBe(message);
  });

  it.each([
    'keyPrefix',
    'lazyConnect',
    'path',
    'sentinels',
    'commandTimeout',
    'protocol',
    'tls',
    'foo',
    'DB',
    'constructor',
    'enableOfflineQueue',
    'retryStrategy',
    'connectionName',
    'socketTimeout',
  ])('because its query sets %s is refused', (name) => {
    expect(refusalOf(`redis://one?db=1&${name}=secret`).message).toBe(
      `the query of nodes[0] must not set ${name}: it may set db, family, username, password`,
    );
  });

  it.each(['abc', '', '1.5', '-1', '0x1', 'secret'])('because its query sets db to %j is refused', (db) => {
    expect(refusalOf(`redis://one?db=${db}`).message).toBe(
      'db in the query of nodes[0] must be the number of a database: got something else',
    );
  });

  it.each(['5', '', 'IPv4', '04'])('because its query sets family to %j is refused', (family) => {
    expect(refusalOf(`redis://one?family=${family}`).message).toBe(
      'family in the query of nodes[0] must be 0, 4 or 6: got something else',
    );
  });
});

describe('nodes', () => {
  it('that are no list, and options that are none, are not repeated: they may have a password', () => {
    const url = 'redis://:secret@one';
    for (const make of [
      () => checkNodes(url as never),
      () => checkNodes(':secret@one' as never),
      () => new Redlock(url as never),
      () => new Redlock([url], url as never),
      () => new Redlock([url], ':secret@one' as never),
      () => new Redlock([url], { quarantine: url as never }),
    ]) {
      const error = thrownBy(make);
      expect(error).toBeInstanceOf(Error);
      expect(String(error)).not.toContain('secret');
    }
  });

  it('with a hole are refused as those with undefined are', () => {
    const hole = new Array(1);
    for (const nodes of [hole.concat('redis://one'), new Array(3), [undefined, 'redis://one']]) {
      expect(() => checkNodes(nodes as NodeSource[])).toThrow(
        new TypeError(
          'nodes[0] must be a URL, or a client of ioredis, redis, iovalkey, @valkey/valkey-glide: got undefined',
        ),
      );
    }
  });

  it('with a client that turns numbers into strings are taken: its duplicate does not', () => {
    checkNodes([new Redis({ lazyConnect: true, stringNumbers: true })]);
    checkNodes([new Cluster([], { lazyConnect: true, redisOptions: { stringNumbers: true } })]);
  });

  it('of which one can not be duplicated leave none open, and the error has no password in it', () => {
    const first = new LooksLikeIoredis();
    const error = thrownBy(() => openNodes([first, new CanNotBeDuplicated()]));
    expect(error).toEqual(
      new TypeError(
        'nodes[1] could not be duplicated, and the library needs a connection of its own: ' +
          'its duplicate() threw no way to redis://two',
      ),
    );
    expect(error).not.toHaveProperty('cause');
    expect(first.eventNames()).toEqual([]);
    expect(first.duplicates.map(({ isOpen }) => isOpen)).toEqual([false]);
  });

  it.each<[string | number, string]>([
    ['redis://:secret@One:7000', 'cluster one:7000'],
    ['redis://user:secret@one', 'cluster one:6379'],
    ['user:secret@one:7000', 'cluster one:7000'],
    ['one:7000', 'cluster one:7000'],
    [7_000, 'cluster localhost:7000'],
  ])('that are a Cluster are named without a password: %s', (startupNode, address) => {
    const cluster = new Cluster([startupNode], { lazyConnect: true });
    const [client] = openNodes([cluster]);
    expect(client?.address).toBe(address);
    client?.close();
  });
});
