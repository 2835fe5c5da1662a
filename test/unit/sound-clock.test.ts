import { describe, expect, it } from 'vitest';
import type { Clock } from '../../src/base/clock.ts';
import { SoundClock } from '../../src/base/sound-clock.ts';

const STOP_MS = 500;

/** The clocks of a host that was never suspended, and of a process that may be stopped right after it reads one of them. */
class StoppableClock implements Clock {
  nowMs = 0;
  readonly #reading = { monotonic: 0, uptime: 0, wall: 0 };
  /** At which reading of which clock the process is stopped: the first is 1. */
  stopAfter: { readonly clock: 'monotonic' | 'uptime' | 'wall'; readonly reading: number } | undefined;

  monotonic = () => this.#read('monotonic', 0);
  uptime = () => this.#read('uptime', 3_600_000);
  wall = () => this.#read('wall', 1_700_000_000_000);

  after(): never {
    throw new Error('nothing is timed here');
  }

  #read(clock: 'monotonic' | 'uptime' | 'wall', aheadMs: number): number {
    const shown = this.nowMs + aheadMs;
    this.#reading[clock] += 1;
    const isStopped = this.stopAfter?.clock === clock && this.stopAfter.reading === this.#reading[clock];
    this.nowMs += isStopped ? STOP_MS : 1 / 1_024;
    return shown;
  }
}

describe('a process that is stopped between two readings of its clocks', () => {
  const stops = (['monotonic', 'uptime', 'wall'] as const).flatMap((clock) =>
    Array.from({ length: 12 }, (_, index) => [clock, index + 1] as const),
  );

  it.each(stops)(
    'does not take that for a suspend of the host: after reading the %s clock, time %i',
    (clock, reading) => {
      const host = new StoppableClock();
      const warnings: string[] = [];
      const sound = new SoundClock(host, ({ message }) => warnings.push(message), { nodes: 1, quota: 1 });
      host.stopAfter = { clock, reading };
      const first = sound.uptime();
      const since = host.nowMs;
      for (let times = 0; times < 20; times += 1) {
        sound.uptime();
        sound.wall();
        host.nowMs += 50;
      }
      const shown = sound.uptime() - first;
      // The stop itself is counted once, by every clock.
      expect(shown).toBeLessThanOrEqual(host.nowMs - since + (since >= STOP_MS ? STOP_MS : 0) + 1);
      expect(shown).toBeGreaterThanOrEqual(host.nowMs - since - 1);
      expect(warnings).toEqual([]);
    },
  );
});
