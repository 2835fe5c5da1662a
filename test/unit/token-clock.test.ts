import { describe, expect, it } from 'vitest';
import { TokenClock } from '../../src/quorum/fencing-token.ts';

/** Nodes whose time is this number of microseconds at 0. */
function nodes(...firstUs: readonly (number | undefined)[]) {
  return firstUs.map((aheadUs) => ({ aheadUs }));
}

describe('a proposed token', () => {
  it('is the median of what the nodes say the time is, in whatever order they say it', () => {
    expect(new TokenClock(nodes(900, 10_000, 2_000)).next(0)).toBe(2_000);
    expect(new TokenClock(nodes(50_000, 100, 3_000, 9, 2_000)).next(0)).toBe(2_000);
  });

  it('is not moved by one node of three, however wrong its clock', () => {
    expect(new TokenClock(nodes(2_000, 2_001, 1e15)).next(0)).toBe(2_001);
    expect(new TokenClock(nodes(2_000, 2_001, 0)).next(0)).toBe(2_000);
  });

  it('leaves out nodes that have not told their time', () => {
    expect(new TokenClock(nodes(undefined, 3_000, undefined)).next(0)).toBe(3_000);
  });

  it('is of the moment it is made for', () => {
    const clock = new TokenClock(nodes(1_000, 1_000, 1_000));
    expect(clock.next(7)).toBe(8_000);
    expect(clock.next(9)).toBe(10_000);
  });

  it('is an integer', () => {
    expect(new TokenClock(nodes(1_000.75)).next(0)).toBe(1_000);
  });

  it('is above the last one, also if the time stands still or is set back', () => {
    const clock = new TokenClock(nodes(1_000));
    expect([0, 0, -1, -500].map((nowMs) => clock.next(nowMs))).toEqual([1_000, 1_001, 1_002, 1_003]);
  });

  it('counts from one while no node has told its time', () => {
    const clock = new TokenClock(nodes(undefined, undefined));
    expect([clock.next(5), clock.next(6)]).toEqual([1, 2]);
  });
});

describe('a time that is none', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -5e15, 9e15, 1e300])(
    'of a node, %d, spoils no proposal, then or later',
    (aheadUs) => {
      const node = { aheadUs };
      const clock = new TokenClock([node]);
      expect([clock.next(0), clock.next(0)]).toEqual([1, 2]);
      node.aheadUs = 5_000;
      expect(clock.next(0)).toBe(5_000);
    },
  );

  it.each([Number.NaN, Number.POSITIVE_INFINITY])(
    'of this process, %d, spoils no proposal, then or later',
    (nowMs) => {
      const clock = new TokenClock(nodes(5_000));
      expect([clock.next(0), clock.next(nowMs), clock.next(1)]).toEqual([5_000, 5_001, 6_000]);
    },
  );
});
