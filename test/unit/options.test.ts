import { describe, expect, it } from 'vitest';
import { nodeTimeoutFor } from '../../src/lock/lease.ts';
import {
  checkTtl,
  maxHoldOf,
  type RedlockOptions,
  resolveOptions,
  waitTimeOf,
} from '../../src/redlock/options.ts';
import { World } from './world.ts';

const YEAR_MS = 31_536_000_000;

/** Values that are no number at all. */
const NO_NUMBERS: readonly unknown[] = ['1', null, true, {}, [], () => 1, 1n];

describe('the defaults', () => {
  it('are as documented', () => {
    expect(resolveOptions({})).toMatchObject({
      ttl: 10_000,
      maxTtl: 30_000,
      waitTime: 10_000,
      connectTimeout: 1_000,
      driftFactor: 0.01,
      keyPrefix: 'lock:',
      fencing: true,
      fenceRetention: 3_600_000,
    });
  });

  it('hold for options that are undefined', () => {
    expect(resolveOptions({ ttl: undefined, waitTime: undefined })).toEqual(resolveOptions({}));
  });

  it('of nodeTimeout follow the ttl: a quarter of it, 1 ms at the least', () => {
    const settings = resolveOptions({});
    const timeouts = [1, 4, 8, 100, 200, 10_000].map((ttl) => nodeTimeoutFor(settings, ttl));
    expect(timeouts).toEqual([1, 1, 2, 25, 50, 2_500]);
  });

  it('of ttl and fenceRetention follow maxTtl', () => {
    expect(resolveOptions({ maxTtl: 1_000 }).ttl).toBe(1_000);
    expect(resolveOptions({ maxTtl: YEAR_MS }).fenceRetention).toBeGreaterThanOrEqual(YEAR_MS);
  });
});

describe('a number out of its bounds', () => {
  it.each<[keyof RedlockOptions, readonly number[], RegExp]>([
    ['ttl', [0, -1, 1.5, 30_001, Number.NaN, Number.POSITIVE_INFINITY], /^ttl .*1 to maxTtl \(30000\)/],
    ['maxTtl', [0, -1, 1.5, YEAR_MS + 1, Number.NaN, Number.POSITIVE_INFINITY], /^maxTtl .*1 to 31536000000/],
    ['waitTime', [-1, -0.1, Number.NaN], /^waitTime must be at least 0/],
    ['nodeTimeout', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY], /^nodeTimeout .*1 to/],
    ['connectTimeout', [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY], /^connectTimeout .*1 to/],
    ['driftFactor', [-0.01, 0.51, Number.NaN, Number.POSITIVE_INFINITY], /^driftFactor .*0 to 0\.5/],
    [
      'fenceRetention',
      [0, 29_999, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
      /^fenceRetention .* from \d+ to/,
    ],
  ])('of %s is a RangeError that names option, bound and value', (name, values, message) => {
    for (const value of values) {
      expect(() => resolveOptions({ [name]: value })).toThrow(RangeError);
      expect(() => resolveOptions({ [name]: value })).toThrow(message);
      expect(() => resolveOptions({ [name]: value })).toThrow(`got ${value}`);
    }
  });

  it.each<[keyof RedlockOptions, readonly number[]]>([
    ['ttl', [4, 10_000, 30_000]],
    ['maxTtl', [4, 2 ** 31, YEAR_MS]],
    ['waitTime', [0, 0.5, Number.POSITIVE_INFINITY]],
    ['nodeTimeout', [1, 9_999]],
    ['connectTimeout', [1, 60_000]],
    ['driftFactor', [0, 0.01, 0.5]],
    ['fenceRetention', [60_000, YEAR_MS]],
  ])('of %s begins only behind the bound', (name, values) => {
    for (const value of values) expect(resolveOptions({ [name]: value })).toMatchObject({ [name]: value });
  });
});

describe('a value of a wrong type', () => {
  it.each<[keyof RedlockOptions, string, readonly unknown[]]>([
    ['ttl', 'number', NO_NUMBERS],
    ['maxTtl', 'number', NO_NUMBERS],
    ['waitTime', 'number', NO_NUMBERS],
    ['nodeTimeout', 'number', NO_NUMBERS],
    ['connectTimeout', 'number', NO_NUMBERS],
    ['driftFactor', 'number', NO_NUMBERS],
    ['fenceRetention', 'number', NO_NUMBERS],
    ['keyPrefix', 'string', [1, null, true, {}]],
    ['fencing', 'boolean', [1, 0, 'true']],
    ['onWarning', 'function', ['console.log', 1, {}]],
  ])('of %s is a TypeError that names it and %s', (name, type, values) => {
    for (const value of values.filter((value) => value !== null)) {
      const options = { [name]: value } as RedlockOptions;
      expect(() => resolveOptions(options)).toThrow(TypeError);
      expect(() => resolveOptions(options)).toThrow(`${name} must be a ${type}: got `);
    }
  });

  it('is null too, where undefined would be the default', () => {
    for (const name of ['keyPrefix', 'fencing', 'ttl', 'onWarning'] as const) {
      const options = { [name]: null } as unknown as RedlockOptions;
      expect(() => resolveOptions(options)).toThrow(TypeError);
    }
  });

  it.each([
    [null, 'null'],
    ['options', 'a string'],
    [1, '1'],
    [[], 'an array'],
    [new Map(), 'an object (Map)'],
    [Promise.resolve({}), 'an object (Promise)'],
    [() => ({}), 'a function'],
  ])('of the options themselves, %o, is a TypeError', (options, got) => {
    expect(() => resolveOptions(options as RedlockOptions)).toThrow(
      new TypeError(`options must be an object of options: got ${got}`),
    );
  });

  it('is no object that has a class, or no prototype', () => {
    class Configuration {
      readonly ttl = 7_000;
    }
    expect(resolveOptions(new Configuration()).ttl).toBe(7_000);
    expect(resolveOptions(Object.assign(Object.create(null), { ttl: 7_000 })).ttl).toBe(7_000);
  });

  it('of quarantine names the choices', () => {
    expect(() => resolveOptions({ quarantine: 'on' } as unknown as RedlockOptions)).toThrow(
      /^quarantine must be one of "auto", "strict", "off": got "on"$/,
    );
  });
});

describe("a keyPrefix that makes every key one of the library's own", () => {
  it.each(['quorlock:', 'quorlock:node', 'quorlock:shop:'])(
    'is a RangeError that names it: %s',
    (keyPrefix) => {
      const make = () => resolveOptions({ keyPrefix });
      expect(make).toThrow(RangeError);
      expect(make).toThrow(
        `keyPrefix must not begin with "quorlock:", which is the library's own: got "${keyPrefix}"`,
      );
    },
  );

  it.each(['', 'quorlock', 'quorlock-shop:', 'shop:quorlock:'])(
    'is none that only looks like it: %j',
    (keyPrefix) => expect(resolveOptions({ keyPrefix }).keyPrefix).toBe(keyPrefix),
  );
});

describe('a keyPrefix', () => {
  it('has at most 1 024 characters', () => {
    expect(resolveOptions({ keyPrefix: 'x'.repeat(1_024) }).keyPrefix).toHaveLength(1_024);
    const make = () => resolveOptions({ keyPrefix: 'x'.repeat(1_025) });
    expect(make).toThrow(RangeError);
    expect(make).toThrow(/^keyPrefix must have at most 1024 characters: got "x+"… \(1025 characters\)$/);
  });
});

describe('a keyPrefix with half of a character', () => {
  it('is a RangeError: nodes would keep it as another one', () => {
    expect(() => resolveOptions({ keyPrefix: '\ud83d:' })).toThrow(
      new RangeError('keyPrefix must have no half of a character: got "\\ud83d:"'),
    );
  });
});

describe('an option that does not exist', () => {
  it('is a TypeError with those that do', () => {
    expect(() => resolveOptions({ retryCount: 3 } as RedlockOptions)).toThrow(
      /^there is no option "retryCount"; there are ttl, maxTtl, /,
    );
  });

  it('of a call is one too', async () => {
    const redlock = new World(1).redlock();
    const options = { retryCount: 3 } as object;
    await expect(redlock.acquire('r', options)).rejects.toThrow('there is no acquire option "retryCount"');
    await expect(redlock.tryAcquire('r', options)).rejects.toThrow(
      'there is no tryAcquire option "retryCount"',
    );
    await expect(redlock.using('r', options, () => 1)).rejects.toThrow(
      'there is no using option "retryCount"',
    );
  });
});

describe('relations between options', () => {
  it('nodeTimeout is less than the ttl', () => {
    expect(() => resolveOptions({ nodeTimeout: 10_000 })).toThrow(
      /nodeTimeout must be less than the ttl.*got nodeTimeout 10000 and ttl 10000/,
    );
  });

  it('nodeTimeout is less than the ttl of a single call', () => {
    const settings = resolveOptions({ nodeTimeout: 500 });
    expect(() => checkTtl(settings, 500)).toThrow(RangeError);
    checkTtl(settings, 501);
  });

  it('ttl is more than drift may take of it', () => {
    for (const ttl of [1, 2, 3]) {
      expect(() => resolveOptions({ ttl })).toThrow(
        new RegExp(`ttl must be more than the 3 ms that clock drift may take.*got ${ttl}`),
      );
    }
    expect(resolveOptions({ ttl: 3, driftFactor: 0 }).ttl).toBe(3);
  });

  it('fenceRetention outlives the longest lock', () => {
    expect(() => resolveOptions({ maxTtl: 60_000, fenceRetention: 59_999 })).toThrow(RangeError);
  });
});

describe('the options of a call', () => {
  it('have the same bounds', async () => {
    const redlock = new World(1).redlock();
    for (const ttl of [0, -1, 1.5, 30_001, Number.NaN]) {
      await expect(redlock.acquire('r', { ttl })).rejects.toThrow(`got ${ttl}`);
      await expect(redlock.tryAcquire('r', { ttl })).rejects.toThrow(RangeError);
      await expect(redlock.using('r', { ttl }, () => 1)).rejects.toThrow(RangeError);
    }
    await expect(redlock.acquire('r', { waitTime: -1 })).rejects.toThrow(/^waitTime must be at least 0/);
    await expect(redlock.using('r', { maxHold: 0 }, () => 1)).rejects.toThrow(/^maxHold must be at least 1/);
    await expect(redlock.acquire('r', { signal: {} as AbortSignal })).rejects.toThrow(
      'signal must be an AbortSignal: got an object',
    );
  });

  it('fall back to those of the Redlock', () => {
    const settings = resolveOptions({ waitTime: 7 });
    expect(waitTimeOf(settings, {})).toBe(7);
    expect(waitTimeOf(settings, { waitTime: 0 })).toBe(0);
    expect(maxHoldOf({})).toBe(Number.POSITIVE_INFINITY);
  });

  it('are checked before anything is sent', async () => {
    const world = new World(1);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    const before = world.commands;
    await expect(redlock.acquire('r', { ttl: 0 })).rejects.toThrow(RangeError);
    await expect(redlock.using('r', {}, 'no function' as unknown as () => void)).rejects.toThrow(
      'routine must be a function: got "no function"',
    );
    await world.clock.runAll();
    expect(world.commands).toEqual(before);
  });
});
