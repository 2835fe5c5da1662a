import Table from 'cli-table3';
import { describeChecks, tell } from '../checks.ts';
import { PATIENT_MS } from './outages.ts';
import { type RunOptions, replayOf, scenarioOf } from './terms.ts';
import { type LostUpdates, RECOVERY_SLACK_MS, type Verdict } from './verdict.ts';

const MOST_DETAILS = 5;

/** One line: what a run came to. */
export function describeVerdict(verdict: Verdict): string {
  const { findings, acquisitions, overlaps, validityOverlaps, tokenFaults, guarded, unguarded } = verdict;
  const { crowds, availability, recoveries } = verdict;
  const slowest = Math.max(0, ...recoveries.map(({ afterMs }) => afterMs));
  return (
    `${nameOf(findings.options)}: ${acquisitions} locks, ${findings.incidents.length} faults, ` +
    `${overlaps.length} overlaps (${validityOverlaps.length} of validities), ${crowds.length} crowds, ${tokenFaults.length} token faults, ` +
    `lost updates ${guarded.lost} of ${guarded.writes} guarded and ${unguarded.lost} of ${unguarded.writes} unguarded, ` +
    `available ${percent(availability.served, availability.attempts)}` +
    (recoveries.length === 0
      ? ''
      : `, ${recoveries.length} recoveries in ${Math.round(slowest)} ms at the most`)
  );
}

/** Everything that shows why a run failed. */
export function describeFailure(verdict: Verdict): string {
  return [
    `${verdict.broken.join('; ')}. The same again: ${replayOf(verdict.findings.options)}`,
    describeVerdict(verdict),
    ...detailsOf(verdict),
  ].join('\n');
}

function nameOf({ scenario, seed }: RunOptions): string {
  return `${scenario}, seed ${seed}`;
}

/** A few of each kind of thing that was found, be it allowed or not, with the faults that came before. */
export function detailsOf(verdict: Verdict): readonly string[] {
  const { findings, availability, waits } = verdict;
  const moment = (at: number) => `${((at - findings.startedAt) / 1_000).toFixed(3)} s`;
  const details = [
    ...describeChecks(verdict, findings.incidents, findings.startedAt, MOST_DETAILS),
    ...[...availability.failures, ...waits.unsettled, ...waits.late, ...waits.starved, ...waits.disappointed]
      .slice(0, 2 * MOST_DETAILS)
      .map(({ caller, askedAt, settledAt = askedAt, refusal = 'no end', resources, why = '' }) =>
        tell(
          settledAt,
          `not served: ${caller} asked for ${resources.join(' and ')} at ${moment(askedAt)}, ${refusal} at ` +
            `${moment(settledAt)}: ${why}`,
          findings.incidents,
          moment,
        ),
      ),
  ];
  return details.toSorted((a, b) => momentIn(a) - momentIn(b));
}

/** The moment that a detail begins with; one without a moment comes last. */
function momentIn(detail: string): number {
  const seconds = Number.parseFloat(detail);
  return Number.isNaN(seconds) ? Number.POSITIVE_INFINITY : seconds;
}

/** Why not every attempt was answered in a run in which every promise held; undefined if all were. */
export function whyUnanswered({ findings, availability, broken }: Verdict): string | undefined {
  const failed = availability.failures.length;
  if (broken.length > 0 || failed === 0) return undefined;
  const seconds = (findings.terms.ttl + RECOVERY_SLACK_MS) / 1_000;
  return (
    `${failed} of ${availability.attempts} attempts found no quorum while a majority was up ` +
    `(${percent(availability.served, availability.attempts)} were answered). No promise of this run is broken by that: ` +
    `its faults may take a majority away, and for ${seconds} s after its return attempts may fail.`
  );
}

function percent(part: number, whole: number): string {
  if (whole === 0) return '-';
  // Never rounds up to 100.
  return part === whole ? '100 %' : `${(Math.floor((part / whole) * 1e5) / 1e3).toFixed(3)} %`;
}

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
  const counted = (count: number, isPromised: boolean) =>
    [count, isPromised ? count === 0 : undefined] as const;
  const slowest = Math.max(0, ...recoveries.map(({ afterMs }) => afterMs));
  const latencies = findings.history.attempts
    .flatMap(({ way, askedAt, grant }) => (way === 'probe' && grant !== undefined ? grant.at - askedAt : []))
    .sort((a, b) => a - b);
  const row = (what: string, value: string | number, mark?: boolean): Row => ({
    what,
    value: `${value}`,
    mark,
  });
  const heap = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  const { unsettled, late, starved, patient, disappointed } = waits;
  const served = percent(availability.served, availability.attempts);
  const isServed = availability.failures.length === 0;
  const inTime = slowest <= findings.terms.ttl + RECOVERY_SLACK_MS;
  return [
    row('locks granted', verdict.acquisitions),
    row('faults', findings.incidents.length),
    row('overlaps of holders', ...counted(verdict.overlaps.length, promises.exclusion)),
    row('overlaps of validities', ...counted(verdict.validityOverlaps.length, promises.exclusion)),
    row('tokens not unique, or out of order', ...counted(verdict.tokenFaults.length, promises.tokens)),
    row(
      'updates lost with the guard',
      updates(verdict.guarded),
      counted(verdict.guarded.lost, promises.tokens)[1],
    ),
    row('stale reads and writes it refused', verdict.guarded.refused),
    row('updates lost without the guard', updates(verdict.unguarded)),
    row('keys without an owner', ...counted(findings.orphans.length, promises.expiry)),
    row('waits', `${waits.count}, ${waits.granted} of them granted`),
    row(
      'waits never, late or not served',
      `${unsettled.length}, ${late.length}, ${starved.length}`,
      unsettled.length + late.length === 0,
    ),
    row(
      `waits of ${PATIENT_MS / 1_000} s and more that got a lock`,
      `${percent(patient - disappointed.length, patient)} of ${patient}`,
      promises.patience ? disappointed.length === 0 : undefined,
    ),
    row(
      'answered while a majority was up',
      `${served} of ${availability.attempts}`,
      promises.availability ? isServed : undefined,
    ),
    row('outages of a majority', outages.length),
    recoveries.length === 0
      ? row('first lock after a majority was back', '-')
      : row('first lock after a majority was back', `${Math.round(slowest)} ms at the most`, inTime),
    row(
      'latency of a free lock, p50 / p99',
      `${milliseconds(rank(latencies, 0.5))} / ${milliseconds(rank(latencies, 0.99))}`,
    ),
    ...growth.map(({ worker, start, end, leaks }) =>
      row(
        `${worker}: heap, sockets, timers`,
        `${heap(start.heapBytes)} → ${heap(end.heapBytes)} MiB, ${start.sockets} → ${end.sockets}, ` +
          `${start.timers} → ${end.timers}`,
        !leaks,
      ),
    ),
    row('left after close', leftovers.length, leftovers.length === 0),
  ];
}

function updates({ lost, writes }: LostUpdates): string {
  return `${lost} of ${writes}`;
}

/** The nearest rank of sorted values. */
export function rank(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

export function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

/** No colours, since it may go to a file. */
export const PLAIN = { style: { head: [], border: [], compact: true } };

/** What came of one run, as a table. */
export function tableOf(verdict: Verdict): string {
  const table = new Table({ ...PLAIN, colAligns: ['left', 'right'] });
  table.push(...rowsOf(verdict).map(({ what, value }) => [what, value]));
  return table.toString();
}

/** What came of several runs: a row for every scenario. */
export function tableOfRuns(verdicts: readonly Verdict[]): string {
  const head = [
    'fault',
    'runs',
    'locks',
    'faults',
    'overlaps',
    'token faults',
    'lost, guarded',
    'lost, unguarded',
  ];
  const table = new Table({
    ...PLAIN,
    head: [...head, 'available', 'recovery', 'held'],
    colAligns: ['left', ...Array.from({ length: 10 }, () => 'right' as const)],
  });
  for (const scenario of new Set(verdicts.map(({ findings }) => findings.options.scenario))) {
    const own = verdicts.filter(({ findings }) => findings.options.scenario === scenario);
    const sum = (of: (verdict: Verdict) => number) => own.reduce((total, each) => total + of(each), 0);
    const recoveries = own.flatMap((each) => each.recoveries.map(({ afterMs }) => afterMs));
    table.push([
      scenario,
      own.length,
      sum(({ acquisitions }) => acquisitions),
      sum(({ findings }) => findings.incidents.length),
      sum(({ overlaps, validityOverlaps }) => overlaps.length + validityOverlaps.length),
      sum(({ tokenFaults }) => tokenFaults.length),
      `${sum(({ guarded }) => guarded.lost)} of ${sum(({ guarded }) => guarded.writes)}`,
      `${sum(({ unguarded }) => unguarded.lost)} of ${sum(({ unguarded }) => unguarded.writes)}`,
      percent(
        sum(({ availability }) => availability.served),
        sum(({ availability }) => availability.attempts),
      ),
      recoveries.length === 0 ? '-' : `${Math.round(Math.max(...recoveries))} ms`,
      own.every(({ broken }) => broken.length === 0) ? 'yes' : 'NO',
    ]);
  }
  return table.toString();
}
