import fc from 'fast-check';
import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, RESP_TYPES } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { fenceKey } from '../../src/fencing/fence-key.ts';
import { redisGuard, StaleTokenError } from '../../src/fencing/index.ts';
import {
  BAD_TOKENS,
  HOSTILE_NAMES,
  interleavings,
  pausedHolderStory,
  playAgainstModel,
  type Store,
} from '../unit/fencing/holders.ts';
import { saveCart } from '../unit/fencing/snippets/http-redis.ts';
import { addToCart } from '../unit/fencing/snippets/redis.ts';

let fleet: Fleet;
let redis: Redis;
let keys = 0;
const freshKey = () => `key ${++keys}`;

beforeAll(async () => {
  fleet = await Fleet.start(1);
  redis = new Redis(fleet.urls[0] ?? '');
});
afterAll(async () => {
  redis.disconnect();
  await fleet.stop();
});

function withBuffers(client: ReturnType<typeof createClient>) {
  return client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

function guardedStore(key = freshKey()): Store {
  const guard = redisGuard(redis);
  return { read: (token) => guard.read(key, token), write: (token, value) => guard.write(key, token, value) };
}

describe('the paused holder', () => {
  it('is refused by the guard, and nothing is lost', async () => {
    const { late, final } = await pausedHolderStory(guardedStore('paused'));
    expect(late).toBeInstanceOf(StaleTokenError);
    expect(late).toMatchObject({ resource: 'paused', token: 10, highest: 11 });
    expect(final).toBe('[11]');
  });

  it('without the guard has its acknowledged write lost', async () => {
    const key = freshKey();
    const { late, final } = await pausedHolderStory({
      read: () => redis.get(key),
      write: async (_token, value) => {
        await redis.set(key, value);
      },
    });
    expect(late).toBe('written');
    expect(final).not.toContain('[10]');
  });
});

describe('any interleaving of holders', () => {
  it('keeps every acknowledged write, in the order of the tokens', async () => {
    await fc.assert(fc.asyncProperty(interleavings, (order) => playAgainstModel(guardedStore(), order)));
  });

  it('fails this very check without the guard', async () => {
    const plain = (key = freshKey()): Store => ({
      read: () => redis.get(key),
      write: async (_token, value) => {
        await redis.set(key, value);
      },
    });
    const details = await fc.check(
      fc.asyncProperty(interleavings, (order) => playAgainstModel(plain(), order)),
    );
    expect(details.failed).toBe(true);
  });

  it('at the same time, from several connections, leaves a value that grew with the tokens', async () => {
    const key = freshKey();
    const connections = [1, 2, 3].map(() => redis.duplicate());
    const guards = connections.map((connection) => redisGuard(connection));
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const token = 1 + ((index * 37) % 60);
        await guards[index % guards.length]?.write(key, token, String(token)).catch((error: unknown) => {
          if (!(error instanceof StaleTokenError)) throw error;
        });
      }),
    );
    expect(outcomes).toHaveLength(60);
    expect(await redis.get(key)).toBe('60');
    for (const connection of connections) connection.disconnect();
  });
});

describe('the keys of redisGuard itself', () => {
  const OWN_KEYS = [
    ['the fence key of a key', fenceKey('cart')],
    ['the fence key of a key with a hash tag', fenceKey('{user}:cart')],
    ['the fence key of a key with a brace', fenceKey('a}b')],
    ['the fence key of a fence key', fenceKey(fenceKey('cart'))],
    ['any key that begins as the keys of the library do', 'quorlock:node'],
  ] as const;

  it.each(OWN_KEYS)('can be neither written, deleted, read nor registered: %s', async (_, key) => {
    const guard = redisGuard(redis);
    await guard.write('cart', 20, 'newer');
    const attempts = [
      () => guard.delete(key, 30),
      () => guard.write(key, 30, '1'),
      () => guard.read(key, 30),
      () => guard.register(key, 30),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toThrow(RangeError);
      await expect(attempt()).rejects.toThrow(JSON.stringify(key));
    }
    await expect(guard.write('cart', 10, 'stale')).rejects.toThrow(StaleTokenError);
    expect(await redis.get('cart')).toBe('newer');
  });

  it.each([
    ['of a client with a prefix, by one without', 'app:', '', 'app:'],
    ['of a client without, by one whose prefix completes it', '', 'quorlock:guard:', ''],
    ['of a client with a prefix, by one with a part of it', 'app:', 'ap', 'p:'],
  ])('can’t be reached around a client’s key prefix: %s', async (_, prefix, otherPrefix, before) => {
    const [owner, other] = [prefix, otherPrefix].map((keyPrefix) => redis.duplicate({ keyPrefix }));
    if (owner === undefined || other === undefined) throw new Error('too few clients');
    onTestFinished(() => {
      owner.disconnect();
      other.disconnect();
    });
    const key = freshKey();
    await redisGuard(owner).write(key, 20, 'newer');
    const fence = prefix + fenceKey(key);
    expect(await redis.get(fence)).toBe('20');
    const reached = before + fenceKey(key).slice(prefix === '' ? otherPrefix.length : 0);
    expect(otherPrefix + reached).toBe(fence);
    await expect(redisGuard(other).delete(reached, 30)).rejects.toThrow(RangeError);
    await expect(redisGuard(other).write(reached, 30, '1')).rejects.toThrow(RangeError);
    await expect(redisGuard(owner).write(key, 10, 'stale')).rejects.toThrow(StaleTokenError);
    expect(await redis.get(prefix + key)).toBe('newer');
  });

  it.each(['nan', 'inf', '-inf', '-5', '0', '1.5', '1e400', '0x10', '9007199254740993', ' 7', ''])(
    'a fence key that holds %j, which is no token, lets nothing through',
    async (text) => {
      const guard = redisGuard(redis);
      const key = freshKey();
      await redis.set(fenceKey(key), text);
      await expect(guard.write(key, 10, 'stale')).rejects.toThrow('does not hold a token');
      expect(await redis.get(key)).toBeNull();
    },
  );
});

describe('redisGuard', () => {
  it('repeats no more of a long key than its beginning in what it says', async () => {
    const key = 'k'.repeat(1_000_000);
    const guard = redisGuard(redis);
    const said: unknown[] = [];
    const note = (error: unknown) => said.push(error);
    await guard.write(`quorlock:${key}`, 10, 'value').catch(note);
    await guard.write(`app:quorlock:guard:${key}`, 10, 'value').catch(note);
    await redis.set(fenceKey(key), 'no token');
    await guard.write(key, 10, 'value').catch(note);
    await redis.set(fenceKey(key), '11');
    await guard.write(key, 10, 'value').catch(note);
    expect(said).toHaveLength(4);
    for (const error of said) expect(String(error).length).toBeLessThan(400);
  });

  it('accepts the same token again and a higher one, and refuses a lower one, in every operation', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    await guard.register(key, 10);
    expect(await guard.read(key, 10)).toBeNull();
    await guard.write(key, 10, 'once');
    await guard.write(key, 11, 'twice');
    const stale = { code: 'QUORLOCK_STALE_TOKEN', resource: key, token: 10, highest: 11 };
    await expect(guard.register(key, 10)).rejects.toMatchObject(stale);
    await expect(guard.read(key, 10)).rejects.toMatchObject(stale);
    await expect(guard.write(key, 10, 'late')).rejects.toMatchObject(stale);
    await expect(guard.delete(key, 10)).rejects.toMatchObject(stale);
    expect(await guard.read(key, 11)).toBe('twice');
  });

  it('remembers the token of a key that was deleted', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    await guard.write(key, 11, 'value');
    expect(await guard.delete(key, 11)).toBe(true);
    expect(await guard.delete(key, 11)).toBe(false);
    await expect(guard.write(key, 10, 'late')).rejects.toThrow(StaleTokenError);
    expect(await redis.exists(key)).toBe(0);
  });

  it('keeps every digit of the largest tokens', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    await guard.register(key, 2 ** 53 - 2);
    await guard.register(key, 2 ** 53 - 1);
    await expect(guard.register(key, 2 ** 53 - 2)).rejects.toMatchObject({ highest: 2 ** 53 - 1 });
    expect(await redis.get(fenceKey(key))).toBe('9007199254740991');
  });

  it('gives a value its ttl and takes it away again, and keeps the fence key for ever', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    await guard.write(key, 1, 'short', { ttlMs: 60_000 });
    expect(await redis.pttl(key)).toBeGreaterThan(50_000);
    expect(await redis.pttl(fenceKey(key))).toBe(-1);
    await guard.write(key, 1, 'long');
    expect(await redis.pttl(key)).toBe(-1);
    await guard.write(key, 1, 'longest', { ttlMs: 2 ** 53 - 1 });
    expect(await redis.get(key)).toBe('longest');
  });

  it('keeps the fence key for retentionMs after the last call', async () => {
    const guard = redisGuard(redis, { retentionMs: 60_000 });
    const key = freshKey();
    await guard.write(key, 1, 'value');
    expect(await redis.pttl(key)).toBe(-1);
    await redis.pexpire(fenceKey(key), 1_000);
    await guard.read(key, 1);
    expect(await redis.pttl(fenceKey(key))).toBeGreaterThan(50_000);
  });

  it('guards a key of another type by register, and passes on that read cannot read it', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    await redis.hset(key, 'field', 'value');
    await guard.register(key, 11);
    await expect(guard.register(key, 10)).rejects.toThrow(StaleTokenError);
    await expect(guard.read(key, 11)).rejects.toThrow('WRONGTYPE');
  });

  it('refuses to go on when something else is in the fence key', async () => {
    const key = freshKey();
    const none = [
      'not a token',
      '',
      'nan',
      '-nan',
      'inf',
      '-inf',
      '1e400',
      '-5',
      '1.5',
      '0x10',
      '9007199254740993',
    ];
    for (const text of none) {
      await redis.set(fenceKey(key), text);
      await expect(redisGuard(redis).write(key, 1, 'value')).rejects.toThrow('does not hold a token');
      expect(await redis.get(fenceKey(key))).toBe(text);
    }
    await redis.del(fenceKey(key));
    await redis.rpush(fenceKey(key), 'list');
    await expect(redisGuard(redis).write(key, 1, 'value')).rejects.toThrow('does not hold a token');
    expect(await redis.exists(key)).toBe(0);
    expect(await redis.exists(key)).toBe(0);
  });

  it.each(HOSTILE_NAMES)('takes the key %j as it is', async (key) => {
    const guard = redisGuard(redis);
    await guard.write(key, 2, 'value');
    await expect(guard.write(key, 1, 'late')).rejects.toMatchObject({ resource: key, highest: 2 });
    expect(await redis.get(key)).toBe('value');
  });

  it('keeps values of any text as they are', async () => {
    const guard = redisGuard(redis);
    const key = freshKey();
    for (const value of ['', '0', 'line\nbreak\0 🔒', 'x'.repeat(100_000)]) {
      await guard.write(key, 1, value);
      expect(await guard.read(key, 1)).toBe(value);
    }
  });

  it.each(BAD_TOKENS)('refuses %o as a token, and asks nothing of Redis', async (token, kind) => {
    const guard = redisGuard({ eval: () => Promise.reject(new Error('asked')) });
    await expect(guard.read('key', token as number)).rejects.toThrow(kind);
    await expect(guard.write('key', token as number, 'value')).rejects.toThrow(/^token must be/);
  });

  it.each(['', '\ud800', undefined])('refuses %o as a key', async (key) => {
    await expect(redisGuard(redis).read(key as string, 1)).rejects.toThrow(/^key must be/);
  });

  it('refuses a value that is no string, and durations out of bounds', async () => {
    const guard = redisGuard(redis);
    await expect(guard.write('key', 1, 7 as unknown as string)).rejects.toThrow(
      'value must be a string, but is 7',
    );
    await expect(guard.write('key', 1, 'value', { ttlMs: 0 })).rejects.toThrow(/^ttlMs must be/);
    expect(() => redisGuard(redis, { retentionMs: 1.5 })).toThrow(/^retentionMs must be/);
  });

  it('says so when the client does not give the reply as it is', async () => {
    const guard = redisGuard({ eval: async () => 'ok' });
    await expect(guard.register('key', 1)).rejects.toThrow('client.eval must resolve to the script');
  });
});

describe('on a Redis Cluster', () => {
  let cluster: Fleet;
  let node: Redis;
  let client: Cluster;

  beforeAll(async () => {
    cluster = await Fleet.start(1, { cluster: true });
    const { hostname, port } = new URL(cluster.urls[0] ?? '');
    node = new Redis(Number(port), hostname);
    client = new Cluster([{ host: hostname, port: Number(port) }]);
  });
  afterAll(async () => {
    client.disconnect();
    node.disconnect();
    await cluster.stop();
  });

  it('keeps the fence key of any key in its slot', async () => {
    const key = fc.oneof(
      fc.constantFrom(...HOSTILE_NAMES),
      fc.string({ unit: fc.constantFrom('{', '}', 'a', 'b', 'é', '🔒'), minLength: 1, maxLength: 8 }),
    );
    await fc.assert(
      fc.asyncProperty(key, async (name) => {
        const slots = await Promise.all([name, fenceKey(name)].map((each) => node.cluster('KEYSLOT', each)));
        expect(slots[1]).toBe(slots[0]);
      }),
      { numRuns: 500 },
    );
  });

  it.each(HOSTILE_NAMES)('guards the key %j', async (key) => {
    const guard = redisGuard(node);
    await guard.write(key, 11, 'value');
    await expect(guard.write(key, 10, 'late')).rejects.toThrow(StaleTokenError);
    expect(await guard.read(key, 11)).toBe('value');
  });

  it('takes an ioredis Cluster client', async () => {
    const guard = redisGuard(client);
    await guard.write('stock', 11, 'value');
    await expect(guard.write('stock', 10, 'late')).rejects.toThrow(StaleTokenError);
  });

  it('works with a key prefix that has a hash tag, and says CROSSSLOT with one that has none', async () => {
    const url = cluster.urls[0] ?? '';
    const tagged = new Redis(url, { keyPrefix: '{app}:' });
    await redisGuard(tagged).write('stock', 11, 'value');
    await expect(redisGuard(tagged).write('stock', 10, 'late')).rejects.toThrow(StaleTokenError);
    const untagged = new Redis(url, { keyPrefix: 'app:' });
    await expect(redisGuard(untagged).write('stock', 11, 'value')).rejects.toThrow('CROSSSLOT');
    tagged.disconnect();
    untagged.disconnect();
  });
});

describe('the snippets of docs/fencing.md', () => {
  it('guard a key over ioredis', async () => {
    await addToCart(redis, { token: 11 }, 'pen');
    await expect(addToCart(redis, { token: 10 }, 'late')).rejects.toThrow(StaleTokenError);
    await addToCart(redis, { token: 11 }, 'ink');
    expect(await redis.get('cart:7')).toBe('["pen","ink"]');
  });

  it('guard a request in front of Redis', async () => {
    const headers = (token: number) => ({ 'fencing-token': String(token) });
    await saveCart(headers(21), redis, '["stamp"]');
    await expect(saveCart(headers(20), redis, '["late"]')).rejects.toThrow(StaleTokenError);
    expect(await redis.get('cart:7')).toBe('["stamp"]');
  });

  it.each([
    ['6', () => createClient({ url: fleet.urls[0] ?? '' })],
    ['5', () => createClient5({ url: fleet.urls[0] ?? '' })],
    ['6, which gives Buffers,', () => withBuffers(createClient({ url: fleet.urls[0] ?? '' }))],
    ['6, in a pool,', () => createClientPool({ url: fleet.urls[0] ?? '' })],
  ])('guard a key over node-redis %s', async (_, make) => {
    const client = make();
    await client.connect();
    const guard = redisGuard(client);
    const key = freshKey();
    expect(await guard.read(key, 11)).toBeNull();
    await guard.write(key, 11, 'value', { ttlMs: 60_000 });
    await expect(guard.write(key, 10, 'late')).rejects.toMatchObject({ highest: 11 });
    expect(await guard.read(key, 11)).toBe('value');
    expect(await guard.delete(key, 11)).toBe(true);
    client.destroy();
  });

  it('refuse at once what is no client', () => {
    const message =
      'client must be a client of ioredis, iovalkey or node-redis, or have their eval(): got an object';
    expect(() => redisGuard({} as Redis)).toThrow(message);
    expect(() => redisGuard(undefined as unknown as Redis)).toThrow('got undefined');
  });
});
