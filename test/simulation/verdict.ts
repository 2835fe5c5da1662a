import { findOverlaps, type Interval, type Overlap } from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type Grant, type TokenFault } from '../../src/testing/checkers/tokens.ts';
import type { Section } from './caller.ts';
import type { Findings, Incident } from './run.ts';
import { describeTerms } from './terms.ts';

/** What a run came to. */
export interface Verdict {
  readonly findings: Findings;
  /** Pairs of holders that acted at the same time, after checks that both went through. */
  readonly overlaps: readonly Overlap<Interval>[];
  /** Pairs of locks that were valid at the same time, be it that nobody acted. */
  readonly validityOverlaps: readonly Overlap<Interval>[];
  readonly tokenFaults: readonly TokenFault<Grant>[];
  /** Whether locks were to be had again in time after the last fault. */
  readonly hasRecovered: boolean;
}

const MOST_DETAILS = 2;

/** How much of what happened before is told of an event. */
const STORY_MS = 6_000;

export function judge(findings: Findings): Verdict {
  return {
    findings,
    overlaps: onEach(findings, (sections) =>
      findOverlaps(sections.map((section) => intervalOf(section, section.actedAt))),
    ),
    validityOverlaps: onEach(findings, (sections) =>
      findOverlaps(sections.map((section) => intervalOf(section, section.validUntil))),
    ),
    tokenFaults: onEach(findings, findTokenFaults),
    hasRecovered: Number.isFinite(findings.recoveredAfterMs),
  };
}

/** What a run shows against the promise that holders never overlap, tokens grow, and locks are to be had again. */
export function brokenPromises(verdict: Verdict): readonly string[] {
  const { findings, overlaps, validityOverlaps, tokenFaults, hasRecovered } = verdict;
  const broken = [...findings.problems];
  if (findings.sections.length === 0) broken.push('nobody ever got a lock');
  if (overlaps.length > 0) broken.push(`${overlaps.length} overlaps of holders that acted`);
  if (validityOverlaps.length > 0) broken.push(`${validityOverlaps.length} overlaps of validities`);
  if (tokenFaults.length > 0) broken.push(`${tokenFaults.length} tokens not unique or not growing`);
  if (!hasRecovered) broken.push('no locks to be had after the last fault');
  return broken;
}

/** Everything somebody needs who is to find out why a run went as it did. */
export function describeVerdict(verdict: Verdict): string {
  const { findings, overlaps, validityOverlaps, tokenFaults } = verdict;
  const { terms, quarantine, sections, losses, failures, recoveredAfterMs } = findings;
  const counts = [...failures].map(([code, count]) => `${count} ${code}`).join(', ');
  return [
    `quarantine ${quarantine}, ${describeTerms(terms)}`,
    `${sections.length} locks, ${losses} losses of memory, ${overlaps.length} overlaps ` +
      `(${validityOverlaps.length} of validities), ${tokenFaults.length} token faults; ${counts}; locks again after ` +
      `${recoveredAfterMs.toFixed(0)} ms`,
    ...validityOverlaps.slice(0, MOST_DETAILS).map((overlap) => ofOverlap(overlap, findings.incidents)),
    ...tokenFaults.slice(0, MOST_DETAILS).map((fault) => ofTokens(fault, findings.incidents)),
  ].join('\n');
}

function onEach<Found>(
  { terms, sections }: Findings,
  find: (sections: readonly Section[]) => readonly Found[],
): readonly Found[] {
  return terms.resources.flatMap((resource) =>
    find(sections.filter(({ resources }) => resources.includes(resource))),
  );
}

function intervalOf({ holder, token, grantedAt }: Section, to: number): Interval {
  return { holder, token, from: grantedAt, to };
}

function ofOverlap({ first, second, length }: Overlap<Interval>, incidents: readonly Incident[]): string {
  const [one, other] = [first, second].map(
    ({ holder, from, to, token }) => `${holder} from ${from.toFixed(1)} to ${to.toFixed(1)} (token ${token})`,
  );
  return `overlap of ${length.toFixed(1)} ms: ${one} and ${other}\n${storyBefore(second.from, incidents)}`;
}

function ofTokens({ kind, earlier, later }: TokenFault<Grant>, incidents: readonly Incident[]): string {
  const [one, other] = [earlier, later].map(
    ({ holder, requestedAt, grantedAt, token }) =>
      `${holder} asked at ${requestedAt.toFixed(1)} and got ${token} at ${grantedAt.toFixed(1)}`,
  );
  return `token ${kind}: ${one}, then ${other}\n${storyBefore(later.grantedAt, incidents)}`;
}

function storyBefore(untilMs: number, incidents: readonly Incident[]): string {
  return incidents
    .filter(({ atMs }) => atMs <= untilMs && atMs > untilMs - STORY_MS)
    .map(({ atMs, what }) => `    ${atMs.toFixed(1)}  ${what}`)
    .join('\n');
}

/** What many runs came to, in one line. */
export class Totals {
  #runs = 0;
  #locks = 0;
  #losses = 0;
  #withOverlaps = 0;
  #withValidityOverlaps = 0;
  #withTokenFaults = 0;

  add({ findings, overlaps, validityOverlaps, tokenFaults }: Verdict): void {
    this.#runs += 1;
    this.#locks += findings.sections.length;
    this.#losses += findings.losses;
    if (overlaps.length > 0) this.#withOverlaps += 1;
    if (validityOverlaps.length > 0) this.#withValidityOverlaps += 1;
    if (tokenFaults.length > 0) this.#withTokenFaults += 1;
  }

  toString(): string {
    return (
      `${this.#runs} runs, ${this.#locks} locks, ${this.#losses} losses of memory; runs with overlaps of holders ` +
      `that acted ${this.#withOverlaps}, of validities ${this.#withValidityOverlaps}, with token faults ` +
      `${this.#withTokenFaults}`
    );
  }
}
