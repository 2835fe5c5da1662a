import { type RunOptions, replayOf } from '../terms.ts';
import type { Verdict } from './verdict.ts';

const MOST_DETAILS = 5;

/** How much of what happened before is told of an event. */
const STORY_MS = 6_000;

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

/** Everything somebody needs who is to find out why a run failed. */
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
  const { findings, overlaps, validityOverlaps, crowds, tokenFaults, availability, waits } = verdict;
  const moment = (at: number) => `${((at - findings.startedAt) / 1_000).toFixed(3)} s`;
  const story = (at: number, found: string) => {
    const before = findings.incidents.filter(({ from }) => from <= at && from > at - STORY_MS);
    return [found, ...before.map(({ from, what }) => `    ${moment(from)}  ${what}`)].join('\n');
  };
  const ofOverlaps = (what: string, found: Verdict['overlaps']) =>
    found
      .slice(0, MOST_DETAILS)
      .map(({ first, second, length }) =>
        story(
          second.from,
          `overlap, ${what} for ${length.toFixed(1)} ms: ` +
            [first, second]
              .map(
                ({ holder, token, from, to }) =>
                  `${holder} with token ${token} from ${moment(from)} to ${moment(to)}`,
              )
              .join(' and '),
        ),
      );
  return [
    ...ofOverlaps('both acted', overlaps),
    ...ofOverlaps('both valid', validityOverlaps),
    ...crowds
      .slice(0, MOST_DETAILS)
      .map(({ last, all, permits }) =>
        story(last.from, `${permits} permits valid at once: ${all.map(({ holder }) => holder).join(', ')}`),
      ),
    ...tokenFaults
      .slice(0, MOST_DETAILS)
      .map(({ kind, earlier, later }) =>
        story(
          later.grantedAt,
          `token ${kind}: ${earlier.holder} was granted ${earlier.token} at ${moment(earlier.grantedAt)}, then ` +
            `${later.holder} ${later.token} at ${moment(later.grantedAt)}`,
        ),
      ),
    ...availability.failures
      .slice(0, MOST_DETAILS)
      .map(({ caller, askedAt, settledAt = askedAt, refusal, why = '' }) =>
        story(
          settledAt,
          `not served: ${caller} asked at ${moment(askedAt)}, ${refusal} at ${moment(settledAt)}: ${why}`,
        ),
      ),
    ...[...waits.unsettled, ...waits.late, ...waits.starved, ...waits.disappointed]
      .slice(0, MOST_DETAILS)
      .map(({ caller, askedAt, settledAt = askedAt, refusal, resources }) =>
        story(
          settledAt,
          `a wait: ${caller} for ${resources.join(' and ')} from ${moment(askedAt)}, ${refusal ?? 'no end'} at ${moment(settledAt)}`,
        ),
      ),
  ];
}

export function percent(part: number, whole: number): string {
  if (whole === 0) return '-';
  // Never rounds up to 100.
  return part === whole ? '100 %' : `${(Math.floor((part / whole) * 1e5) / 1e3).toFixed(3)} %`;
}
