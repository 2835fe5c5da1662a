import { Rng } from '../../src/testing/rng.ts';

/**
 * How nodes lose their memory.
 *
 * - `one by one`: any number of nodes, at any pace, all of them within one ttl too; but at every moment some node has a
 *   marker, be it one that only says that it is joining, or one of an earlier process, or on a node that is down.
 * - `all at once`: as before, and beside that all nodes in the same moment, while locks are held.
 */
export type Losses = 'one by one' | 'all at once';

/** Everything that is settled before a run starts; the same for the same seed. All durations in milliseconds. */
export interface Terms {
  /** A 32 bit integer. */
  readonly seed: number;
  readonly losses: Losses;
  readonly nodes: number;
  /** Programs at the start; others come and go. */
  readonly machines: number;
  readonly callersPerMachine: number;
  readonly resources: readonly string[];
  readonly shortestTtl: number;
  readonly maxTtl: number;
  readonly driftFactor: number;
  readonly connectTimeout: number;
  /** The longest that a message takes while the network is well. */
  readonly latencyMs: number;
  /** For how long there are faults. */
  readonly durationMs: number;
}

/** β, twice, and a margin: what a quarantine has beside the ttl. */
const QUARANTINE_EXTRA_MS = 2_100;

/** How long a node that lost its memory may not vote. */
export function quarantineMs({ maxTtl, driftFactor }: Pick<Terms, 'maxTtl' | 'driftFactor'>): number {
  return maxTtl * (1 + driftFactor) + QUARANTINE_EXTRA_MS;
}

export function drawTerms(losses: Losses, seed: number): Terms {
  const dice = Rng.ofSeed(seed);
  // As many short ones as long ones: what a quarantine adds to the ttl is much to the one and little to the other.
  const maxTtl = Math.round(300 * 12 ** dice.between(0, 1));
  const driftFactor = dice.pick([0.01, 0.01, 0.05, 0.1]);
  return {
    seed,
    losses,
    nodes: dice.chance(0.5) ? 3 : 5,
    machines: dice.integer(2, 4),
    callersPerMachine: dice.integer(1, 2),
    resources: dice.chance(0.7) ? ['page'] : ['page', 'picture'],
    shortestTtl: Math.round(maxTtl * dice.between(0.3, 1)),
    maxTtl,
    driftFactor,
    connectTimeout: dice.integer(200, 1_000),
    latencyMs: dice.pick([0.5, 2, 10]),
    durationMs: Math.round(quarantineMs({ maxTtl, driftFactor }) * dice.between(3, 4)),
  };
}

export function describeTerms(terms: Terms): string {
  return Object.entries(terms)
    .map(([name, value]) => `${name} ${Array.isArray(value) ? value.join('+') : value}`)
    .join(', ');
}
