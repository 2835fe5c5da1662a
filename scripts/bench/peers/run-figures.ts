import type { Hold, RunReport } from '../../../bench/worker/protocol.ts';
import { quantile } from '../figures.ts';

/** The measured part of a run, in milliseconds since its start. */
export interface Window {
  readonly fromMs: number;
  readonly toMs: number;
}

/** What came of a run. */
export interface RunFigures {
  /** Acquisitions a second, of all contenders together. */
  readonly rate: number;
  /** Jain's index over what each contender got: 1 if all got the same, 1 / n if one of n got everything; 0 if none got any. */
  readonly jain: number;
  /** The same over windows of {@link SHORT_MS}, on average: how evenly they have it within a moment. */
  readonly shortJain: number;
  readonly medianWaitMs: number;
  /** Waits that were not over at the end count, with what they had lasted. */
  readonly longestWaitMs: number;
  readonly longestToMedian: number;
  /** Commands that were sent to all nodes together, for each acquisition. */
  readonly commands: number;
  /** Acquires that rejected. */
  readonly failures: number;
  /** How often a contender got the lock while another one held it. */
  readonly overlaps: number;
  /** From acquire's return to release's call, on average. */
  readonly heldMs: number;
  /** How much of the time the lock is held: acquisitions a second, of 1 ÷ the time that it is held. */
  readonly heldShare: number;
}

/** A window within which each is to have a turn, in milliseconds. */
const SHORT_MS = 100;

export function runFigures(reports: readonly RunReport[], window: Window): RunFigures {
  const contenders = reports.flatMap((report) => report.contenders);
  const acquired = contenders.map(({ holds }) => holds.filter((hold) => isIn(hold, window)));
  const holds = acquired.flat();
  const waitsMs = holds.map(({ askedAtMs, acquiredAtMs }) => acquiredAtMs - askedAtMs);
  const unansweredMs = contenders.flatMap(({ waitingSinceMs }) =>
    waitingSinceMs === undefined ? [] : [window.toMs - waitingSinceMs],
  );
  const medianWaitMs = quantile(waitsMs, 0.5);
  const heldMs = sum(holds.map(({ acquiredAtMs, releasedAtMs }) => releasedAtMs - acquiredAtMs));
  const longestWaitMs = [...waitsMs, ...unansweredMs].reduce((a, b) => Math.max(a, b), 0);
  return {
    rate: (holds.length * 1_000) / (window.toMs - window.fromMs),
    jain: jain(acquired.map((list) => list.length)),
    shortJain: shortJainOf(acquired, window),
    medianWaitMs,
    longestWaitMs,
    longestToMedian: longestWaitMs / medianWaitMs,
    commands: sum(reports.map(({ commands }) => commands)) / holds.length,
    failures: sum(contenders.map(({ failures }) => failures)),
    overlaps: overlaps(contenders.flatMap((contender) => contender.holds)),
    heldMs: heldMs / holds.length,
    heldShare: heldMs / (window.toMs - window.fromMs),
  };
}

/**
 * How long it took from a release to the acquire of another process that was waiting already, in milliseconds each.
 * The report of a process is a list of its own.
 */
export function handoversMs(reports: readonly RunReport[], window: Window): readonly number[] {
  const holds = reports
    .flatMap(({ contenders }, process) =>
      contenders.flatMap((contender) => contender.holds.map((hold) => ({ ...hold, process }))),
    )
    .sort((a, b) => a.acquiredAtMs - b.acquiredAtMs);
  const handovers: number[] = [];
  for (const [index, next] of holds.entries()) {
    const last = holds[index - 1];
    if (last === undefined || last.process === next.process || !isIn(next, window)) continue;
    if (next.askedAtMs <= last.releasedAtMs) handovers.push(next.acquiredAtMs - last.releasedAtMs);
  }
  return handovers;
}

function isIn({ acquiredAtMs }: Hold, { fromMs, toMs }: Window): boolean {
  return acquiredAtMs >= fromMs && acquiredAtMs < toMs;
}

function jain(counts: readonly number[]): number {
  const squares = sum(counts.map((count) => count ** 2));
  return squares === 0 ? 0 : sum(counts) ** 2 / (counts.length * squares);
}

/** Jain's index over each short window in which the lock was held, on average. */
function shortJainOf(acquired: readonly (readonly Hold[])[], { fromMs, toMs }: Window): number {
  const counts = Array.from({ length: Math.floor((toMs - fromMs) / SHORT_MS) }, () => acquired.map(() => 0));
  acquired.forEach((holds, contender) => {
    for (const { acquiredAtMs } of holds) {
      const each = counts[Math.floor((acquiredAtMs - fromMs) / SHORT_MS)];
      if (each !== undefined) each[contender] = (each[contender] ?? 0) + 1;
    }
  });
  const used = counts.filter((each) => sum(each) > 0);
  return sum(used.map(jain)) / Math.max(1, used.length);
}

/** How often a contender got the lock while another one held it. */
export function overlaps(holds: readonly Hold[]): number {
  let count = 0;
  let heldUntilMs = Number.NEGATIVE_INFINITY;
  for (const { acquiredAtMs, releasedAtMs } of [...holds].sort((a, b) => a.acquiredAtMs - b.acquiredAtMs)) {
    if (acquiredAtMs < heldUntilMs) count += 1;
    heldUntilMs = Math.max(heldUntilMs, releasedAtMs);
  }
  return count;
}

export function sum(list: readonly number[]): number {
  return list.reduce((total, value) => total + value, 0);
}
