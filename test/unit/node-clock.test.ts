import { describe, expect, it, test } from 'vitest';
import { NodeClock } from '../../src/node/node-time.ts';

describe('readings that were under way at the same time', () => {
  test('tell nothing of the clock by the order in which they are noted', () => {
    const time = new NodeClock(0.01);
    // This process was busy for 40 ms. Meanwhile the node ran two scripts, 20 ms apart, and both answers were
    // read from the socket together; the one to the first of them had a promise more to go through.
    expect(time.note({ timeUs: 1_020_000, sentAtMs: 10, receivedAtMs: 40 })).toBeUndefined();
    expect(time.note({ timeUs: 1_000_000, sentAtMs: 5, receivedAtMs: 40 })).toBeUndefined();
  });

  test('tell of a clock that went back by more than they can be apart', () => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 2_000_000, sentAtMs: 10, receivedAtMs: 40 });
    expect(time.note({ timeUs: 1_000_000, sentAtMs: 5, receivedAtMs: 40 })?.byMs).toBeLessThan(-900);
  });
});

describe("a node's clock that leaps ahead", () => {
  it('shows although an answer was slow: the sharpest reading counts, not the last', () => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 1_000_000, sentAtMs: 0, receivedAtMs: 1 });
    expect(time.note({ timeUs: 1_700_000, sentAtMs: 100, receivedAtMs: 800 })).toBeUndefined();
    const divergence = time.note({ timeUs: 2_200_000, sentAtMs: 900, receivedAtMs: 901 });
    expect(divergence?.byMs).toBeGreaterThan(290);
  });

  it('may be ahead by as much more as the answers took', () => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 1_000_000, sentAtMs: 0, receivedAtMs: 40 });
    expect(time.note({ timeUs: 61_000_000, sentAtMs: 100, receivedAtMs: 160 })).toEqual({
      byMs: 60_000 - 160,
      mostAheadMs: 60_000 - 60,
      withinMs: 160,
    });
  });

  it('is not taken for one that does if an answer was slow, or as long as drift can explain it', () => {
    const time = new NodeClock(0.01);
    for (let second = 0; second < 3_600; second += 1) {
      const atMs = second * 1_000;
      const slowMs = second % 7 === 0 ? 400 : 1;
      const divergence = time.note({
        timeUs: (atMs + 0.5 * slowMs) * 1.0099 * 1_000,
        sentAtMs: atMs,
        receivedAtMs: atMs + slowMs,
      });
      expect(divergence).toBeUndefined();
    }
  });

  it('is measured anew once it was noticed', () => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 0, sentAtMs: 0, receivedAtMs: 0 });
    expect(time.note({ timeUs: 60_000_000, sentAtMs: 10, receivedAtMs: 10 })).toBeDefined();
    expect(time.note({ timeUs: 60_100_000, sentAtMs: 110, receivedAtMs: 110 })).toBeUndefined();
    expect(time.note({ timeUs: 50_000_000, sentAtMs: 120, receivedAtMs: 120 })?.byMs).toBeLessThan(-9_000);
    expect(time.note({ timeUs: 50_100_000, sentAtMs: 220, receivedAtMs: 220 })).toBeUndefined();
  });

  it('is not to blame while it agrees with either of our clocks, if those disagree', () => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 0, sentAtMs: 0, receivedAtMs: 0 });
    // The uptime jumped by an hour: the node says that it is wrong.
    expect(
      time.note({ timeUs: 100_000, sentAtMs: 3_600_100, receivedAtMs: 3_600_100 }, 3_600_000),
    ).toBeUndefined();
    // It jumps once more: the node says that the host was suspended.
    expect(
      time.note({ timeUs: 3_600_200_000, sentAtMs: 7_200_200, receivedAtMs: 7_200_200 }, 7_200_000),
    ).toBeUndefined();
  });
});

describe('a reading between moments that are none', () => {
  it.each([Number.NaN, Number.POSITIVE_INFINITY])('%d tells nothing, and later ones count', (badMs) => {
    const time = new NodeClock(0.01);
    time.note({ timeUs: 1_000_000, sentAtMs: 1_000, receivedAtMs: 1_000 });
    for (const reading of [
      { timeUs: 9_000_000, sentAtMs: badMs, receivedAtMs: 1_001 },
      { timeUs: 9_000_000, sentAtMs: 1_001, receivedAtMs: badMs },
    ]) {
      expect(time.note(reading)).toBeUndefined();
      expect(time.aheadUs).toBe(0);
    }
    expect(time.note({ timeUs: 1_010_000, sentAtMs: 1_010, receivedAtMs: 1_010 })).toBeUndefined();
  });
});
