import type { Lock, Quarantine } from '../../../src/index.ts';
import { quarantineMs } from '../../../src/membership/quarantine.ts';
import type { Latency } from '../../../src/testing/latency.ts';
import { Rng } from '../../../src/testing/rng.ts';
import type { Habits, Usage, Wish } from '../caller.ts';
import type { Defect } from '../defects.ts';
import type { Losses } from './amnesia.ts';
import type { Turns } from './turns.ts';

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
/** These are never drawn by a swarm. */
export type Fault =
  | (typeof FAULTS)[number]
  /** A node restarts with its memory. */
  | 'restart'
  /** A program closes, and another starts. */
  | 'replace'
  | 'own uptime'
  /** Clocks of nodes. */
  | 'set back'
  | 'leap'
  | 'evict';

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
  /** The longest that a fault lasts, one drawn for each. */
  readonly lasting: readonly number[];
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
  readonly quarantine: Quarantine;
  /** What the library gets wrong: to see that it is found. */
  readonly defects: readonly Defect[];
  /** Whether callers count up numbers under their locks. */
  readonly counts: boolean;
  /** How nodes lose their memory. Default: not but by faults that the run draws. */
  readonly losses?: Losses;
  /** Callers take turns under leases. Default: as `discipline` says. */
  readonly turns?: Turns;
  /** How many locks are to be granted; and for how long at the most. */
  readonly cycles: number;
  readonly durationMs: number;
}

/** However rarely locks are granted, a run ends after this much virtual time. */
export const LONGEST_RUN_MS = 600_000;

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
    lasting: [],
    reading: dice.pick([0.5, 0.8, 0.95]),
    permits: dice.pick([1, 2, 2, 3, 5]),
    together: 1,
    permitted: 0,
    isRuleKept: false,
    quarantine: broken === 'memory' ? 'off' : 'strict',
    defects: [],
    counts: false,
    cycles,
    durationMs: LONGEST_RUN_MS,
  };
  const discipline = dice.weighted<Discipline>([
    [4, 'exclusive'],
    [3, 'shared'],
    [3, 'permits'],
    [3, 'sets'],
  ]);
  const sets = {
    together: dice.integer(2, 4),
    permitted: dice.pick([0, 0.2, 0.5]),
    counts: dice.chance(0.3),
  };
  const drawn = { ...mix, ...sets, discipline, ...overrides(mix) };
  return { ...drawn, lasting: [drawn.nodeTimeout, ttl, 2 * maxTtl] };
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
    // The first overlap shows enough, and locks are few where clocks are wrong.
    durationMs: 60_000,
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

/** A run in which nodes lose their memory again and again, and programs that look at markers meet that. */
export function drawLosses(losses: Losses, quarantine: Quarantine, seed: number): Mix {
  const dice = Rng.ofSeed(seed);
  const mix = drawMix(seed);
  const maxTtl = Math.round(300 * 12 ** dice.between(0, 1));
  const driftFactor = dice.pick([0.01, 0.01, 0.05, 0.1]);
  return {
    ...mix,
    ...{
      losses,
      counts: false,
      quarantine,
      maxTtl,
      ttl: maxTtl,
      driftFactor,
      discipline: 'exclusive',
      loss: 0,
      overtaking: 0,
    },
    nodes: dice.chance(0.5) ? 3 : 5,
    machines: dice.integer(2, 4),
    callers: dice.integer(2, 3),
    resources: dice.chance(0.7) ? 1 : 2,
    shortest: dice.between(0.3, 1),
    latency: { least: 0.1, most: dice.pick([0.5, 2, 10]) },
    nodeTimeout: 50,
    doubling: dice.chance(0.3) ? 0.05 : 0,
    rateError: dice.pick([0, driftFactor / 2]),
    // Clocks may be apart by the largest ttl, and tokens still grow.
    apart: maxTtl / 2,
    faults: [
      'pause',
      'pause',
      'disconnect',
      'disconnect',
      'cut',
      'cut',
      'slow link',
      'hang',
      'restart',
      'crash',
      'replace',
    ],
    faultEvery: dice.pick([1.5, 3, 6]) * (135 + maxTtl / 4),
    lasting: [30, 100, 400, 400, 2 * maxTtl],
    cycles: Number.POSITIVE_INFINITY,
    durationMs: quarantineMs(maxTtl, driftFactor) * dice.between(3, 4),
  };
}

/** How close to the end of its validity a lock is used up. */
export const LAST_MOMENT_MS = 0.01;

/** How many write locks become read locks, from 0 to 1. */
const DOWNGRADED = 0.1;

/** How the callers of a run go about it. */
export function habitsOf(mix: Mix): Habits {
  if (mix.losses !== undefined) return habitsOfLosses(mix);
  return {
    wish: (dice) => wishOf(mix, dice),
    usage: (dice, lock) => {
      const style = dice.chance(mix.extending)
        ? 'extended'
        : dice.weighted([
            [12, 'brief'],
            [mix.usedUp, 'used up'],
            [1, 'abandoned'],
          ] as const);
      if (style === 'abandoned') return { steps: 0, pauseMs: () => 0, givesBack: () => false };
      if (style === 'brief') return { steps: 1, pauseMs: () => dice.between(0, 2) };
      if (style === 'used up') return { ...toTheLast(lock, dice), steps: 1 };
      return { steps: 1, pauseMs: () => lock.remainingValidity() * dice.between(0, 1), extends: () => true };
    },
    restMs: (dice) => (dice.chance(0.3) ? dice.between(0, mix.ttl / 10) : 0),
    noQuorumRestMs: (dice) => dice.between(1, mix.maxTtl),
    downgrades: () => (mix.discipline === 'shared' ? DOWNGRADED : 0),
  };
}

function wishOf(mix: Mix, dice: Rng): Wish {
  const { discipline } = mix;
  const resource = dice.chance(mix.hot) ? 'r1' : `r${dice.integer(1, mix.resources)}`;
  const ttl = Math.round(mix.ttl * dice.between(mix.shortest, 1));
  const waitTime = dice.chance(mix.waiting) ? dice.between(0, 4 * ttl) : 0;
  const wish = { resources: [resource], ttl, waitTime, way: waitTime === 0 ? 'try' : 'wait' } as const;
  const isPermit = discipline === 'permits' || (discipline === 'sets' && dice.chance(mix.permitted));
  if (isPermit) return { ...wish, by: 'permit', use: 'permit', permits: mix.permits };
  if (discipline === 'shared') {
    if (dice.chance(mix.reading)) return { ...wish, by: 'read', use: 'read' };
    // A caller that knows nothing of readers.
    if (dice.chance(0.3)) return { ...wish, use: 'alone', waitTime: 0, way: 'try' };
    return { ...wish, by: 'write', use: 'alone' };
  }
  const count = discipline === 'sets' ? dice.integer(0, mix.together - 1) : 0;
  const others = Array.from({ length: count }, () => `r${dice.integer(1, mix.resources)}`);
  return { ...wish, resources: [...new Set([resource, ...others])], use: 'alone' };
}

function toTheLast(lock: Lock, dice: Rng): Omit<Usage, 'steps'> {
  return {
    pauseMs: () => lock.remainingValidity() - LAST_MOMENT_MS,
    givesBack: () => !dice.chance(0.5),
  };
}

/** Locks of one resource or of all, of any ttl, held for longer. */
function habitsOfLosses({ maxTtl, shortest, resources: count }: Mix): Habits {
  const all = Array.from({ length: count }, (_, index) => `r${index + 1}`);
  return {
    wish: (dice) => {
      const resources = dice.chance(0.15) ? all : [dice.pick(all)];
      const ttl = dice.chance(0.4) ? maxTtl : dice.integer(Math.round(shortest * maxTtl), maxTtl);
      const wish = { resources, ttl, use: 'alone' } as const;
      if (dice.chance(0.1))
        return { ...wish, way: 'using', waitTime: ttl / 2, maxHold: dice.between(1, 3 * maxTtl) };
      // A caller that waits has asked long before, and then hardly any token is too low for it.
      const waitTime = dice.chance(0.3) ? dice.between(0, ttl) : 0;
      return { ...wish, waitTime, way: waitTime === 0 ? 'try' : 'wait' };
    },
    usage: (dice, lock, { way }) => {
      if (way === 'using')
        return { steps: dice.integer(3, 12), pauseMs: () => dice.between(0, lock.ttl / 3) };
      const style = dice.weighted([
        [3, 'brief'],
        [3, 'extending'],
        [4, 'to the end'],
        [1, 'abandoned'],
      ] as const);
      const steps = dice.integer(1, 4);
      let left = steps;
      const pauseMs = () => {
        left -= 1;
        return left < 0
          ? toTheLast(lock, dice).pauseMs()
          : dice.between(0, lock.ttl / (style === 'brief' ? 20 : 4));
      };
      if (style === 'to the end') return { ...toTheLast(lock, dice), steps: steps + 1, pauseMs };
      return { steps, pauseMs, extends: () => style === 'extending', givesBack: () => style !== 'abandoned' };
    },
    restMs: (dice) => dice.between(1, 100 + maxTtl / 8),
    noQuorumRestMs: (dice) => dice.between(50, 400),
  };
}
