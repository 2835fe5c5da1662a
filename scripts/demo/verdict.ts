import { findOverlaps, type Overlap } from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type TokenFault } from '../../src/testing/checkers/tokens.ts';
import type { Ledger, Section } from './ledger.ts';

/** What came of a run. */
export interface Findings {
  readonly locking: boolean;
  readonly ledger: Ledger;
  /** What stands in the shared file at the end. */
  readonly finalCount: number;
  readonly killed: number;
  readonly paused: number;
  /** What kept the run itself from going as it should: a worker that crashed, a master that did not come back. */
  readonly problems: readonly string[];
}

export interface Verdict {
  readonly holds: boolean;
  readonly sentence: string;
  readonly rows: readonly (readonly [what: string, value: string])[];
  /** What exactly went wrong, at most a few of each kind. */
  readonly details: readonly string[];
}

const MOST_DETAILS = 5;

export function judge(findings: Findings): Verdict {
  const { ledger, finalCount, killed, paused, problems } = findings;
  const { sections, increments } = ledger;
  const overlaps = findOverlaps(sections);
  const tokenFaults = findTokenFaults(tokensOf(sections));
  const lostUpdates = increments - finalCount;
  const holds =
    problems.length === 0 &&
    sections.length > 0 &&
    lostUpdates === 0 &&
    overlaps.length === 0 &&
    tokenFaults.length === 0;
  const waits = sections.map(({ requestedAt, from }) => from - requestedAt).sort((a, b) => a - b);
  const refusals = [...ledger.refusals].map(([code, count]) => `${count} ${code}`);
  return {
    holds,
    sentence: sentenceOf(findings, {
      lostUpdates,
      overlaps: overlaps.length,
      tokenFaults: tokenFaults.length,
    }),
    rows: [
      ['acquisitions', `${sections.length}`],
      ['increments of the shared counter', `${increments}`],
      ['extensions', `${ledger.extensions}`],
      ['faults injected', `${killed + paused} (${killed} killed, ${paused} paused)`],
      ['acquisitions refused', refusals.length === 0 ? '0' : refusals.join('\n')],
      ['locks lost in use', `${ledger.lost}`],
      ['wait p50', milliseconds(percentile(waits, 0.5))],
      ['wait p99', milliseconds(percentile(waits, 0.99))],
      ['lost updates', `${lostUpdates}`],
      ['overlaps', `${overlaps.length}`],
      ['tokens out of order', findings.locking ? `${tokenFaults.length}` : '-'],
    ],
    details: [
      ...problems,
      // Without a lock there is nothing to be explained about them.
      ...(findings.locking ? overlaps.slice(0, MOST_DETAILS).map(describeOverlap) : []),
      ...tokenFaults.slice(0, MOST_DETAILS).map(describeTokenFault),
    ],
  };
}

function sentenceOf(
  { locking, ledger, problems, killed, paused }: Findings,
  damage: { readonly lostUpdates: number; readonly overlaps: number; readonly tokenFaults: number },
): string {
  const { sections, increments } = ledger;
  const { lostUpdates, overlaps, tokenFaults } = damage;
  const isWhole = lostUpdates === 0 && overlaps === 0 && tokenFaults === 0;
  const inNumbers = `${lostUpdates} of ${increments} updates lost, ${overlaps} overlaps between holders`;
  if (problems.length > 0) return 'The run itself failed, so it shows nothing:';
  if (sections.length === 0) return 'Nobody ever got the lock, so the run shows nothing.';
  if (!locking) return isWhole ? 'No lock, and by chance no harm done.' : `Without a lock: ${inNumbers}.`;
  if (!isWhole) return `The lock did NOT hold: ${inNumbers}, ${tokenFaults} tokens out of order:`;
  return `The lock held: no update lost, no two holders at once, through ${killed + paused} faults.`;
}

/** Sections without a token come from a run without a lock. */
function tokensOf(sections: readonly Section[]) {
  return sections.flatMap(({ holder, token, requestedAt, from }) =>
    token === undefined ? [] : [{ holder, token, requestedAt, grantedAt: from }],
  );
}

/** The nearest rank of sorted values. */
function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

function milliseconds(value: number | undefined): string {
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function describeOverlap({ first, second, length }: Overlap<Section>): string {
  return `for ${length.toFixed(2)} ms, ${describeSection(first)} and ${describeSection(second)} overlapped`;
}

function describeSection({ holder, from, to, token }: Section): string {
  return `${holder} (${(to - from).toFixed(2)} ms long, token ${token ?? 'none'})`;
}

function describeTokenFault({
  kind,
  earlier,
  later,
}: TokenFault<ReturnType<typeof tokensOf>[number]>): string {
  return `token ${kind}: ${earlier.holder} was granted ${earlier.token}, then ${later.holder} ${later.token}`;
}
