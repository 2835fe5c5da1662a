import type { Latency } from '../../src/testing/latency.ts';
import { Rng } from '../../src/testing/rng.ts';

/** What the library's promises rest on; each may be broken alone. */
export const ASSUMPTIONS = {
  none: 'nothing is broken',
  drift: 'the nodes’ clocks run faster than driftFactor allows',
  step: 'the nodes’ clocks step forward',
  memory: 'nodes forget, and no quarantine keeps them from voting',
  wall: 'validity is measured by the wall clock, which steps back',
  'no confirm': 'tokens are not confirmed by a majority',
  'owner-only extend': 'an extension asks for the owner only, keys are evicted, and commands are done twice',
} as const;
export type Broken = keyof typeof ASSUMPTIONS;

/** How the resources of a run are locked. */
export type Discipline =
  /** By one holder at a time. */
  | 'exclusive'
  /** By readers together, or by a writer alone. */
  | 'shared'
  /** As semaphores. */
  | 'permits'
  /** By one holder at a time, several together, while the same callers also have permits of semaphores. */
  | 'sets';

/** Something that goes wrong now and then. */
const FAULTS = [
  'pause',
  'suspend',
  'kill',
  'wall step',
  'disconnect',
  'cut',
  'partition',
  'slow link',
  'hang',
  'crash',
  'forget',
  'fail over',
] as const;
export type Fault = (typeof FAULTS)[number];

/** Everything that is settled before a run; the same for the same seed. All durations in milliseconds. */
export interface Mix {
  readonly seed: number;
  readonly broken: Broken;
  readonly discipline: Discipline;
  readonly nodes: number;
  readonly machines: number;
  readonly callers: number;
  readonly resources: number;
  /** How many of all calls want the first resource, beside those that come to it by chance. */
  readonly hot: number;
  readonly ttl: number;
  /** The shortest ttl of a call, as a share of that. */
  readonly shortest: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  readonly driftFactor: number;
  readonly latency: Latency;
  readonly loss: number;
  readonly doubling: number;
  readonly overtaking: number;
  /** How wrong the clocks of nodes and machines run at the most, as a share; half of driftFactor is allowed. */
  readonly rateError: number;
  /** How far the nodes' wall clocks are apart. */
  readonly apart: number;
  readonly faults: readonly Fault[];
  /** How many of all calls wait, from 0 to 1. */
  readonly waiting: number;
  /** How many of all locks are extended once, from 0 to 1. */
  readonly extending: number;
  /** How many locks are held to their last moment, for every twelve that are held briefly. */
  readonly usedUp: number;
  /** On average, between two faults. */
  readonly faultEvery: number;
  /** Where locks are shared: how many are for reading, from 0 to 1. */
  readonly reading: number;
  /** How many permits each semaphore has. */
  readonly permits: number;
  /** Where sets are locked: how many resources one has at the most. */
  readonly together: number;
  /** Where sets are locked: how many calls are for a permit, from 0 to 1. */
  readonly permitted: number;
  /** Whether a library's rule stays in force that breaking the assumption would take away: for comparison. */
  readonly isRuleKept: boolean;
  /** How many locks are to be granted. */
  readonly cycles: number;
}

/** A swarm draws which faults there are, and not only when: Groce et al., "Swarm testing", 2012. */
export function drawMix(seed: number, broken: Broken = 'none', cycles = 1_000): Mix {
  const dice = Rng.ofSeed(seed);
  const maxTtl = Math.round(100 * 20 ** dice.between(0, 1));
  const ttl = Math.round(maxTtl * dice.between(0.5, 1));
  const driftFactor = dice.pick([0.01, 0.01, 0.05]);
  const median = dice.pick([0.2, 0.5, 2]);
  const often = dice.pick([0, 0.3, 0.6]);
  const mix: Mix = {
    seed,
    broken,
    discipline: 'exclusive',
    nodes: dice.pick([1, 3, 3, 3, 5, 5, 7]),
    machines: dice.integer(2, 5),
    callers: dice.integer(2, 8),
    resources: dice.pick([2, 20, 50, 100, 200]),
    hot: dice.pick([0, 0.05, 0.2, 0.8]),
    ttl,
    shortest: dice.pick([1, 1, 0.6]),
    maxTtl,
    nodeTimeout: Math.max(5, Math.round(ttl * dice.between(0.1, 0.4))),
    driftFactor,
    latency: dice.pick<Latency>([
      { least: 0.05, most: median },
      { mean: median },
      { median, p99: 10 * median },
    ]),
    loss: dice.pick([0, 0, 0, 0.002]),
    doubling: dice.pick([0, 0, 0.05, 0.3]),
    overtaking: dice.pick([0, 0.1]),
    rateError: dice.pick([0, driftFactor / 2]),
    apart: dice.pick([0, maxTtl / 2, maxTtl]),
    faults: FAULTS.filter(() => dice.chance(often)),
    waiting: dice.pick([0.3, 0.9]),
    extending: dice.pick([0, 0.1, 0.3]),
    usedUp: 1,
    faultEvery: maxTtl * dice.between(0.3, 5),
    reading: dice.pick([0.5, 0.8, 0.95]),
    permits: dice.pick([1, 2, 2, 3, 5]),
    together: 1,
    permitted: 0,
    isRuleKept: false,
    cycles,
  };
  const discipline = dice.weighted<Discipline>([
    [4, 'exclusive'],
    [3, 'shared'],
    [3, 'permits'],
    [3, 'sets'],
  ]);
  const sets = { together: dice.integer(2, 4), permitted: dice.pick([0, 0.2, 0.5]) };
  return { ...mix, ...sets, discipline, ...overrides(mix) };
}

/** Who holds a lock to the last, and others who want it then, see first whether it is theirs alone. */
const TO_THE_LAST = { hot: 0.8, usedUp: 12 };

/** What it takes for a broken assumption to show soon. */
function overrides(mix: Mix): Partial<Mix> {
  return mix.broken === 'none' ? {} : { discipline: 'exclusive', ...OVERRIDES[mix.broken](mix) };
}

const OVERRIDES: Readonly<Record<Exclude<Broken, 'none'>, (mix: Mix) => Partial<Mix>>> = {
  drift: ({ driftFactor }) => ({
    ...TO_THE_LAST,
    rateError: Math.max(0.2, 4 * driftFactor),
    // Another caller of the holder's process would hear from the nodes meanwhile, and the lock would end in time.
    callers: 1,
    faults: ['kill'],
  }),
  step: () => ({ ...TO_THE_LAST, faults: ['kill'] }),
  memory: () => ({ ...TO_THE_LAST, faults: ['forget', 'pause'] }),
  wall: () => ({ ...TO_THE_LAST, faults: ['wall step', 'pause'] }),
  'no confirm': () => ({ extending: 0.3, apart: 10_000, loss: 0.05, faults: [], nodes: 3 }),
  'owner-only extend': ({ ttl }) => ({
    machines: 2,
    callers: 1,
    doubling: 0.8,
    extending: 0.6,
    overtaking: 0.5,
    hot: 1,
    nodes: 3,
    faults: [],
    // A node has a quarter of it at the least, and so long a command that is done twice may come late.
    shortest: 1,
    nodeTimeout: ttl - 1,
  }),
};

export function describeMix(mix: Mix): string {
  return Object.entries(mix)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(', ');
}
