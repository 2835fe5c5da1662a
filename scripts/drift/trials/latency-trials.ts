import type { Latency } from '../../../src/testing/index.ts';
import { Simulation } from '../../../src/testing/index.ts';
import { acquiredWithin, type OneWay } from '../theory/order-statistics.ts';

/** How long acquisitions took. */
export interface LatencySample {
  readonly meanMs: number;
  /** `[share, ms]`: in this share of all acquisitions it took no longer. */
  readonly quantiles: readonly (readonly [share: number, ms: number])[];
  /** How far the share that took no longer than a time is from the predicted one, at the worst time: Kolmogorov's. */
  readonly distance: number;
}

const SHARES = [...Array.from({ length: 19 }, (_, index) => (index + 1) / 20), 0.99];

/** Between two acquisitions; longer than anything that is under way. */
const APART_MS = 1_000;

/** No node may count as hung here, however unlucky its messages are. */
const PATIENT = { nodeTimeout: 500, ttl: 30_000 } as const;

/** Acquires one free resource after another with messages that take so long, and takes the time. */
export async function latencyTrials(
  nodes: number,
  oneWay: OneWay,
  trials: number,
  seed: number,
): Promise<LatencySample> {
  const simulation = new Simulation({ nodes, seed, network: { latency: latencyOf(oneWay) } });
  const redlock = simulation.machine().redlock(PATIENT);
  const first = await simulation.until(redlock.acquire('first use'));
  await simulation.until(first.release());
  const durations: number[] = [];
  for (let trial = 0; trial < trials; trial += 1) {
    await simulation.advance(APART_MS);
    const startedAtMs = simulation.nowMs;
    const lock = await simulation.until(redlock.acquire(`page ${trial}`));
    durations.push(simulation.nowMs - startedAtMs);
    await simulation.until(lock.release());
  }
  return sampleOf(
    durations.toSorted((a, b) => a - b),
    (ms) => acquiredWithin(nodes, oneWay, ms),
  );
}

function latencyOf(oneWay: OneWay): Latency {
  return oneWay.kind === 'exponential' ? { mean: oneWay.mean } : { least: 0, most: oneWay.most };
}

function sampleOf(sorted: readonly number[], predicted: (ms: number) => number): LatencySample {
  const count = sorted.length;
  const distances = sorted.map((ms, index) => {
    const share = predicted(ms);
    return Math.max(share - index / count, (index + 1) / count - share);
  });
  return {
    meanMs: sorted.reduce((sum, ms) => sum + ms, 0) / count,
    quantiles: SHARES.map((share) => [share, sorted[Math.ceil(share * count) - 1] ?? Number.NaN] as const),
    distance: distances.reduce((largest, distance) => Math.max(largest, distance), 0),
  };
}
