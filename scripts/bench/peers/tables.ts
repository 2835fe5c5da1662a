import type { Case, CaseKind } from './cases.ts';
import type { Figures } from './figures.ts';

interface Column {
  readonly head: string;
  readonly value: (figures: Figures, own: Figures | undefined) => number | undefined;
  /** Digits after the point. */
  readonly digits: number;
}

const RUN: readonly Column[] = [
  { head: 'acquisitions/s', value: ({ rate }) => rate, digits: 1 },
  { head: 'quorlock ÷ it', value: ({ rate }, own) => quotient(own?.rate, rate), digits: 2 },
  { head: 'Jain', value: ({ jain }) => jain, digits: 3 },
  { head: 'Jain, 100 ms', value: ({ shortJain }) => shortJain, digits: 3 },
  { head: 'longest wait ms', value: ({ longestWaitMs }) => longestWaitMs, digits: 0 },
  { head: '÷ median', value: ({ longestToMedian }) => longestToMedian, digits: 1 },
  { head: 'commands each', value: ({ commands }) => commands, digits: 1 },
  { head: 'gave up', value: ({ failures }) => failures, digits: 0 },
  { head: 'overlaps', value: ({ overlaps }) => overlaps, digits: 0 },
];

const CYCLES: readonly Column[] = [
  { head: 'cycles/s', value: ({ rate }) => rate, digits: 0 },
  { head: 'quorlock ÷ it', value: ({ rate }, own) => quotient(own?.rate, rate), digits: 2 },
  { head: 'acquire p50 ms', value: ({ acquireP50Ms }) => acquireP50Ms, digits: 3 },
  { head: 'p99 ms', value: ({ acquireP99Ms }) => acquireP99Ms, digits: 2 },
  { head: 'client µs', value: ({ clientUs }) => clientUs, digits: 1 },
  { head: 'nodes µs', value: ({ serverUs }) => serverUs, digits: 1 },
  { head: 'failures', value: ({ failures }) => failures, digits: 0 },
];

const COLUMNS: Readonly<Record<CaseKind, readonly Column[]>> = {
  run: RUN,
  'one-process': [
    ...RUN,
    { head: 'of 1 ÷ held', value: ({ heldShare }) => heldShare, digits: 3 },
    { head: 'limit/s', value: ({ limit }) => limit, digits: 0 },
    { head: 'of the limit', value: ({ share }) => share, digits: 2 },
  ],
  burst: [
    { head: 'ms', value: ({ burstMs }) => burstMs, digits: 0 },
    { head: 'it ÷ quorlock', value: ({ burstMs }, own) => quotient(burstMs, own?.burstMs), digits: 2 },
    { head: 'not through', value: ({ unfinished }) => unfinished, digits: 0 },
    { head: 'overlaps', value: ({ overlaps }) => overlaps, digits: 0 },
  ],
  orphan: [
    { head: 'after the ttl ms', value: ({ afterTtlMs }) => afterTtlMs, digits: 1 },
    { head: 'all through ms', value: ({ burstMs }) => burstMs, digits: 0 },
    { head: 'commands each', value: ({ commandsEach }) => commandsEach, digits: 1 },
    { head: 'not through', value: ({ unfinished }) => unfinished, digits: 0 },
    { head: 'overlaps', value: ({ overlaps }) => overlaps, digits: 0 },
  ],
  cycles: CYCLES,
  failing: [
    ...CYCLES,
    { head: 'rate ÷ healthy', value: ({ rateLeft }) => rateLeft, digits: 2 },
    { head: 'p99 ÷ healthy', value: ({ p99Growth }) => p99Growth, digits: 2 },
  ],
  handover: [
    { head: 'p50 ms', value: ({ handoverP50Ms }) => handoverP50Ms, digits: 2 },
    { head: 'p99 ms', value: ({ handoverP99Ms }) => handoverP99Ms, digits: 2 },
    { head: 'acquire alone ms', value: ({ aloneMs }) => aloneMs, digits: 3 },
    { head: 'p50 ÷ alone', value: ({ handoverP50 }) => handoverP50, digits: 1 },
    { head: 'p99 ÷ alone', value: ({ handoverP99 }) => handoverP99, digits: 1 },
    { head: 'handovers', value: ({ handovers }) => handovers, digits: 0 },
    { head: 'overlaps', value: ({ overlaps }) => overlaps, digits: 0 },
  ],
};

/** What a table says of a case. */
export function columnsOf({ kind }: Case): readonly Column[] {
  return COLUMNS[kind];
}

function quotient(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : a / b;
}

/** A dash if there is no such figure. */
export function inDigits(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? '–' : value.toFixed(digits);
}
