import { Dice } from '../fleet/safety/dice.ts';

/**
 * How nodes lose their memory.
 *
 * - `one by one`: any number of nodes, at any pace, all of them within one ttl too; but whenever one loses its memory,
 *   another has had a marker for `noticedMs` at the least, be it one that only says that it is joining, or one of an
 *   earlier process. So somebody has noticed the loss of the first nodes before the last one is lost.
 * - `all at once`: as before, and beside that all nodes in the same moment, while locks are held.
 */
export type Losses = 'one by one' | 'all at once';

/** Everything that is settled before a run starts; the same for the same seed. All durations in milliseconds. */
export interface Terms {
  /** A 32 bit integer. */
  readonly seed: number;
  readonly losses: Losses;
  readonly noticedMs: number;
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

/**
 * What `noticedMs` is unless a test asks for less. A program takes a deployment for new when every node has told it
 * that it has no marker. It asks all of them at once and makes each active within half a second of its answer, but the
 * answers may lie as far apart as messages are late, which is half a second here. A majority that loses its memory in
 * between is made active as well. So somebody must have had a marker before the program asked, and for a second.
 *
 * By experiment, of 250 runs each: with 0 ms, 35 had overlapping validities, all within a second of the deployment's
 * start; with 250 ms, 15; with 500 and with 1 100 ms, none. With 0 ms and no loss in the first 1.2 s, none of 1 500.
 */
const NOTICED_MS = 1_100;

/** How long a node that lost its memory may not vote. */
export function quarantineMs({ maxTtl, driftFactor }: Pick<Terms, 'maxTtl' | 'driftFactor'>): number {
  return maxTtl * (1 + driftFactor) + QUARANTINE_EXTRA_MS;
}

export function drawTerms(losses: Losses, seed: number, noticedMs = NOTICED_MS): Terms {
  const dice = Dice.ofSeed(seed);
  // As many short ones as long ones: what a quarantine adds to the ttl is much to the one and little to the other.
  const maxTtl = Math.round(300 * 12 ** dice.between(0, 1));
  const driftFactor = dice.pick([0.01, 0.01, 0.05, 0.1]);
  return {
    seed,
    losses,
    noticedMs,
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
