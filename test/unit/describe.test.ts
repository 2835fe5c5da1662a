import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  describe as describeValue,
  list,
  messageOf,
  onOneLine,
  quote,
  quoteAll,
  shorten,
} from '../../src/base/describe.ts';

const HUGE = 'x'.repeat(1_000_000);

describe('a value in a message', () => {
  it.each([
    ['text', '"text"'],
    ['two\nlines', '"two\\nlines"'],
    [undefined, 'undefined'],
    [null, 'null'],
    [Number.NaN, 'NaN'],
    [[], 'an array'],
    [{}, 'an object'],
    [new Map(), 'an object (Map)'],
    [() => 0, 'a function'],
    [Symbol('s'), 'Symbol(s)'],
    [1n, '1n'],
  ])('is shown: %o', (value, shown) => expect(describeValue(value)).toBe(shown));

  it.each([
    [HUGE],
    ['\n'.repeat(1_000_000)],
    [10n ** 100_000n],
    [Symbol(HUGE)],
    [{ [Symbol.toStringTag]: HUGE }],
    [Object.create(null)],
  ])('is short, whatever it is', (value) => expect(describeValue(value).length).toBeLessThan(300));

  it('says how long it is if it is not shown as a whole', () => {
    expect(quote(HUGE)).toBe(`"${'x'.repeat(100)}"… (1000000 characters)`);
    expect(shorten(HUGE)).toBe(`${'x'.repeat(100)}… (1000000 characters)`);
    expect(shorten('😀'.repeat(100), 99)).toBe(`${'😀'.repeat(49)}… (200 characters)`);
  });
});

describe('a URL in a message', () => {
  const URLS = ['redis://bob:s3cret@one:1/0', 'rediss://:s3cret/s@cret@one', '  redis://s3cret@one and more'];

  it('has no user and no password', () => {
    for (const url of URLS) {
      for (const told of [describeValue(url), quote(url), messageOf(new Error(url)), messageOf(url)]) {
        expect(told).not.toMatch(/cret|bob/);
        expect(told).toContain('://***@one');
      }
    }
    expect(quote('mail to@one and http://two')).toBe('"mail to@one and http://two"');
  });

  it('costs no time to speak of, however many there seem to be', () => {
    expect(quote(`@${'://'.repeat(300_000)}`).length).toBeLessThan(300);
    expect(quote('://@ '.repeat(200_000)).length).toBeLessThan(300);
  });
});

describe('names in a message', () => {
  it('are all there if they are few, and else the first ones', () => {
    expect(quoteAll(['a', 'b'])).toBe('"a", "b"');
    expect(quoteAll(Array.from({ length: 1_000 }, (_, index) => `name-${index}`))).toBe(
      '"name-0", "name-1", "name-2", "name-3", "name-4" and 995 more',
    );
    expect(list(['a', 'b', 'c'], 2, '; ')).toBe('a; b and 1 more');
  });
});

describe('what an error says', () => {
  it('is its message, of whatever realm it is', () => {
    expect(messageOf(new Error('it broke'))).toBe('it broke');
    expect(messageOf(runInNewContext("new Error('it broke')"))).toBe('it broke');
    expect(messageOf('it broke')).toBe('it broke');
  });

  it('is what its parts say where it says nothing, or its code', () => {
    const parts = [new Error('connect ECONNREFUSED ::1:1'), new Error('connect ECONNREFUSED 127.0.0.1:1')];
    expect(messageOf(new AggregateError(parts))).toBe(
      'connect ECONNREFUSED ::1:1, connect ECONNREFUSED 127.0.0.1:1',
    );
    expect(messageOf(Object.assign(new Error(''), { code: 'ECONNRESET' }))).toBe('ECONNRESET');
  });

  it('is something short for what is no error', () => {
    for (const thrown of [undefined, null, 7, {}, Object.create(null), Symbol('s'), { message: 7 }]) {
      expect(messageOf(thrown).length).toBeGreaterThan(0);
    }
  });

  it('does not repeat the arguments of a command that a server does not know', () => {
    expect(messageOf(new Error("ERR unknown command 'AUTH', with args beginning with: 'secret' \n"))).toBe(
      "ERR unknown command 'AUTH'",
    );
  });

  it('is put on one line', () => {
    expect(onOneLine('one\r\ntwo\u2028three\t\u001b[31m ')).toBe('one two three [31m');
  });
});
