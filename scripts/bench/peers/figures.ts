import { quantile } from '../figures.ts';
import type { RunFigures } from './run-figures.ts';

/** What was measured of a library in a case; which of them there are depends on the case. */
export type Figures = Partial<
  RunFigures &
    AloneFigures &
    LimitFigures &
    HandoverFigures &
    BurstFigures &
    CyclesFigures &
    FailingFigures &
    OrphanFigures
>;

interface AloneFigures {
  /** The median time that an acquire takes when no other worker is there. */
  readonly aloneMs: number;
}

interface LimitFigures {
  /** Acquisitions a second if, between two holders of one process, there is nothing but one acquire as it is alone. */
  readonly limit: number;
  /** Of the limit. */
  readonly share: number;
}

interface HandoverFigures {
  readonly handoverP50Ms: number;
  readonly handoverP99Ms: number;
  /** In acquires as they are alone. */
  readonly handoverP50: number;
  readonly handoverP99: number;
  readonly handovers: number;
}

interface BurstFigures {
  /** Until the last one has given the lock back; the median of the bursts. */
  readonly burstMs: number;
  /** Contenders that were not through at the limit, of all bursts. */
  readonly unfinished: number;
  /** As in a run. */
  readonly overlaps: number;
}

interface OrphanFigures {
  /** From the end of the killed holder's ttl until the next one held the lock, in milliseconds. */
  readonly afterTtlMs: number;
  /** Commands for each process that waited, from the killing to the last one's having given the lock back. */
  readonly commandsEach: number;
  /** Until the last one has given the lock back, from the end of the ttl. */
  readonly burstMs: number;
}

interface CyclesFigures {
  /** A second. */
  readonly rate: number;
  readonly acquireP50Ms: number;
  readonly acquireP99Ms: number;
  /** Processor time of the workers' process for each cycle, in microseconds. */
  readonly clientUs: number;
  /** Processor time of all nodes together for each cycle, in microseconds. */
  readonly serverUs: number;
}

interface FailingFigures {
  /** While two nodes fail, of the rate while all are well. */
  readonly rateLeft: number;
  /** While two nodes fail, of the p99 while all are well. */
  readonly p99Growth: number;
}

const COUNTED: readonly (keyof Figures)[] = ['overlaps', 'failures', 'unfinished'];

/** The median of every figure over the rounds; of what must not happen, the sum. */
export function typical(rounds: readonly Figures[]): Figures {
  const names = new Set(rounds.flatMap((figures) => Object.keys(figures) as (keyof Figures)[]));
  const result: { -readonly [Name in keyof Figures]: Figures[Name] } = {};
  for (const name of names) {
    // Where no contender got the lock there is nothing to take a median of; the rate says so, with 0.
    const values = rounds.flatMap((figures) => figures[name] ?? []).filter((value) => !Number.isNaN(value));
    result[name] = COUNTED.includes(name)
      ? values.reduce((total, value) => total + value, 0)
      : quantile(values, 0.5);
  }
  return result;
}
