import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { elapsedMs, instant } from '../../src/base/sound-clock.ts';
import { validityMs } from '../../src/lock/lease.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { World } from './world.ts';

const HOUR_MS = 3_600_000;

/** What doubles can't hold of a sum of times. */
const ROUNDING_MS = 1e-6;

describe('the wall clock of this machine', () => {
  it.each([-48 * HOUR_MS, -HOUR_MS, -1, 1, HOUR_MS, 48 * HOUR_MS])(
    'set by %i ms never makes a lock valid for longer',
    async (stepMs) => {
      const world = new World(3);
      const redlock = world.redlock();
      await world.clock.advance(100);
      const askedAtMs = world.clock.monotonic();
      const lock = await world.clock.runUntil(redlock.acquire('r', { ttl: 10_000 }));
      world.clock.stepWall(stepMs);
      for (let look = 0; look < 11; look += 1) {
        const elapsedMs = world.clock.monotonic() - askedAtMs;
        expect(lock.remainingValidity()).toBeLessThanOrEqual(validityMs(10_000, elapsedMs, 0.01));
        await world.clock.advance(987.6);
      }
      expect(lock.remainingValidity()).toBe(0);
      expect(lock.signal.aborted).toBe(true);
    },
  );

  it('set back while the lock is acquired does not lengthen it either', async () => {
    const world = new World(3, { latency: { least: 10, most: 10 } });
    const redlock = world.redlock();
    await world.clock.advance(100);
    const acquiring = redlock.acquire('r', { ttl: 10_000 });
    await world.clock.advance(1);
    world.clock.stepWall(-HOUR_MS);
    const lock = await world.clock.runUntil(acquiring);
    expect(lock.remainingValidity()).toBeLessThanOrEqual(validityMs(10_000, 20, 0.01));
  });

  it('plays no part in tokens: they grow although it was set back', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const tokens: number[] = [];
    for (const stepMs of [0, -HOUR_MS, HOUR_MS, -48 * HOUR_MS]) {
      world.clock.stepWall(stepMs);
      const lock = await world.clock.runUntil(redlock.acquire('r'));
      tokens.push(lock.token ?? 0);
      await world.clock.runUntil(lock.release());
    }
    expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
  });
});

describe('validity, whatever the clocks do', () => {
  const happenings = fc.array(
    fc.oneof(
      fc.record({ what: fc.constant('advance' as const), ms: fc.nat(2_000) }),
      fc.record({ what: fc.constant('pause' as const), ms: fc.nat(2_000) }),
      fc.record({ what: fc.constant('suspend' as const), ms: fc.nat(2_000) }),
      fc.record({ what: fc.constant('stepWall' as const), ms: fc.integer({ min: -HOUR_MS, max: HOUR_MS }) }),
    ),
    { maxLength: 12 },
  );

  it('never exceeds ttl - true elapsed time - drift', async () => {
    await fc.assert(
      fc.asyncProperty(
        happenings,
        fc.integer({ min: 1, max: 30_000 }),
        fc.double({ min: 0, max: 0.5, noNaN: true }),
        async (plan, ttl, driftFactor) => {
          const clock = new VirtualClock();
          const start = instant(clock);
          let elapsed = 0;
          for (const { what, ms } of plan) {
            await clock[what](ms);
            if (what !== 'stepWall') elapsed += ms;
            expect(validityMs(ttl, elapsedMs(clock, start), driftFactor)).toBeLessThanOrEqual(
              validityMs(ttl, elapsed, driftFactor) + ROUNDING_MS,
            );
          }
        },
      ),
    );
  });

  it('is just that while no clock steps', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(2_000), { maxLength: 10 }), async (spans) => {
        const clock = new VirtualClock();
        const start = instant(clock);
        let elapsed = 0;
        for (const span of spans) {
          await clock.advance(span);
          elapsed += span;
        }
        expect(validityMs(10_000, elapsedMs(clock, start), 0.01)).toBeCloseTo(10_000 - elapsed - 102, 6);
      }),
    );
  });
});
