import { describe, expect, it } from 'vitest';
import { assertFencingToken, StaleTokenError } from '../../../src/fencing/index.ts';
import { BAD_TOKENS } from './holders.ts';

describe('assertFencingToken', () => {
  it.each([1, 10, 2 ** 53 - 1])('accepts %d', (token) => {
    expect(() => assertFencingToken(token)).not.toThrow();
  });

  it.each(BAD_TOKENS)(
    'refuses %o with a %o that names the argument, the bound and the value',
    (token, kind) => {
      const attempt = () => assertFencingToken(token, 'lock.token');
      expect(attempt).toThrow(kind);
      expect(attempt).toThrow(/^lock\.token must be .*an integer from 1 to 9007199254740991/);
      expect(attempt).toThrow(
        typeof token === 'object' && token !== null ? 'an object' : String(token).replace(/n$/, ''),
      );
    },
  );

  it.each([
    [null, 'null'],
    [[1], 'an array'],
    [{}, 'an object'],
    [() => 1, 'a function'],
    [Symbol('1'), 'a symbol'],
    [true, 'true'],
  ])('shows %o as %s', (token, shown) => {
    expect(() => assertFencingToken(token)).toThrow(`but is ${shown}: pass lock.token as it is`);
  });

  it('says what to pass instead of a string, and cuts a long one', () => {
    expect(() => assertFencingToken('9'.repeat(500))).toThrow(
      new TypeError(
        `token must be a number, an integer from 1 to 9007199254740991, but is the string "${'9'.repeat(100)}"… (500 characters): pass lock.token as it is`,
      ),
    );
  });
});

describe('StaleTokenError', () => {
  it('carries a code, the resource, the token and the highest, and says what to do', () => {
    const error = new StaleTokenError('order:7', 10, 11);
    expect(error).toMatchObject({
      name: 'StaleTokenError',
      code: 'QUORLOCK_STALE_TOKEN',
      resource: 'order:7',
      token: 10,
      highest: 11,
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.message).toBe(
      'fencing token 10 is stale: "order:7" has seen token 11, so the lock has a newer holder. ' +
        'The call changed nothing. Drop this work and acquire the lock again; this token stays refused.',
    );
  });

  it('does without the highest token where the resource did not say', () => {
    const error = new StaleTokenError('order:7', 10);
    expect(error.highest).toBeUndefined();
    expect(error.message).toContain('has seen a higher one');
  });

  it('keeps a hostile resource name on one line of a log', () => {
    expect(new StaleTokenError('a\nERROR forged', 10, 11).message).not.toContain('\n');
  });
});
