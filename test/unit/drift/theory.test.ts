import { describe, expect, it } from 'vitest';
import { atLeast, availability, combinations } from '../../../scripts/drift/theory/binomial.ts';
import { lateWriteProbability, overlapProbability } from '../../../scripts/drift/theory/exclusion.ts';
import {
  acquisitionQuantile,
  meanAcquisition,
  type OneWay,
  roundTripWithin,
} from '../../../scripts/drift/theory/order-statistics.ts';
import { safeError, safeErrorOfFactor, validityOf } from '../../../scripts/drift/theory/thresholds.ts';

const EXPONENTIAL: OneWay = { kind: 'exponential', mean: 1 };
const UNIFORM: OneWay = { kind: 'uniform', most: 2 };

describe('availability of a majority', () => {
  it('is that of the binomial distribution', () => {
    expect([0, 1, 2, 3, 4, 5].map((chosen) => combinations(5, chosen))).toEqual([1, 5, 10, 10, 5, 1]);
    expect(atLeast(0, 5, 0.3)).toBeCloseTo(1, 12);
    expect(availability(1, 0.1)).toBeCloseTo(0.9, 12);
    expect(availability(3, 0.1)).toBeCloseTo(0.9 ** 3 + 3 * 0.9 ** 2 * 0.1, 12);
    expect(availability(5, 0.5)).toBeCloseTo(0.5, 12);
  });

  it('grows with the nodes while each is more often up than down, and falls otherwise', () => {
    for (const down of [0.01, 0.1, 0.4]) expect(availability(5, down)).toBeGreaterThan(availability(3, down));
    expect(availability(5, 0.6)).toBeLessThan(availability(3, 0.6));
  });
});

describe('the duration of an acquisition', () => {
  it('is a round trip with one node', () => {
    expect(meanAcquisition(1, EXPONENTIAL)).toBeCloseTo(2, 6);
    expect(meanAcquisition(1, UNIFORM)).toBeCloseTo(2, 6);
    expect([0, 1, 2, 4].map((ms) => roundTripWithin(UNIFORM, ms))).toEqual([0, 0.125, 0.5, 1]);
  });

  it('has the median of a round trip with any odd number of nodes', () => {
    for (const oneWay of [EXPONENTIAL, UNIFORM]) {
      const median = acquisitionQuantile(1, oneWay, 0.5);
      for (const nodes of [3, 5, 7]) expect(acquisitionQuantile(nodes, oneWay, 0.5)).toBeCloseTo(median, 9);
    }
  });
});

describe('the relative error of clocks that is safe', () => {
  it.each([0.002, 0.01, 0.05, 0.1])('is above a driftFactor of %f', (driftFactor) => {
    expect(safeErrorOfFactor(driftFactor)).toBeGreaterThan(driftFactor);
    for (const ttl of [1_000, 10_000, 60_000]) {
      expect(safeError(ttl, validityOf(ttl, driftFactor))).toBeGreaterThan(driftFactor);
    }
  });

  it('is none without an allowance', () => {
    expect(safeError(10_000, 10_000)).toBe(0);
  });

  it('leaves no chance of an overlap below it, and some above it', () => {
    const chance = (relativeError: number) =>
      overlapProbability({
        nodes: 5,
        ttl: 10_000,
        validityMs: validityOf(10_000, 0.01),
        relativeError,
        slackMs: 0,
      });
    expect(chance(0.01)).toBe(0);
    expect(chance(0.02)).toBeGreaterThan(0);
  });
});

describe('a write after a pause', () => {
  it('is late for certain after a pause as long as the ttl, and never after one shorter than the allowance', () => {
    const late = (pauseMs: number) =>
      lateWriteProbability({ ttl: 10_000, validityMs: 9_898, pauseMs, slackMs: 0 });
    expect(late(10_000)).toBe(1);
    expect(late(102)).toBe(0);
    expect(late(5_000)).toBeCloseTo(0.495, 3);
  });
});
