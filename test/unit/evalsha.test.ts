import { Cluster, Command, Redis } from 'ioredis';
import { Redis as Redis5 } from 'ioredis-5';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { evalshaSenderOf } from '../../src/wire/ioredis-command.ts';
import { encodeEvalsha } from '../../src/wire/resp.ts';

const SHA1 = 'b'.repeat(40);

/** In bytes, one hexadecimal number after the other. */
function bytesOf(written: string | Buffer): string {
  return Buffer.from(written as string).toString('hex');
}

function asTheDriver(keys: readonly string[], args: readonly (string | number)[]): string {
  return bytesOf(new Command('evalsha', [SHA1, keys.length, ...keys, ...args]).toWritable({}));
}

describe('EVALSHA put together', () => {
  it.each([
    ['nothing', [], []],
    ['keys and arguments', ['k', 'quorlock:fence:{k}'], ['value', '']],
    ['numbers', ['k'], [0, 10_000, 1_795_798_800_123_456, -5]],
    ['other letters than ASCII', ['schlüssel', '鍵', '🔒'], ['ü', 'plain']],
    ['half of a letter', ['\ud83d'], ['\udd12']],
    ['line ends', ['a\r\nb'], ['\r\n']],
    ['long arguments', ['k'.repeat(5_000), 'ü'.repeat(1_500)], ['v'.repeat(1_024)]],
  ])('is what the driver would send: %s', (_, keys, args) => {
    expect(bytesOf(encodeEvalsha(SHA1, keys, args))).toBe(asTheDriver(keys, args));
  });
});

describe('a program that has ioredis 5', () => {
  afterEach(() => {
    vi.doUnmock('ioredis');
    vi.resetModules();
  });

  it('gets its commands put together as well', async () => {
    vi.doMock('ioredis', () => import('ioredis-5'));
    vi.resetModules();
    const module = await import('../../src/wire/ioredis-command.ts');
    const client = new Redis5({ lazyConnect: true });
    const written: string[] = [];
    client.sendCommand = (command) => {
      written.push(bytesOf(command.toWritable({} as never)));
      command.resolve([Buffer.from('text'), 7]);
      return command.promise;
    };
    const send = module.evalshaSenderOf(client);
    expect(await send?.(SHA1, ['schlüssel 🔒'], ['v', 1])).toEqual(['text', 7]);
    expect(written).toEqual([asTheDriver(['schlüssel 🔒'], ['v', 1])]);
  });
});

describe('which clients get their commands put together', () => {
  const lazy = { lazyConnect: true };

  it('a Redis that only writes what it gets', () => {
    expect(evalshaSenderOf(new Redis(lazy))).toBeDefined();
  });

  it.each([
    ['keyPrefix', { keyPrefix: 'app:' }],
    ['enableAutoPipelining', { enableAutoPipelining: true }],
    ['showFriendlyErrorStack', { showFriendlyErrorStack: true }],
  ])('not one with %s', (_, options) => {
    expect(evalshaSenderOf(new Redis({ ...lazy, ...options }))).toBeUndefined();
  });

  it('not a Cluster, nor a client of another copy of the driver', () => {
    expect(evalshaSenderOf(new Cluster([], lazy))).toBeUndefined();
    expect(evalshaSenderOf(new Redis5(lazy))).toBeUndefined();
  });

  it('sends what it put together, and passes the answer on', async () => {
    const client = new Redis(lazy);
    const written: string[] = [];
    client.sendCommand = (command) => {
      written.push(bytesOf((command as Command).toWritable({})));
      (command as Command).resolve([Buffer.from('text'), 7]);
      return (command as Command).promise;
    };
    const send = evalshaSenderOf(client);
    expect(await send?.(SHA1, ['schlüssel 🔒'], ['v', 1])).toEqual(['text', 7]);
    expect(written).toEqual([asTheDriver(['schlüssel 🔒'], ['v', 1])]);
  });
});
