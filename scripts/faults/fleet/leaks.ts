import type { History, Vitals } from '../record.ts';

/** Below this number of samples of one process there is no start that could be held against an end. */
const FEWEST_SAMPLES = 8;

/** What a heap may grow by, beside its share: the compiler, caches and statistics fill up for a while. */
const HEAP_SLACK_BYTES = 4 * 2 ** 20;
const HEAP_SHARE = 1.2;

/** This number of sockets more than at the start may just be on their way out. */
const SOCKET_SLACK = 6;
const TIMER_SLACK = 12;

/** What one process had in use at the start of the run, once it was warm, and at its end. */
export interface Growth {
  readonly worker: string;
  readonly samples: number;
  readonly start: Vitals;
  readonly end: Vitals;
  readonly leaks: boolean;
}

/** The medians of the second and the last quarter of all samples; processes that were killed early are left out. */
export function growthOf({ workers }: History): readonly Growth[] {
  return workers.flatMap(({ worker, vitals }) => {
    if (vitals.length < FEWEST_SAMPLES) return [];
    const quarter = Math.floor(vitals.length / 4);
    const all = vitals.map((each) => each.vitals);
    const start = typical(all.slice(quarter, 2 * quarter));
    const end = typical(all.slice(-quarter));
    const leaks =
      end.heapBytes > start.heapBytes * HEAP_SHARE + HEAP_SLACK_BYTES ||
      end.sockets > start.sockets + SOCKET_SLACK ||
      end.timers > start.timers + TIMER_SLACK;
    return [{ worker, samples: vitals.length, start, end, leaks }];
  });
}

/** What workers had not given back after they had closed everything. */
export function leftoversOf({ workers }: History): readonly string[] {
  return workers.flatMap(({ worker, left = [] }) => left.map((what) => `${worker} left a ${what}`));
}

function typical(vitals: readonly Vitals[]): Vitals {
  const median = (of: (each: Vitals) => number) => {
    const sorted = vitals.map(of).sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? 0;
  };
  return {
    heapBytes: median(({ heapBytes }) => heapBytes),
    sockets: median(({ sockets }) => sockets),
    timers: median(({ timers }) => timers),
  };
}
