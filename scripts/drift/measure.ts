import { seedAfter } from '../support/seeds.ts';
import {
  type AvailabilityPoint,
  type AvailabilityResult,
  type ExclusionPoint,
  type ExclusionResult,
  type Measured,
  type Point,
  seedOf,
  type ThresholdPoint,
  type ThresholdResult,
} from './points.ts';
import { availabilityTrial } from './trials/availability-trial.ts';
import { PLAIN_TERMS } from './trials/clock-terms.ts';
import { type ClockTrial, clockTrial } from './trials/clock-trial.ts';
import { latencyTrials } from './trials/latency-trials.ts';

/** Where the search for a threshold begins: no clock that is any use is as wrong as this. */
const LARGEST_ERROR = 0.5;

/** How close the search comes: a thousandth of a percent. */
const PRECISION = 1e-5;

/** Measures a point. The same seed gives the same result. */
export async function measure(point: Point, runSeed: number): Promise<Measured> {
  const seed = seedOf(point, runSeed);
  switch (point.kind) {
    case 'exclusion':
      return { kind: point.kind, point, result: await exclusion(point, seed) };
    case 'threshold':
      return { kind: point.kind, point, result: await threshold(point, seed) };
    case 'availability':
      return { kind: point.kind, point, result: await availability(point, seed) };
    case 'latency':
      return {
        kind: point.kind,
        point,
        result: await latencyTrials(point.nodes, point.oneWay, point.trials, seed),
      };
  }
}

async function exclusion({ terms, trials }: ExclusionPoint, seed: number): Promise<ExclusionResult> {
  const all: ClockTrial[] = [];
  for (let trial = 0; trial < trials; trial += 1) all.push(await clockTrial(terms, seedAfter(seed, trial)));
  const count = (isSo: (trial: ClockTrial) => boolean) => all.filter(isSo).length;
  return {
    granted: count(({ granted }) => granted),
    noticed: count(({ noticed }) => noticed),
    overlaps: count(({ allowance }) => allowance.overlaps),
    overlapsPlain: count(({ plain }) => plain.overlaps),
    late: count(({ allowance }) => allowance.late.sent > 0),
    lateAccepted: count(({ allowance }) => allowance.late.accepted > 0),
    latePlain: count(({ plain }) => plain.late.sent > 0),
    latePlainAccepted: count(({ plain }) => plain.late.accepted > 0),
  };
}

/** Halves the interval between an error without overlaps and one with, until it is small enough. */
async function threshold(point: ThresholdPoint, seed: number): Promise<ThresholdResult> {
  let [safe, unsafe] = [0, LARGEST_ERROR];
  while (unsafe - safe > PRECISION) {
    const middle = (safe + unsafe) / 2;
    if (await overlapsAt(middle, point, seed)) unsafe = middle;
    else safe = middle;
  }
  return { safe, unsafe };
}

async function overlapsAt(error: number, point: ThresholdPoint, seed: number): Promise<boolean> {
  const { nodes, ttl, driftFactor, check, trials } = point;
  const clocks = { kind: 'apart', relativeError: error, rivalLike: 'holder' } as const;
  const terms = { ...PLAIN_TERMS, nodes, grantingNodes: nodes, ttl, driftFactor, clocks };
  for (let trial = 0; trial < trials; trial += 1) {
    if ((await clockTrial(terms, seedAfter(seed, trial)))[check].overlaps) return true;
  }
  return false;
}

async function availability(point: AvailabilityPoint, seed: number): Promise<AvailabilityResult> {
  const { nodes, downProbability, trials } = point;
  let acquired = 0;
  for (let trial = 0; trial < trials; trial += 1) {
    if (await availabilityTrial(nodes, downProbability, seedAfter(seed, trial))) acquired += 1;
  }
  return { acquired };
}
