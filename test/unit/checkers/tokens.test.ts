import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findTokenFaults, type Grant } from '../../../src/testing/checkers/tokens.ts';

function grant(holder: string, token: number, requestedAt: number, grantedAt: number): Grant {
  return { holder, token, requestedAt, grantedAt };
}

function faultsOf(grants: readonly Grant[]): string[] {
  return findTokenFaults(grants).map(
    ({ kind, earlier, later }) => `${kind} ${earlier.holder}${later.holder}`,
  );
}

describe('finds nothing', () => {
  test('in no grants, and in one', () => {
    expect(faultsOf([])).toEqual([]);
    expect(faultsOf([grant('a', 1, 0, 10)])).toEqual([]);
  });

  test('in tokens that grow, with gaps, in whatever order they are given', () => {
    expect(faultsOf([grant('c', 900, 40, 50), grant('a', 1, 0, 10), grant('b', 7, 20, 30)])).toEqual([]);
  });

  test('in a lower token for a request that was under way when the higher one was granted', () => {
    expect(faultsOf([grant('a', 2, 0, 10), grant('b', 1, 9, 20)])).toEqual([]);
  });

  test('in a lower token for a request in the very moment of the grant', () => {
    expect(faultsOf([grant('a', 2, 0, 10), grant('b', 1, 10, 20)])).toEqual([]);
  });
});

describe('where the lock is shared', () => {
  const shared = (holder: string, token: number, requestedAt: number, grantedAt: number) => ({
    ...grant(holder, token, requestedAt, grantedAt),
    isShared: true,
  });

  test('sharers may have one token among them', () => {
    expect(faultsOf([shared('a', 1, 0, 10), shared('b', 1, 5, 20), shared('c', 1, 12, 30)])).toEqual([]);
  });

  test('no exclusive holder may have it too, before them or after', () => {
    expect(faultsOf([shared('a', 1, 0, 10), shared('b', 1, 0, 11), grant('c', 1, 0, 12)])).toEqual([
      'duplicate ac',
    ]);
    expect(faultsOf([grant('a', 1, 0, 10), shared('b', 1, 5, 20)])).toEqual(['duplicate ab']);
  });

  test('a lower one than any earlier holder had is found', () => {
    expect(faultsOf([shared('a', 2, 0, 10), shared('b', 1, 11, 20)])).toEqual(['inversion ab']);
    expect(faultsOf([grant('a', 2, 0, 10), shared('b', 1, 11, 20)])).toEqual(['inversion ab']);
    expect(faultsOf([shared('a', 2, 0, 10), grant('b', 1, 11, 20)])).toEqual(['inversion ab']);
  });
});

describe('finds', () => {
  test('a planted inversion: asked after the grant of a higher token', () => {
    const a = grant('a', 2, 0, 10);
    const b = grant('b', 1, 11, 20);

    expect(findTokenFaults([b, a])).toEqual([{ kind: 'inversion', earlier: a, later: b }]);
  });

  test('an inversion over other grants in between', () => {
    expect(
      faultsOf([
        grant('a', 5, 0, 10),
        grant('b', 2, 0, 15),
        grant('c', 3, 12, 20),
        grant('d', 6, 21, 30),
        grant('e', 4, 31, 40),
      ]),
    ).toEqual(['inversion ac', 'inversion de']);
  });

  test('a token given twice, to requests under way together as well', () => {
    expect(faultsOf([grant('a', 1, 0, 10), grant('b', 1, 5, 20)])).toEqual(['duplicate ab']);
    expect(faultsOf([grant('a', 1, 0, 10), grant('b', 1, 15, 20)])).toEqual(['duplicate ab']);
  });

  test('the grants that a comparison of all pairs finds', () => {
    const grants = fc.array(fc.tuple(fc.nat(50), fc.nat(10), fc.nat(60)), { maxLength: 40 });
    fc.assert(
      fc.property(grants, (drawn) => {
        const named = drawn.map(([from, wait, token], index) => grant(`${index}`, token, from, from + wait));
        const found = findTokenFaults(named)
          .filter(({ kind }) => kind === 'inversion')
          .map(({ later }) => later.holder);
        expect(found.sort()).toEqual(bruteForceInverted(named).sort());
      }),
    );
  });
});

test.each([
  ['before its request', 10, 9],
  ['at no time', 10, Number.NaN],
])('refuses a grant %s', (_, requestedAt, grantedAt) => {
  expect(() => findTokenFaults([grant('a', 1, requestedAt, grantedAt)])).toThrow(RangeError);
});

function bruteForceInverted(grants: readonly Grant[]): string[] {
  return grants
    .filter((later) =>
      grants.some((earlier) => earlier.grantedAt < later.requestedAt && earlier.token > later.token),
    )
    .map(({ holder }) => holder);
}
