import type { Interval, Overlap } from '../../src/testing/checkers/overlaps.ts';
import type { Grant, TokenFault } from '../../src/testing/checkers/tokens.ts';
import { checkSections } from '../support/sections.ts';
import type { Incident } from './faults.ts';
import type { Report } from './messages.ts';
import { describeTerms, type Mode, replayOf, type Terms } from './terms.ts';

/** Everything that a run left. */
export interface Findings {
  readonly terms: Terms;
  readonly startedAt: number;
  readonly reports: readonly Report[];
  readonly incidents: readonly Incident[];
  /** What kept the run itself from going as it should. */
  readonly problems: readonly string[];
}

export interface Verdict {
  readonly terms: Terms;
  readonly acquisitions: number;
  readonly faults: number;
  /** Pairs of holders that acted at the same time, after checks that both went through. */
  readonly overlaps: number;
  /** Pairs of locks that were valid at the same time, be it that nobody acted. */
  readonly validityOverlaps: number;
  readonly tokenFaults: number;
  /** What else befell the callers: how many of each code. */
  readonly counts: Readonly<Record<string, number>>;
  /** Promises that were broken; empty if the run holds. */
  readonly broken: readonly string[];
  /** The whole story of what was found, be it allowed or not; a few of each kind. */
  readonly details: string;
}

interface Promises {
  readonly exclusion: boolean;
  readonly tokens: boolean;
  /** Nobody is warned of clocks that are as they should be. */
  readonly calm: boolean;
}

/** What a mode promises; elsewhere it is only counted. */
const PROMISES: Readonly<Record<Mode, Promises>> = {
  inside: { exclusion: true, tokens: true, calm: true },
  clocks: { exclusion: false, tokens: true, calm: false },
  everything: { exclusion: false, tokens: true, calm: false },
  beyond: { exclusion: false, tokens: false, calm: false },
  unmarked: { exclusion: false, tokens: false, calm: true },
  amnesia: { exclusion: false, tokens: false, calm: true },
};

const MOST_DETAILS = 4;

/** How much of what happened before is told of an event. */
const STORY_MS = 6_000;

export function judge(findings: Findings): Verdict {
  const { terms, reports, incidents } = findings;
  const sections = reports.flatMap((report) => report.sections);
  const problems = [...findings.problems, ...reports.flatMap((report) => report.problems)];
  const { overlaps, validityOverlaps, tokenFaults } = checkSections(sections);
  const promises = PROMISES[terms.mode];
  const broken = [...problems];
  if (sections.length === 0) broken.push('nobody ever got a lock');
  if (promises.exclusion && overlaps.length > 0)
    broken.push(`${overlaps.length} overlaps of holders that acted`);
  if (promises.exclusion && validityOverlaps.length > 0) {
    broken.push(`${validityOverlaps.length} overlaps of validities`);
  }
  if (promises.tokens && tokenFaults.length > 0) {
    broken.push(`${tokenFaults.length} tokens that were not unique or did not grow`);
  }
  const counts = sumOf(reports.map((report) => report.counts));
  const { QUORLOCK_CLOCK: clockWarnings = 0 } = counts;
  if (promises.calm && clockWarnings > 0) broken.push(`${clockWarnings} warnings of clocks that are right`);
  const story = new Story(findings);
  return {
    terms,
    acquisitions: sections.length,
    faults: incidents.length,
    overlaps: overlaps.length,
    validityOverlaps: validityOverlaps.length,
    tokenFaults: tokenFaults.length,
    counts,
    broken,
    details: [
      ...overlaps.slice(0, MOST_DETAILS).map((overlap) => story.ofOverlap('both acted', overlap)),
      ...validityOverlaps.slice(0, MOST_DETAILS).map((overlap) => story.ofOverlap('both valid', overlap)),
      ...tokenFaults.slice(0, MOST_DETAILS).map((fault) => story.ofTokens(fault)),
    ].join('\n'),
  };
}

/** One line: what a run came to. */
export function describeVerdict(verdict: Verdict): string {
  const { terms, acquisitions, faults, overlaps, validityOverlaps, tokenFaults, counts } = verdict;
  const others = Object.entries(counts).map(([code, count]) => `${count} ${code}`);
  return (
    `${terms.mode}, seed ${terms.seed}: ${acquisitions} acquisitions through ${faults} faults, ${overlaps} overlaps ` +
    `(${validityOverlaps} of validities), ${tokenFaults} token faults; ${others.join(', ')}`
  );
}

/** Everything somebody needs who is to find out why a run failed. */
export function describeFailure(verdict: Verdict): string {
  return [
    `${verdict.broken.join('; ')}. The same again: ${replayOf(verdict.terms)}`,
    describeTerms(verdict.terms),
    describeVerdict(verdict),
    verdict.details,
  ].join('\n');
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const [code, count] of counts.flatMap((each) => Object.entries(each))) {
    sums[code] = (sums[code] ?? 0) + count;
  }
  return sums;
}

/** Tells what was found together with the faults that led to it, in milliseconds since the run began. */
class Story {
  readonly #startedAt: number;
  readonly #incidents: readonly Incident[];

  constructor({ startedAt, incidents }: Findings) {
    this.#startedAt = startedAt;
    this.#incidents = incidents;
  }

  ofOverlap(what: string, { first, second, length }: Overlap<Interval>): string {
    return this.#with(
      second.from,
      `overlap, ${what} for ${length.toFixed(1)} ms: ${this.#interval(first)} and ${this.#interval(second)}`,
    );
  }

  ofTokens({ kind, earlier, later }: TokenFault<Grant>): string {
    return this.#with(
      later.grantedAt,
      `token ${kind}: ${this.#grant(earlier)}, then ${this.#grant(later)}, lower by ${earlier.token - later.token}`,
    );
  }

  #interval({ holder, from, to, token }: Interval): string {
    return `${holder} from ${this.#moment(from)} to ${this.#moment(to)} (token ${token})`;
  }

  #grant({ holder, token, requestedAt, grantedAt }: Grant): string {
    return `${holder} asked at ${this.#moment(requestedAt)} and got ${token} at ${this.#moment(grantedAt)}`;
  }

  #with(at: number, found: string): string {
    const before = this.#incidents.filter((incident) => incident.at <= at && incident.at > at - STORY_MS);
    return [found, ...before.map((incident) => `    ${this.#moment(incident.at)}  ${incident.what}`)].join(
      '\n',
    );
  }

  #moment(at: number): string {
    return (at - this.#startedAt).toFixed(1);
  }
}
