import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

describe('a virtual clock', () => {
  it('runs timers by their time, and those of the same time in the order they were made', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(20), { maxLength: 200 }), async (delays) => {
        const clock = new VirtualClock();
        const ran: { delay: number; index: number }[] = [];
        delays.forEach((delay, index) => {
          clock.after(delay, () => ran.push({ delay, index }));
        });
        await clock.runAll();
        const expected = delays.map((delay, index) => ({ delay, index }));
        expected.sort((a, b) => a.delay - b.delay || a.index - b.index);
        expect(ran).toEqual(expected);
        expect(clock.pendingTimers).toBe(0);
      }),
    );
  });

  it('takes back cancelled timers, however many', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 2_000 }), async (plan) => {
        const clock = new VirtualClock();
        const ran: number[] = [];
        plan.forEach(([delay, isCancelled], index) => {
          const timer = clock.after(delay, () => ran.push(index));
          if (isCancelled) timer.cancel();
        });
        const kept = plan.flatMap(([delay, isCancelled], index) => (isCancelled ? [] : [{ delay, index }]));
        expect(clock.pendingTimers).toBe(kept.length);
        await clock.runAll();
        expect(ran).toEqual(kept.sort((a, b) => a.delay - b.delay).map(({ index }) => index));
      }),
      { numRuns: 30 },
    );
  });

  it('lets every promise callback run before time passes', async () => {
    const clock = new VirtualClock();
    const startedAtMs = clock.monotonic();
    const seen: number[] = [];
    clock.after(1, () => {
      void (async () => {
        for (let turn = 0; turn < 1_000; turn += 1) await Promise.resolve();
        seen.push(clock.monotonic() - startedAtMs);
      })();
    });
    clock.after(1.001, () => seen.push(-1));
    await clock.runAll();
    expect(seen).toEqual([1, -1]);
  });

  it('handles input of a moment before its timers', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    clock.after(5, () => seen.push('timer'));
    clock.arrive(5, () => seen.push('input'));
    await clock.runAll();
    expect(seen).toEqual(['input', 'timer']);
  });

  it('stops at the moment a promise has settled, and says when it never will', async () => {
    const clock = new VirtualClock();
    const startedAtMs = clock.monotonic();
    const wake = new Promise<string>((resolve) => clock.after(7, () => resolve('awake')));
    clock.after(8, () => expect.unreachable());
    await expect(clock.runUntil(wake)).resolves.toBe('awake');
    expect(clock.monotonic() - startedAtMs).toBe(7);

    const never = new Promise<void>(() => undefined);
    await expect(new VirtualClock().runUntil(never)).rejects.toThrow('nothing is left to happen');
    await expect(clock.runUntil(never, 0.5)).rejects.toThrow('0.5 ms passed');
    await expect(clock.runUntil(Promise.reject(new Error('its own')))).rejects.toThrow('its own');
  });

  it('never runs a timer with an infinite delay, and counts it as pending', async () => {
    const clock = new VirtualClock();
    const timer = clock.after(Number.POSITIVE_INFINITY, () => expect.unreachable());
    await clock.runAll();
    expect(clock.pendingTimers).toBe(1);
    timer.cancel();
    expect(clock.pendingTimers).toBe(0);
  });

  it('has a wall clock that steps alone', async () => {
    const clock = new VirtualClock();
    const [monotonic, wall, uptime] = [clock.monotonic(), clock.wall(), clock.uptime()];
    clock.stepWall(-3_600_000);
    await clock.advance(10);
    expect(clock.monotonic() - monotonic).toBeCloseTo(10);
    expect(clock.uptime() - uptime).toBeCloseTo(10);
    expect(clock.wall() - wall).toBe(10 - 3_600_000);
  });

  it('stands still while the process is paused: nothing happens, and all clocks go on', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const monotonic = clock.monotonic();
    clock.after(5, () => seen.push('timer'));
    clock.after(200, () => seen.push('later timer'));
    clock.arrive(6, () => seen.push('input'));
    await clock.pause(100);
    expect(seen).toEqual([]);
    expect(clock.monotonic() - monotonic).toBeCloseTo(100);
    await clock.advance(0);
    expect(seen).toEqual(['input', 'timer']);
    await clock.advance(100);
    expect(seen).toEqual(['input', 'timer', 'later timer']);
  });

  it('has a monotonic clock that sleeps with the host, and timers that go by it', async () => {
    const clock = new VirtualClock();
    const [monotonic, wall, uptime] = [clock.monotonic(), clock.wall(), clock.uptime()];
    let ranAt: number | undefined;
    clock.after(5, () => {
      ranAt = clock.uptime() - uptime;
    });
    await clock.advance(2);
    await clock.suspend(1_000);
    expect(clock.monotonic() - monotonic).toBeCloseTo(2);
    expect(clock.wall() - wall).toBe(1_002);
    expect(clock.uptime() - uptime).toBeCloseTo(1_002);
    await clock.advance(2);
    expect(ranAt).toBeUndefined();
    await clock.advance(1);
    expect(ranAt).toBeCloseTo(1_005);
  });

  it('goes on for other machines while one of them is paused', async () => {
    const clock = new VirtualClock();
    const other = new VirtualClock(clock.timeline);
    const seen: string[] = [];
    clock.after(1, () => seen.push('paused'));
    other.after(1, () => seen.push('running'));
    await clock.pause(10);
    expect(seen).toEqual(['running']);
  });
});

describe('a seeded random', () => {
  it('draws the same again for the same seed', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const draw = (random: SeededRandom) => [
          random.fraction(),
          random.identifier(),
          random.fork().fraction(),
        ];
        expect(draw(new SeededRandom(seed))).toEqual(draw(new SeededRandom(seed)));
      }),
    );
  });

  it('draws evenly from [0, 1), from whatever seed', () => {
    for (const seed of [0, 1, 2, -1, 2 ** 31]) {
      const random = new SeededRandom(seed);
      const counts = new Array<number>(16).fill(0);
      for (let draw = 0; draw < 16_000; draw += 1) {
        const bucket = Math.floor(random.fraction() * 16);
        counts[bucket] = (counts[bucket] ?? 0) + 1;
      }
      // 1,000 expected; a fair source is outside of this once in a million buckets.
      for (const count of counts) expect(Math.abs(count - 1_000)).toBeLessThan(150);
    }
  });

  it('begins differently for every seed, and never repeats an identifier', () => {
    const first = Array.from({ length: 10_000 }, (_, seed) => new SeededRandom(seed).identifier());
    const random = new SeededRandom(1);
    const next = Array.from({ length: 10_000 }, () => random.identifier());
    expect(new Set(first).size).toBe(10_000);
    expect(new Set(next).size).toBe(10_000);
  });
});
