import type { OneWay } from './theory/order-statistics.ts';
import type { ClockTerms } from './trials/clock-terms.ts';
import type { LatencySample } from './trials/latency-trials.ts';

/** Which question a point of exclusion belongs to. */
export type Study = 'drift' | 'random' | 'watched' | 'step' | 'pause' | 'misled';

/** Many trials under the same terms. */
export interface ExclusionPoint {
  readonly kind: 'exclusion';
  readonly study: Study;
  readonly terms: ClockTerms;
  readonly trials: number;
}

/** The search for the clock error from which on locks overlap. */
export interface ThresholdPoint {
  readonly kind: 'threshold';
  readonly nodes: number;
  readonly ttl: number;
  readonly driftFactor: number;
  /** By which check the holder goes. */
  readonly check: 'allowance' | 'plain';
  /** At every error that is tried. */
  readonly trials: number;
}

export interface AvailabilityPoint {
  readonly kind: 'availability';
  readonly nodes: number;
  readonly downProbability: number;
  readonly trials: number;
}

interface LatencyPoint {
  readonly kind: 'latency';
  readonly nodes: number;
  readonly oneWay: OneWay;
  readonly trials: number;
}

/** One thing to be measured, with all that decides how it comes out but the seed. */
export type Point = ExclusionPoint | ThresholdPoint | AvailabilityPoint | LatencyPoint;

/** What came of an {@link ExclusionPoint}: in how many trials it was so. */
export interface ExclusionResult {
  readonly granted: number;
  readonly noticed: number;
  readonly overlaps: number;
  readonly overlapsPlain: number;
  readonly late: number;
  readonly lateAccepted: number;
  readonly latePlain: number;
  readonly latePlainAccepted: number;
}

/** No trial overlapped at the relative error `safe`, and at least one did at `unsafe`; close together. */
export interface ThresholdResult {
  readonly safe: number;
  readonly unsafe: number;
}

export interface AvailabilityResult {
  readonly acquired: number;
}

/** A point of one kind together with what came of it. */
interface MeasuredAs<Kind extends Point['kind'], Measurable extends Point, Result> {
  readonly kind: Kind;
  readonly point: Measurable;
  readonly result: Result;
}

/** A point together with what came of it. */
export type Measured =
  | MeasuredAs<'exclusion', ExclusionPoint, ExclusionResult>
  | MeasuredAs<'threshold', ThresholdPoint, ThresholdResult>
  | MeasuredAs<'availability', AvailabilityPoint, AvailabilityResult>
  | MeasuredAs<'latency', LatencyPoint, LatencySample>;

/** Tells points apart. */
export function keyOf(point: Point): string {
  return JSON.stringify(point);
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** The seed of one point: the same for the same seed of the run, whatever else is measured (FNV-1a, 32 bit). */
export function seedOf(point: Point, runSeed: number): number {
  let hash = FNV_OFFSET;
  for (const letter of `${runSeed} ${keyOf(point)}`) {
    hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), FNV_PRIME);
  }
  return hash >>> 0;
}
