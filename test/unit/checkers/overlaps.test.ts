import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findOverlaps, type Interval, type SharedInterval } from '../../../src/testing/checkers/overlaps.ts';

function interval(holder: string, from: number, to: number): Interval {
  return { holder, from, to };
}

function pairsOf(intervals: readonly SharedInterval[]): string[] {
  return findOverlaps(intervals).map(({ first, second }) => `${first.holder}${second.holder}`);
}

describe('finds nothing', () => {
  test('in no intervals, and in one', () => {
    expect(findOverlaps([])).toEqual([]);
    expect(findOverlaps([interval('a', 0, 10)])).toEqual([]);
  });

  test('in intervals one after the other, in whatever order they are given', () => {
    expect(pairsOf([interval('b', 20, 30), interval('c', 35, 40), interval('a', 0, 10)])).toEqual([]);
  });

  test('in intervals that touch, since a lock may change hands in one moment', () => {
    expect(pairsOf([interval('a', 0, 10), interval('b', 10, 20), interval('c', 20, 20)])).toEqual([]);
  });
});

describe('finds', () => {
  test('a planted overlap, and how long it was', () => {
    const a = interval('a', 0, 10);
    const b = interval('b', 9, 20);

    expect(findOverlaps([b, interval('c', 20, 30), a])).toEqual([{ first: a, second: b, length: 1 }]);
  });

  test('an interval inside another', () => {
    expect(pairsOf([interval('a', 0, 100), interval('b', 40, 50)])).toEqual(['ab']);
  });

  test('a moment inside an interval: a grant while another holder goes on acting', () => {
    const [overlap] = findOverlaps([interval('a', 0, 10), interval('b', 5, 5)]);

    expect(overlap).toMatchObject({ first: { holder: 'a' }, second: { holder: 'b' }, length: 0 });
  });

  test('every pair behind a long interval, also when short ones came and went in between', () => {
    const intervals = [
      interval('a', 0, 100),
      interval('b', 10, 20),
      interval('c', 30, 40),
      interval('d', 35, 200),
      interval('e', 150, 160),
    ];

    expect(pairsOf(intervals).sort()).toEqual(['ab', 'ac', 'ad', 'cd', 'de']);
  });

  test('two sections of one and the same holder', () => {
    expect(pairsOf([interval('a', 0, 10), interval('a', 5, 15)])).toEqual(['aa']);
  });

  test('what a comparison of all pairs finds', () => {
    const intervals = fc.array(
      fc.tuple(fc.nat(50), fc.nat(10)).map(([from, length]) => ({ from, to: from + length })),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(intervals, (drawn) => {
        const named = drawn.map(({ from, to }, index) => interval(`${index}`, from, to));
        expect(findOverlaps(named)).toHaveLength(bruteForceCount(named));
      }),
    );
  });
});

describe('of intervals that may be shared', () => {
  const reader = (holder: string, from: number, to: number) => ({
    ...interval(holder, from, to),
    isShared: true,
  });

  test('finds nothing in readers that are together, and in a writer between them', () => {
    expect(
      pairsOf([reader('a', 0, 10), reader('b', 5, 15), interval('c', 15, 20), reader('d', 20, 30)]),
    ).toEqual([]);
  });

  test('finds a writer beside a reader, whichever came first', () => {
    expect(pairsOf([reader('a', 0, 10), interval('b', 9, 20)])).toEqual(['ab']);
    expect(pairsOf([interval('a', 0, 10), reader('b', 9, 20)])).toEqual(['ab']);
  });

  test('finds a writer beside every one of several readers, and beside another writer', () => {
    const intervals = [reader('a', 0, 30), reader('b', 0, 40), interval('c', 20, 50), interval('d', 45, 60)];
    expect(pairsOf(intervals).sort()).toEqual(['ac', 'bc', 'cd']);
  });

  test('finds what a comparison of all pairs finds', () => {
    const intervals = fc.array(
      fc
        .tuple(fc.nat(50), fc.nat(10), fc.boolean())
        .map(([from, length, isShared]) => ({ from, to: from + length, isShared })),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(intervals, (drawn) => {
        const named = drawn.map((each, index) => ({ ...each, holder: `${index}` }));
        const readers = named.filter(({ isShared }) => isShared);
        expect(findOverlaps(named)).toHaveLength(bruteForceCount(named) - bruteForceCount(readers));
      }),
    );
  });
});

test('keeps what the caller knows of its sections', () => {
  const sections = [
    { ...interval('a', 0, 10), token: 7, note: 'first' },
    { ...interval('b', 5, 15), token: 8, note: 'second' },
  ];

  expect(findOverlaps(sections).map(({ first, second }) => [first.note, second.note])).toEqual([
    ['first', 'second'],
  ]);
});

test.each([
  ['ends before it begins', 10, 9],
  ['begins at no time', Number.NaN, 9],
  ['ends at no time', 9, Number.NaN],
])('refuses an interval that %s', (_, from, to) => {
  expect(() => findOverlaps([interval('a', from, to)])).toThrow(RangeError);
});

function bruteForceCount(intervals: readonly Interval[]): number {
  let count = 0;
  intervals.forEach((a, index) => {
    for (const b of intervals.slice(index + 1)) if (a.from < b.to && b.from < a.to) count += 1;
  });
  return count;
}
