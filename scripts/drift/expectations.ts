import type { ExclusionPoint, ExclusionResult, Measured, ThresholdPoint } from './points.ts';
import { availability, standardError } from './theory/binomial.ts';
import { lateWriteProbability, overlapProbability, SLACK_MS } from './theory/exclusion.ts';
import { majorityOf } from './theory/majority.ts';
import { kolmogorovLimit, meanAcquisition } from './theory/order-statistics.ts';
import { nodesToMislead, safeError, validityOf } from './theory/thresholds.ts';

/** What theory says of one number that was measured. */
interface Expectation {
  readonly predicted: number;
  /** The measured number agrees if it lies between these, both included. */
  readonly least: number;
  readonly most: number;
}

/** One number that was measured, with what theory says of it where it says something. */
export interface Finding {
  readonly measure: string;
  readonly measured: number;
  readonly expected?: Expectation | undefined;
}

/** The standard errors by which a share may be off: one in some 150,000 is, by chance alone. */
const STANDARD_ERRORS = 4.5;

/** The normal distribution is a poor guide where a handful of trials decide. */
const TRIALS_TO_SPARE = 2;

/** How far the search for a threshold may miss it. */
const SEARCH_ERROR = 2e-5;

const NEVER: Expectation = exactly(0);

export function agrees({ measured, expected }: Finding): boolean {
  return expected === undefined || (measured >= expected.least && measured <= expected.most);
}

/** The numbers that a point comes to. */
export function findingsOf(measured: Measured): readonly Finding[] {
  switch (measured.kind) {
    case 'exclusion':
      return exclusionFindings(measured.point, measured.result);
    case 'threshold': {
      const { safe } = measured.result;
      return [
        { measure: 'safe relative error', measured: safe, expected: expectedThreshold(measured.point) },
      ];
    }
    case 'availability': {
      const { acquired } = measured.result;
      const { nodes, downProbability, trials } = measured.point;
      const expected = share(availability(nodes, downProbability), trials);
      return [{ measure: 'acquired', measured: acquired / trials, expected }];
    }
    case 'latency': {
      const { meanMs, distance } = measured.result;
      const { nodes, oneWay, trials } = measured.point;
      const mean = meanAcquisition(nodes, oneWay);
      return [
        {
          measure: 'mean duration',
          measured: meanMs,
          expected: { predicted: mean, least: 0, most: Infinity },
        },
        {
          measure: 'distance of the distributions',
          measured: distance,
          expected: { predicted: 0, least: 0, most: kolmogorovLimit(trials) },
        },
      ];
    }
  }
}

function exclusionFindings(point: ExclusionPoint, result: ExclusionResult): readonly Finding[] {
  const { terms, trials } = point;
  const { ttl, driftFactor } = terms;
  const of = (count: number) => count / trials;
  return [
    { measure: 'lock granted', measured: of(result.granted) },
    { measure: 'wrong clock noticed', measured: of(result.noticed) },
    {
      measure: 'overlap, with the allowance',
      measured: of(result.overlaps),
      expected: expectedOverlap(point, validityOf(ttl, driftFactor)),
    },
    {
      measure: 'overlap, by the ttl alone',
      measured: of(result.overlapsPlain),
      expected: terms.watchers === 'none' ? expectedOverlap(point, ttl) : undefined,
    },
    { measure: 'late write', measured: of(result.late), expected: expectedLateWrites(point) },
    { measure: 'late write let through with fencing', measured: of(result.lateAccepted), expected: NEVER },
    { measure: 'late write, by the ttl alone', measured: of(result.latePlain) },
    {
      measure: 'late write let through with fencing, by the ttl alone',
      measured: of(result.latePlainAccepted),
      expected: NEVER,
    },
  ];
}

/** Undefined where theory has no answer, or where it depends on the slack. */
function expectedOverlap({ terms, trials }: ExclusionPoint, validityMs: number): Expectation | undefined {
  const { clocks, watchers, nodes, ttl, stepMs, steppedNodes, grantingNodes } = terms;
  // Who has watched before does not get a lock from nodes whose clocks are wrong.
  if (watchers === 'both') return NEVER;
  if (stepMs !== 0) {
    const misled = nodesToMislead(majorityOf(nodes), nodes, grantingNodes);
    if (watchers === 'rival' || steppedNodes < misled) return NEVER;
    return certainly(stepMs, ttl - validityMs, ttl - validityMs + SLACK_MS.most);
  }
  if (clocks.kind === 'random') {
    if (watchers === 'rival') return undefined;
    const { relativeError } = clocks;
    const at = (slackMs: number) => overlapProbability({ nodes, ttl, validityMs, relativeError, slackMs });
    return share(at(SLACK_MS.typical), trials, at(SLACK_MS.most), at(SLACK_MS.least));
  }
  if (watchers === 'rival' && clocks.rivalLike === 'holder') return NEVER;
  const { relativeError } = clocks;
  return certainly(relativeError, safeError(ttl, validityMs), safeError(ttl, validityMs - SLACK_MS.most));
}

function expectedLateWrites({ study, terms, trials }: ExclusionPoint): Expectation | undefined {
  if (study !== 'pause') return undefined;
  const { ttl, driftFactor, pauseMs } = terms;
  const validityMs = validityOf(ttl, driftFactor);
  const at = (slackMs: number) => lateWriteProbability({ ttl, validityMs, pauseMs, slackMs });
  return share(at(SLACK_MS.typical), trials, at(SLACK_MS.most), at(SLACK_MS.least));
}

function expectedThreshold({ ttl, driftFactor, check }: ThresholdPoint): Expectation {
  const validityMs = check === 'plain' ? ttl : validityOf(ttl, driftFactor);
  return {
    predicted: safeError(ttl, validityMs),
    least: safeError(ttl, validityMs) - SEARCH_ERROR,
    most: safeError(ttl, validityMs - SLACK_MS.most) + SEARCH_ERROR,
  };
}

/** Never below a threshold, always beyond it, and undecided where what messages take decides. */
function certainly(value: number, threshold: number, beyond: number): Expectation | undefined {
  if (value <= threshold) return NEVER;
  return value >= beyond ? exactly(1) : undefined;
}

function exactly(value: number): Expectation {
  return { predicted: value, least: value, most: value };
}

/** A share of a number of trials, whose true value lies between two bounds. */
function share(predicted: number, trials: number, low = predicted, high = predicted): Expectation {
  const margin = (probability: number) =>
    STANDARD_ERRORS * standardError(probability, trials) + TRIALS_TO_SPARE / trials;
  const isCertain = low === high && (low === 0 || low === 1);
  if (isCertain) return exactly(low);
  return { predicted, least: low - margin(low), most: high + margin(high) };
}
