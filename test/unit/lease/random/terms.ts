import type { Latency } from '../../../../src/testing/latency.ts';
import { Rng } from '../../../../src/testing/rng.ts';

/** What goes wrong in a run. */
type Weather =
  /** Nothing. */
  | 'quiet'
  /** What the library's promises hold in spite of. */
  | 'rough'
  /** What they do not all outlive: keys are evicted, nodes' clocks leap forward, and nodes forget. */
  | 'beyond';

/** Everything that is settled before a run; the same for the same seed. All durations in milliseconds. */
export interface Terms {
  readonly seed: number;
  readonly weather: Weather;
  /** Whether nodes forget. */
  readonly isForgetful: boolean;
  readonly nodes: number;
  readonly programs: number;
  readonly callers: number;
  readonly fencing: boolean;
  readonly latency: Latency;
  /** The ttl of each call is one of these. */
  readonly ttls: readonly number[];
  /** How long a lock is held briefly, at the most. */
  readonly briefMs: number;
  /** Whether the nodes' clocks are set back at the beginning, so that counters are ahead of them. */
  readonly isSetBack: boolean;
  /** Whether everything is closed as soon as no caller wants anything. */
  readonly isClosedAtOnce: boolean;
  /** How many of all calls want the same lock, or permits of the same semaphore, from 0 to 1. */
  readonly hot: number;
  readonly wantsPermits: boolean;
  /** How many permits the semaphore has: each call gives one of these numbers. */
  readonly permits: readonly number[];
  readonly faultEvery: number;
  /** Callers go on for so long. */
  readonly lastsMs: number;
}

/** The ttl of most calls. */
export const TTL = 300;
export const MAX_TTL = 1_000;
export const NODE_TIMEOUT = 20;
export const CONNECT_TIMEOUT = 50;

export function termsOf(seed: number): Terms {
  const rng = Rng.ofSeed(seed);
  const weather = rng.weighted<Weather>([
    [1, 'quiet'],
    [4, 'rough'],
    [2, 'beyond'],
  ]);
  return {
    seed,
    weather,
    isForgetful: weather === 'beyond' && rng.chance(0.3),
    nodes: rng.pick([1, 2, 3, 3, 5]),
    programs: rng.integer(1, 3),
    callers: rng.integer(2, 6),
    fencing: rng.chance(0.85),
    latency: rng.pick<Latency>([{ least: 0.05, most: 0.3 }, { least: 0.2, most: 2 }, { mean: 1 }]),
    ttls: rng.pick([[TTL], [TTL, TTL, TTL, TTL / 2, 2 * TTL]]),
    briefMs: rng.pick([0.5, 2, 8]),
    isSetBack: rng.chance(0.5),
    isClosedAtOnce: rng.chance(0.5),
    hot: rng.pick([0.5, 0.9, 1]),
    wantsPermits: rng.chance(0.4),
    permits: rng.pick([[1], [2], [2], [2, 3], [3, 5, 5]]),
    faultEvery: rng.between(20, 200),
    lastsMs: 1_000,
  };
}
