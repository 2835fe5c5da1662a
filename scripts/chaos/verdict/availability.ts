import type { Attempt, History } from './history.ts';
import type { Interval, Outage } from './outages.ts';

/** Refusals that are for want of nodes, and not because of another holder. */
const UNSERVED = new Set(['QUORLOCK_NO_QUORUM', 'QUORLOCK_EXPIRED']);

/** Somebody asks that soon, if anybody is there. */
const ASKED_WITHIN_MS = 500;

export interface Availability {
  /** Attempts through all of which a majority was up, by processes that could run. */
  readonly attempts: number;
  /** Of these, how many were granted, or told that somebody else has the lock. */
  readonly served: number;
  /** Attempts that are not counted because their process stood still meanwhile. */
  readonly stalled: number;
  readonly failures: readonly Attempt[];
}

/**
 * @param outages with the time that recovery may take
 * @param stalls when nobody got anything through
 */
export function availabilityOf(
  history: History,
  outages: readonly Interval[],
  stalls: readonly Interval[],
): Availability {
  const stallsOf = new Map(history.workers.map(({ worker, stalls }) => [worker, stalls]));
  let attempts = 0;
  let stalled = 0;
  const failures: Attempt[] = [];
  for (const attempt of history.attempts) {
    const { askedAt, settledAt, refusal, worker } = attempt;
    // Who was killed got no answer.
    if (settledAt === undefined || refusal === 'aborted') continue;
    const span = { from: askedAt, to: settledAt };
    if (outages.some((outage) => meet(outage, span))) continue;
    if ([...stalls, ...(stallsOf.get(worker) ?? [])].some((stall) => meet(stall, span))) {
      stalled += 1;
      continue;
    }
    attempts += 1;
    if (refusal !== undefined && UNSERVED.has(refusal)) failures.push(attempt);
  }
  return { attempts, served: attempts - failures.length, stalled, failures };
}

/** How long it took, once a majority was back, until somebody was granted a lock. */
export interface Recovery {
  readonly outage: Outage;
  readonly afterMs: number;
}

/** Outages after which nobody asked are left out, and those that ended in a stall. */
export function recoveriesOf(
  { attempts }: History,
  outages: readonly Outage[],
  stalls: readonly Interval[],
): readonly Recovery[] {
  const grants = attempts.flatMap(({ grant }) => grant?.at ?? []).sort((a, b) => a - b);
  const lastAsked = attempts.at(-1)?.askedAt ?? 0;
  return outages.flatMap((outage) => {
    if (outage.to > lastAsked) return [];
    const next = grants.find((at) => at >= outage.to);
    const recovery = { from: outage.to, to: next ?? Number.POSITIVE_INFINITY };
    // Who stood still, or was dead, can't have been served.
    const hasAsked = attempts.some(
      ({ askedAt, settledAt }) =>
        settledAt !== undefined && askedAt >= outage.to && askedAt < outage.to + ASKED_WITHIN_MS,
    );
    if (!hasAsked || stalls.some((stall) => meet(stall, recovery))) return [];
    return [{ outage, afterMs: recovery.to - recovery.from }];
  });
}

function meet(a: Interval, b: Interval): boolean {
  return a.from <= b.to && b.from <= a.to;
}
