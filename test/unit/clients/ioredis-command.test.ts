import { Cluster, Command, Redis } from 'ioredis';
import { Cluster as Cluster5, Redis as Redis5 } from 'ioredis-5';
import { describe, expect, it } from 'vitest';
import { slotOf } from '../../../src/base/companion-key.ts';
import { callSenderOf, encodeCall } from '../../../src/wire/clients/ioredis-command.ts';

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
    expect(bytesOf(encodeCall('evalsha', SHA1, keys, args))).toBe(asTheDriver(keys, args));
  });

  it('is what the driver would send where the call before it was like it', () => {
    const calls: readonly (readonly [keys: readonly string[], args: readonly (string | number)[]])[] = [
      [['k'], ['quorum', 7, 'value']],
      [['k'], ['quorum', 8, 'value']],
      [['k'], ['quorum', '', 'value']],
      [['k'], ['quorum', '🔒', 'value']],
      [['k'], ['quorum', 10, 'other']],
      [['k'], ['another', 10, 'other']],
      [['l'], ['another', 10, 'other']],
      [
        ['l', 'm'],
        ['another', 10, 'other'],
      ],
      [
        ['l', 'm'],
        ['another', 10, 'other', 'more'],
      ],
      [
        ['l', 'm'],
        ['another', 10, 'other', 0],
      ],
      [
        ['l', 'm'],
        ['another', 10, 'other', ''],
      ],
      [['l', 'm'], ['another']],
      [['l', 'm'], []],
    ];
    for (const [keys, args] of calls)
      expect(bytesOf(encodeCall('evalsha', SHA1, keys, args))).toBe(asTheDriver(keys, args));
  });

  it('is another call for another script, and for EVAL', () => {
    const texts = [
      encodeCall('evalsha', 'a', [], ['']),
      encodeCall('evalsha', 'b', [], ['']),
      encodeCall('eval', 'b', [], ['']),
      encodeCall('eval', 'a', [], ['']),
    ];
    expect(new Set(texts).size).toBe(4);
  });
});

const LAZY = { lazyConnect: true };

describe('which clients get their commands put together', () => {
  it.each([
    ['ioredis 6', () => new Redis(LAZY)],
    ['ioredis 5, another copy of the driver than the library has', () => new Redis5(LAZY)],
    ['a class of the program’s own', () => new (class extends Redis {})(LAZY)],
  ])('%s: sends what was put together, and passes the answer on', async (_, make) => {
    const client = make();
    const written: string[] = [];
    client.sendCommand = (command: object) => {
      const { toWritable, resolve, promise } = command as Command;
      written.push(bytesOf(toWritable.call(command as Command, {})));
      resolve([Buffer.from('text'), 7]);
      return promise;
    };
    const send = callSenderOf(client);
    expect(written).toEqual([]);
    expect(await send?.('evalsha', SHA1, ['schlüssel 🔒'], ['v', 1])).toEqual(['text', 7]);
    expect(written).toEqual([asTheDriver(['schlüssel 🔒'], ['v', 1])]);
  });

  it.each([
    ['6', () => new Cluster([], LAZY)],
    ['5', () => new Cluster5([], LAZY)],
  ])('a Cluster of ioredis %s, which is told the keys', async (_, make) => {
    const client = make();
    const slots: unknown[] = [];
    client.sendCommand = (command: object) => {
      const { resolve, promise } = command as Command;
      slots.push((command as Command).getSlot());
      resolve([]);
      return promise;
    };
    await callSenderOf(client)?.('evalsha', SHA1, ['lock:a', 'quorlock:fence:{lock:a}'], ['v']);
    await callSenderOf(client)?.('eval', 'return 1', ['lock:a'], ['v']);
    expect(slots).toEqual([slotOf('lock:a'), slotOf('lock:a')]);
  });
});
