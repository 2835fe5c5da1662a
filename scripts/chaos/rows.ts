import { LOCK_TERMS, scenarioOf } from './terms.ts';
import type { Growth } from './verdict/leaks.ts';
import type { LostUpdates, Verdict } from './verdict/verdict.ts';
import { PATIENT_MS } from './verdict/waits.ts';
import { percent } from './verdict/words.ts';

/** A line of a verdict. `mark`: whether a promise about it held; undefined where nothing is promised. */
export interface Row {
  readonly what: string;
  readonly value: string;
  readonly mark?: boolean | undefined;
}

/** What came of a run, line by line, for the terminal and the page. */
export function rowsOf(verdict: Verdict): readonly Row[] {
  const { findings, waits, availability, recoveries, growth, leftovers, outages } = verdict;
  const { promises } = scenarioOf(findings.options);
  const none = (count: number, isPromised: boolean) => (isPromised ? count === 0 : undefined);
  const slowest = Math.max(0, ...recoveries.map(({ afterMs }) => afterMs));
  const latencies = findings.history.attempts
    .flatMap(({ way, askedAt, grant }) => (way === 'probe' && grant !== undefined ? grant.at - askedAt : []))
    .sort((a, b) => a - b);
  return [
    { what: 'locks granted', value: `${verdict.acquisitions}` },
    { what: 'faults', value: `${findings.incidents.length}` },
    {
      what: 'overlaps of holders',
      value: `${verdict.overlaps.length}`,
      mark: none(verdict.overlaps.length, promises.exclusion),
    },
    {
      what: 'overlaps of validities',
      value: `${verdict.validityOverlaps.length}`,
      mark: none(verdict.validityOverlaps.length, promises.exclusion),
    },
    {
      what: 'tokens not unique, or out of order',
      value: `${verdict.tokenFaults.length}`,
      mark: none(verdict.tokenFaults.length, promises.tokens),
    },
    {
      what: 'updates lost with the guard',
      value: updates(verdict.guarded),
      mark: none(verdict.guarded.lost, promises.tokens),
    },
    { what: 'stale reads and writes it refused', value: `${verdict.guarded.refused}` },
    { what: 'updates lost without the guard', value: updates(verdict.unguarded) },
    {
      what: 'keys that nobody owns',
      value: `${findings.orphans.length}`,
      mark: findings.orphans.length === 0,
    },
    { what: 'waits', value: `${waits.count}, ${waits.granted} of them granted` },
    {
      what: 'waits never, late or not served',
      value: `${waits.unsettled.length}, ${waits.late.length}, ${waits.starved.length}`,
      mark: waits.unsettled.length + waits.late.length === 0,
    },
    {
      what: `waits of ${PATIENT_MS / 1_000} s and more that got a lock`,
      value: `${percent(waits.patient - waits.disappointed.length, waits.patient)} of ${waits.patient}`,
      mark: promises.patience ? waits.disappointed.length === 0 : undefined,
    },
    {
      what: 'answered while a majority was up',
      value: `${percent(availability.served, availability.attempts)} of ${availability.attempts}`,
      mark: promises.availability ? availability.failures.length === 0 : undefined,
    },
    { what: 'outages of a majority', value: `${outages.length}` },
    {
      what: 'first lock after a majority was back',
      value: recoveries.length === 0 ? '-' : `${Math.round(slowest)} ms at the most`,
      mark: recoveries.length === 0 ? undefined : slowest <= LOCK_TERMS.ttl + 1_000,
    },
    {
      what: 'latency of a free lock, p50 / p99',
      value: `${milliseconds(rank(latencies, 0.5))} / ${milliseconds(rank(latencies, 0.99))}`,
    },
    ...growth.map(rowOfGrowth),
    { what: 'left after close', value: `${leftovers.length}`, mark: leftovers.length === 0 },
  ];
}

function rowOfGrowth({ worker, start, end, leaks }: Growth): Row {
  const heap = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  return {
    what: `${worker}: heap, sockets, timers`,
    value:
      `${heap(start.heapBytes)} → ${heap(end.heapBytes)} MiB, ${start.sockets} → ${end.sockets}, ` +
      `${start.timers} → ${end.timers}`,
    mark: !leaks,
  };
}

function updates({ lost, writes }: LostUpdates): string {
  return `${lost} of ${writes}`;
}

/** The nearest rank of sorted values. */
function rank(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}
