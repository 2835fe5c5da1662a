import type { Latency } from '../../../src/testing/latency.ts';
import { Rng } from '../../../src/testing/rng.ts';
import type { Habits, Wish } from '../caller.ts';
import { drawMix, type Fault, LAST_MOMENT_MS, type Mix } from './mix.ts';

/** What goes wrong in a run in which callers take turns. */
type Weather =
  /** Nothing. */
  | 'quiet'
  /** What the library's promises hold in spite of. */
  | 'rough'
  /** What they do not all outlive: keys are evicted, nodes' clocks leap forward, and nodes forget. */
  | 'beyond';

/** A run in which many callers of few programs take turns under leases, on `a`, `b` and the semaphore `s`. */
export interface Turns {
  readonly weather: Weather;
  /** Whether nodes forget. */
  readonly isForgetful: boolean;
  readonly fencing: boolean;
  /** The ttl of each call is one of these. */
  readonly ttls: readonly number[];
  /** How long a lock is held briefly, at the most. */
  readonly briefMs: number;
  /** Whether the nodes' clocks are set back at the beginning, so that counters are ahead of them. */
  readonly isSetBack: boolean;
  /** Whether everything is closed as soon as no caller wants anything. */
  readonly isClosedAtOnce: boolean;
  /** Whether most callers want permits. */
  readonly wantsPermits: boolean;
  /** How many permits the semaphore has: each call gives one of these numbers. */
  readonly permits: readonly number[];
}

const TTL = 300;
export const MAX_TTL = 1_000;
const NODE_TIMEOUT = 20;
/** No caller extends its lock by more while it has it. */
export const LONGEST_TTL = 2 * TTL;
const ROUGH: readonly Fault[] = [
  ...(['pause', 'suspend', 'kill', 'replace', 'wall step', 'own uptime'] as const),
  ...(['cut', 'disconnect', 'hang', 'crash', 'set back'] as const),
];
const BEYOND: readonly Fault[] = [...ROUGH, 'leap', 'evict', 'evict'];

export function drawTurns(seed: number): Mix & { readonly turns: Turns } {
  const dice = Rng.ofSeed(seed);
  const weather = dice.weighted<Weather>([
    [1, 'quiet'],
    [4, 'rough'],
    [2, 'beyond'],
  ]);
  const isForgetful = weather === 'beyond' && dice.chance(0.3);
  const permits = dice.pick([[1], [2], [2], [2, 3], [3, 5, 5]]);
  const turns: Turns = {
    weather,
    isForgetful,
    fencing: dice.chance(0.85),
    ttls: dice.pick([[TTL], [TTL, TTL, TTL, TTL / 2, 2 * TTL]]),
    briefMs: dice.pick([0.5, 2, 8]),
    isSetBack: dice.chance(0.5),
    isClosedAtOnce: dice.chance(0.5),
    wantsPermits: dice.chance(0.4),
    permits,
  };
  const faults = { quiet: [], rough: ROUGH, beyond: isForgetful ? [...BEYOND, 'forget' as const] : BEYOND };
  return {
    ...drawMix(seed),
    ...{ turns, discipline: 'exclusive', quarantine: 'off', counts: false },
    ...{ ttl: MAX_TTL, maxTtl: MAX_TTL, nodeTimeout: NODE_TIMEOUT, driftFactor: 0.01 },
    ...{ loss: 0, doubling: 0, overtaking: 0, rateError: 0, apart: 0 },
    nodes: dice.pick([1, 2, 3, 3, 5]),
    machines: dice.integer(1, 3),
    callers: dice.integer(2, 6),
    latency: dice.pick<Latency>([{ least: 0.05, most: 0.3 }, { least: 0.2, most: 2 }, { mean: 1 }]),
    hot: dice.pick([0.5, 0.9, 1]),
    permits: Math.max(...permits),
    faults: faults[weather],
    faultEvery: dice.between(20, 200),
    lasting: [2, NODE_TIMEOUT, 100, MAX_TTL],
    cycles: Number.POSITIVE_INFINITY,
    durationMs: 1_000,
  };
}

type Wanted = 'a' | 'b' | 'both' | 'read' | 'write' | 'permit' | 'using a' | 'using a permit';

function wishOf(
  wanted: Wanted,
  dice: Rng,
  permits: number,
): Pick<Wish, 'resources' | 'use' | 'by' | 'permits'> {
  if (wanted.endsWith('permit')) return { resources: ['s'], use: 'permit', by: 'permit', permits };
  if (wanted === 'read') return { resources: ['b'], use: 'read', by: 'read' };
  if (wanted === 'write') return { resources: ['b'], use: 'alone', by: 'write' };
  return { resources: wanted === 'both' ? dice.sample(['a', 'b'], 2) : [wanted.slice(-1)], use: 'alone' };
}

/** Locks of all kinds, most of them brief, which end in every way that there is. */
export function habitsOfTurns({ hot }: Mix, turns: Turns): Habits {
  const { weather, ttls, briefMs, wantsPermits } = turns;
  return {
    wish: (dice) => {
      const mostly: readonly Wanted[] = wantsPermits
        ? ['permit', 'permit', 'permit', 'using a permit']
        : ['a', 'a', 'a', 'using a'];
      const wanted = dice.chance(hot)
        ? dice.pick(mostly)
        : dice.pick<Wanted>(['b', 'both', 'read', 'read', 'write', 'permit']);
      const waitTime = dice.pick([0, 0, 5, 30, 600, 3_000, 3_000]);
      const isUsing = wanted.startsWith('using');
      const isAtOnce = waitTime === 0 && dice.chance(0.5);
      const patienceMs = dice.chance(0.2) ? dice.between(0, dice.pick([1, 50])) : Number.POSITIVE_INFINITY;
      return {
        ...wishOf(wanted, dice, dice.pick(turns.permits)),
        ...{ waitTime, ttl: dice.pick(ttls), way: isUsing ? 'using' : isAtOnce ? 'try' : 'wait' },
        ...(isUsing ? { maxHold: dice.pick([20, 1_000]) } : {}),
        ...(dice.chance(0.5) ? { patienceMs } : {}),
      };
    },
    usage: (dice, lock, { way }) => {
      if (way === 'using') {
        const pauseMs = dice.pick([0, 1, 5, 60, weather === 'quiet' ? 5 : 250]);
        return { steps: 1, pauseMs: () => pauseMs, givesBack: () => dice.chance(0.2) };
      }
      const style = dice.weighted([
        [30, 'brief'],
        [3, 'extended'],
        [3, 'racing'],
        [3, 'listening'],
        [1, 'long'],
        [1, 'to the end'],
        [1, 'forgotten'],
      ] as const);
      if (style === 'listening') lock.signal.addEventListener('abort', () => void lock.release());
      return {
        steps: 1,
        isHasty: dice.chance(0.5),
        pauseMs: () => {
          if (style === 'long') return dice.between(80, 130);
          if (style === 'to the end')
            return lock.remainingValidity() + dice.pick([-LAST_MOMENT_MS, 0, LAST_MOMENT_MS]);
          return dice.between(0, style === 'extended' ? 20 : dice.pick([0, briefMs]));
        },
        extends: () => style === 'extended' && dice.pick([TTL / 2, TTL, LONGEST_TTL]),
        givesBack: () => {
          if (style === 'racing') lock.extend(dice.pick([TTL, LONGEST_TTL])).catch(() => undefined);
          return style !== 'forgotten' || weather === 'quiet';
        },
      };
    },
    restMs: (dice) => (dice.chance(0.5) ? 0 : dice.between(0, 5)),
    noQuorumRestMs: () => 20,
    downgrades: ({ by }) => (by === 'write' ? 0.3 : 0),
  };
}
