import { describe, expect, it } from 'vitest';
import { Grace } from '../../src/membership/grace.ts';
import { ProcessClock } from './process-clock.ts';

const GRACE_MS = 3_000;

function scene() {
  const clock = new ProcessClock();
  const ends: number[] = [];
  const startedAtMs = clock.uptime();
  const grace = new Grace(clock, () => ends.push(clock.uptime() - startedAtMs));
  return { clock, ends, grace };
}

describe('the grace of a new deployment', () => {
  it('begins when it is first asked for', async () => {
    const { clock, ends, grace } = scene();
    await clock.advance(10_000);
    expect(clock.pendingTimers).toBe(0);
    expect(grace.isLeft()).toBe(true);
    await clock.advance(GRACE_MS);
    expect(ends).toEqual([10_000 + GRACE_MS]);
  });

  it('is left until its last moment, and no longer', async () => {
    const { clock, grace } = scene();
    grace.isLeft();
    await clock.advance(GRACE_MS - 1);
    expect(grace.isLeft()).toBe(true);
    await clock.advance(1);
    expect(grace.isLeft()).toBe(false);
  });

  it('is not longer for being asked about, and tells of its end once', async () => {
    const { clock, ends, grace } = scene();
    for (let ask = 0; ask < 10; ask += 1) {
      grace.isLeft();
      await clock.advance(1_000);
    }
    expect(ends).toEqual([GRACE_MS]);
  });

  it('tells of no end once it is closed', async () => {
    const { clock, ends, grace } = scene();
    grace.isLeft();
    grace.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.advance(2 * GRACE_MS);
    expect(ends).toEqual([]);
  });

  it('keeps no process alive', () => {
    const { clock, grace } = scene();
    grace.isLeft();
    expect(clock.pendingTimers).toBe(1);
    expect(clock.isKeptAlive).toBe(false);
  });

  it('can be closed before it began', () => {
    const { grace } = scene();
    expect(() => grace.close()).not.toThrow();
  });
});
