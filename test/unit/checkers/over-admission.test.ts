import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { findOverAdmissions, type Occupancy } from '../../../src/testing/checkers/over-admission.ts';

function occupancy(holder: string, from: number, to: number, permits?: number): Occupancy {
  return { holder, from, to, permits };
}

function crowdsOf(occupancies: readonly Occupancy[], size: number): string[] {
  return findOverAdmissions(occupancies, size).map(
    ({ all, permits }) => `${all.map(({ holder }) => holder).join('')} ${permits}`,
  );
}

describe('finds nothing', () => {
  test('in no holder, and in as many as there are permits', () => {
    expect(findOverAdmissions([], 1)).toEqual([]);
    expect(crowdsOf([occupancy('a', 0, 10), occupancy('b', 0, 10)], 2)).toEqual([]);
  });

  test('where permits change hands in one moment, in whatever order they are given', () => {
    const occupancies = [
      occupancy('c', 10, 20),
      occupancy('a', 0, 10),
      occupancy('d', 20, 20),
      occupancy('b', 5, 20),
    ];
    expect(crowdsOf(occupancies, 2)).toEqual([]);
  });

  test('in several permits of one holder', () => {
    expect(crowdsOf([occupancy('a', 0, 10, 3), occupancy('b', 5, 10, 2)], 5)).toEqual([]);
  });
});

describe('finds', () => {
  test('one too many, and who was there', () => {
    const [a, b, c] = [occupancy('a', 0, 10), occupancy('b', 2, 20), occupancy('c', 9, 30)];
    expect(findOverAdmissions([c, b, a], 2)).toEqual([{ last: c, all: [a, b, c], permits: 3 }]);
  });

  test('several permits of one holder that are too many', () => {
    expect(crowdsOf([occupancy('a', 0, 10, 2), occupancy('b', 5, 10, 2)], 3)).toEqual(['ab 4']);
    expect(crowdsOf([occupancy('a', 0, 10, 4)], 3)).toEqual(['a 4']);
  });

  test('all holders that come while there are too many, and one that comes for a moment', () => {
    const occupancies = [occupancy('a', 0, 10), occupancy('b', 1, 1), occupancy('c', 2, 5)];
    expect(crowdsOf(occupancies, 1)).toEqual(['ab 2', 'ac 2']);
  });

  test('what a count at every beginning finds', () => {
    const drawn = fc.array(
      fc.tuple(fc.nat(50), fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 3 })),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(drawn, fc.integer({ min: 1, max: 6 }), (tuples, size) => {
        const occupancies = tuples.map(([from, length, permits], index) =>
          occupancy(`${index}`, from, from + length, permits),
        );
        const isCrowded = (moment: number) =>
          occupancies
            .filter(({ from, to }) => from <= moment && to > moment)
            .reduce((sum, { permits = 1 }) => sum + permits, 0) > size;
        const beginnings = new Set(occupancies.map(({ from }) => from).filter(isCrowded));
        const found = new Set(findOverAdmissions(occupancies, size).map(({ last }) => last.from));
        expect(found).toEqual(beginnings);
      }),
    );
  });
});

test('keeps what the caller knows of its holders', () => {
  const occupancies = [
    { ...occupancy('a', 0, 10), note: 'first' },
    { ...occupancy('b', 5, 15), note: 'second' },
  ];
  expect(findOverAdmissions(occupancies, 1).map(({ last }) => last.note)).toEqual(['second']);
});

test('refuses an occupancy that ends before it begins', () => {
  expect(() => findOverAdmissions([occupancy('a', 10, 9)], 1)).toThrow(RangeError);
});
