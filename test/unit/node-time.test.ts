import { describe, expect, test } from 'vitest';
import { NodeTime } from '../../src/node/node-time.ts';

describe('readings that were under way at the same time', () => {
  test('tell nothing of the clock by the order in which they are noted', () => {
    const time = new NodeTime(0.01, 30_000);
    // This process was busy for 40 ms. Meanwhile the node ran two scripts, 20 ms apart, and both answers were
    // read from the socket together; the one to the first of them had a promise more to go through.
    expect(time.note({ timeUs: 1_020_000, sentAtMs: 10, receivedAtMs: 40 })).toBeUndefined();
    expect(time.note({ timeUs: 1_000_000, sentAtMs: 5, receivedAtMs: 40 })).toBeUndefined();
  });

  test('tell of a clock that went back by more than they can be apart', () => {
    const time = new NodeTime(0.01, 30_000);
    time.note({ timeUs: 2_000_000, sentAtMs: 10, receivedAtMs: 40 });
    expect(time.note({ timeUs: 1_000_000, sentAtMs: 5, receivedAtMs: 40 })?.byMs).toBeLessThan(-900);
  });
});
