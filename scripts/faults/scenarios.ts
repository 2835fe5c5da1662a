import type { Rng } from '../../src/testing/rng.ts';
import {
  type Draft,
  type LoadFaultKind,
  type NodeFaultKind,
  type Promises,
  type Scenario,
  SETTLING_MS,
  type Terms,
  untilVotingMs,
} from './plan.ts';

/** Nothing happens that an assumption rules out. */
const INSIDE: Promises = {
  exclusion: true,
  tokens: true,
  availability: true,
  patience: false,
  expiry: true,
  calm: false,
};
/** A majority is out for a while. */
const OUTAGE: Promises = { ...INSIDE, availability: false };
/** Something happens that the assumptions rule out; tokens hold all the same. */
const BEYOND: Promises = { ...OUTAGE, exclusion: false };
/** Nothing is promised; it is counted. */
const COUNTED: Promises = { ...BEYOND, tokens: false };

/** Close to all that clocks may differ by under the default driftFactor of 0.01. */
const RATE_ERROR_INSIDE = 0.008;

/** A minority of nodes at a time, for so long, again and again. */
function again(
  kind: NodeFaultKind,
  forMs: readonly [least: number, most: number],
  amount?: readonly [least: number, most: number],
): (draft: Draft) => void {
  return (draft) =>
    draft.fill(500, [500, 1_200], (atMs) => {
      draft.add({
        kind,
        atMs,
        forMs: Math.round(draft.dice.between(...forMs)),
        nodes: draft.minority(atMs),
        ...(amount === undefined ? {} : { amount: draft.dice.between(...amount) }),
      });
    });
}

/** The same, and a majority at once, in the middle. */
function withOutage(
  kind: NodeFaultKind,
  forMs: readonly [least: number, most: number],
  most: 'all' | 'all but one',
): (draft: Draft) => void {
  return (draft) => {
    const count = most === 'all' ? draft.all.length : draft.all.length - 1;
    draft.add({
      kind,
      atMs: 1_500,
      forMs: Math.round(draft.dice.between(...forMs)),
      nodes: draft.dice.sample(draft.all, draft.dice.integer(draft.majority, count)),
    });
    draft.fill(2_500, [500, 1_200], (atMs) => {
      draft.add({
        kind,
        atMs,
        forMs: Math.round(draft.dice.between(...forMs)),
        nodes: draft.minority(atMs),
      });
    });
  };
}

function ofLoad(kind: LoadFaultKind): (draft: Draft) => void {
  return (draft) =>
    draft.fill(500, [900, 1_600], (atMs) => {
      const { ttl } = draft.terms;
      draft.addToLoad(kind, atMs, Math.round(draft.dice.between(ttl, ttl + 600)));
    });
}

/** Every fault alone. Whatever is not a minority's is said. */
export const ALONE: Readonly<Record<string, Scenario>> = {
  kill: {
    text: 'nodes are killed, up to all at once, and come back with their memory',
    promises: OUTAGE,
    durationMs: 10_000,
    draw: withOutage('kill', [0, 600], 'all'),
  },
  'kill-empty': {
    text: 'nodes are killed, up to all but one at once, and come back empty',
    promises: OUTAGE,
    durationMs: 10_000,
    draw: withOutage('kill empty', [0, 600], 'all but one'),
  },
  pause: {
    text: 'nodes are stopped, up to all at once, and go on',
    promises: OUTAGE,
    durationMs: 8_000,
    draw: withOutage('pause', [50, 1_800], 'all'),
  },
  stall: {
    text: 'a majority stands still for 100 to 500 ms, again and again, and then all connections are reset',
    // A majority is out again and again, and never for long.
    promises: { ...OUTAGE, patience: true },
    durationMs: 12_000,
    terms: () => ({ isBrief: true }),
    draw: (draft) =>
      draft.fill(500, [700, 1_300], (atMs) => {
        const forMs = Math.round(draft.dice.between(100, 500));
        const nodes = draft.dice.sample(draft.all, draft.majority);
        draft.add({ kind: 'pause', atMs, forMs, nodes });
        if (draft.dice.chance(0.5))
          draft.add({ kind: 'reset', atMs: atMs + forMs, forMs: 0, nodes: draft.all });
      }),
  },
  flush: {
    text: 'nodes are emptied, up to all but one at once',
    promises: OUTAGE,
    durationMs: 10_000,
    draw: withOutage('flush', [0, 0], 'all but one'),
  },
  cut: {
    text: 'nodes can not be reached, up to all at once',
    promises: OUTAGE,
    durationMs: 8_000,
    draw: withOutage('cut', [50, 1_800], 'all'),
  },
  'one-way-cut': {
    text: 'requests or replies of nodes get lost on the way for a while',
    promises: INSIDE,
    durationMs: 8_000,
    draw: (draft) => {
      again('cut replies', [50, 1_200])(draft);
      again('cut requests', [50, 1_200])(draft);
    },
  },
  delay: {
    text: 'everything takes up to 50 ms longer to and from every node, longer than any caller waits to some',
    promises: INSIDE,
    durationMs: 8_000,
    draw: (draft) => {
      draft.add({
        kind: 'delay',
        atMs: 300,
        forMs: 3_000,
        nodes: draft.all,
        amount: draft.dice.between(5, 25),
      });
      draft.fill(3_900, [500, 1_000], (atMs) => {
        const nodes = draft.minority(atMs);
        draft.add({ kind: 'delay', atMs, forMs: 900, nodes, amount: draft.dice.between(130, 400) });
      });
    },
  },
  jitter: {
    text: 'everything takes up to 30 ms longer each way, now this and now that, to and from every node',
    promises: INSIDE,
    durationMs: 8_000,
    draw: (draft) => {
      draft.fill(300, [1_500, 2_500], (atMs) => {
        draft.add({
          kind: 'jitter',
          atMs,
          forMs: 1_400,
          nodes: draft.all,
          // Both ways together fit the time that a node has, a quarter of the ttl: all of them may be so slow at once.
          amount: draft.dice.between(10, 30),
        });
      });
    },
  },
  reset: {
    text: 'connections to nodes are reset, up to all at once',
    promises: OUTAGE,
    durationMs: 8_000,
    draw: withOutage('reset', [0, 0], 'all'),
  },
  drip: {
    text: 'nodes send and get a few hundred bytes a second',
    promises: INSIDE,
    durationMs: 8_000,
    draw: again('drip', [300, 1_500], [100, 900]),
  },
  'clock-back': {
    text: 'wall clocks of nodes step back',
    promises: INSIDE,
    durationMs: 8_000,
    draw: again('step', [0, 0], [-2_000, -20]),
  },
  'clock-skew': {
    text: 'wall clocks of all nodes run up to 0.8 % too fast or too slow',
    promises: INSIDE,
    durationMs: 8_000,
    draw: (draft) => {
      for (const node of draft.all) {
        const error = draft.dice.between(-RATE_ERROR_INSIDE, RATE_ERROR_INSIDE);
        draft.add({
          kind: 'rate',
          atMs: 300,
          forMs: draft.terms.durationMs,
          nodes: [node],
          amount: 1 + error,
        });
      }
    },
  },
  'clock-leap': {
    text: 'wall clocks of a majority step forward by more than a ttl, beyond what is allowed',
    promises: BEYOND,
    durationMs: 8_000,
    draw: (draft) =>
      draft.fill(1_000, [1_300, 2_000], (atMs) => {
        const amount = draft.terms.ttl + draft.dice.between(100, 1_000);
        const nodes = draft.dice.sample(draft.all, draft.dice.integer(draft.majority, draft.all.length));
        draft.add({ kind: 'step', atMs, forMs: 0, nodes, amount });
      }),
  },
  starve: {
    text: 'nodes get a few per cent of a processor',
    promises: INSIDE,
    durationMs: 8_000,
    draw: again('starve', [500, 1_800]),
  },
  oom: {
    text: 'nodes have reached maxmemory',
    promises: INSIDE,
    durationMs: 8_000,
    draw: again('oom', [300, 1_800]),
  },
  replica: {
    text: 'a replica that lags behind takes the place of a node',
    promises: INSIDE,
    durationMs: 10_000,
    draw: (draft) =>
      draft.fill(300, [2_400, 3_000], (atMs) => {
        const nodes = draft.minority(atMs).slice(0, 1);
        draft.add({ kind: 'replica', atMs, forMs: Math.round(draft.dice.between(100, 900)), nodes });
      }),
  },
  'pause-holder': {
    text: 'holders are stopped past their validity, right before a write',
    promises: INSIDE,
    durationMs: 8_000,
    draw: ofLoad('pause holder'),
  },
  'kill-holder': {
    text: 'holders are killed, right before a write',
    promises: INSIDE,
    durationMs: 8_000,
    draw: ofLoad('kill holder'),
  },
  'pause-waiter': {
    text: 'waiters are stopped',
    promises: INSIDE,
    durationMs: 8_000,
    draw: ofLoad('pause waiter'),
  },
  'kill-waiter': {
    text: 'waiters are killed',
    promises: INSIDE,
    durationMs: 8_000,
    draw: ofLoad('kill waiter'),
  },
  'two-down': {
    text: 'any two of five nodes are down, every pair for a while',
    promises: INSIDE,
    durationMs: 14_000,
    draw: (draft) => {
      const pairs = draft.all.flatMap((a) => draft.all.filter((b) => b > a).map((b) => [a, b]));
      draft.dice.sample(pairs, pairs.length).forEach((nodes, index) => {
        draft.add({ kind: 'pause', atMs: 500 + index * 1_300, forMs: 600, nodes });
      });
    },
  },
  'rolling-restart': {
    text: 'all nodes are restarted, the next one when the last one votes again',
    promises: INSIDE,
    durationMs: 24_000,
    draw: (draft) => {
      draft.all.forEach((node, index) => {
        const atMs = 500 + index * (untilVotingMs(draft.terms) + 1_200);
        draft.add({ kind: draft.can('kill') ? 'kill' : 'kill empty', atMs, forMs: 100, nodes: [node] });
      });
    },
  },
};

/** What happens to nodes in mixes, and how often. */
const MENU: readonly (readonly [weight: number, kind: NodeFaultKind])[] = [
  [8, 'kill'],
  [8, 'kill empty'],
  [10, 'pause'],
  [6, 'flush'],
  [8, 'cut'],
  [5, 'cut replies'],
  [5, 'cut requests'],
  [4, 'delay'],
  [4, 'jitter'],
  [5, 'reset'],
  [4, 'drip'],
  [4, 'starve'],
  [4, 'oom'],
  [4, 'replica'],
  [3, 'disconnect'],
];

const AMOUNTS: Partial<Record<NodeFaultKind, readonly [number, number]>> = {
  delay: [5, 300],
  jitter: [5, 60],
  drip: [100, 900],
  step: [-3_000, 3_000],
};

function mix(menu: typeof MENU, gapMs: readonly [number, number]): (draft: Draft) => void {
  return (draft) => {
    const { dice } = draft;
    // At the most one outage of a majority in so long, and none that takes the last memory.
    let outageFrom = dice.between(2_000, 15_000);
    draft.fill(500, gapMs, (atMs) => {
      if (dice.chance(0.3)) {
        const kind = dice.pick(['pause holder', 'kill holder', 'pause waiter', 'kill waiter'] as const);
        draft.addToLoad(kind, atMs, Math.round(dice.between(0.5, 1.6) * draft.terms.ttl));
        return;
      }
      const kind = dice.weighted(menu.filter(([, each]) => draft.can(each)));
      const range = AMOUNTS[kind];
      const isInstant = kind === 'flush' || kind === 'reset' || kind === 'step';
      const free = draft.free(atMs);
      const isOutage =
        atMs >= outageFrom && (kind === 'pause' || kind === 'cut') && free.length === draft.all.length;
      if (isOutage) outageFrom = atMs + dice.between(15_000, 40_000);
      draft.add({
        kind,
        atMs,
        forMs: isInstant ? 0 : Math.round(dice.between(50, 1_500)),
        nodes: isOutage ? dice.sample(free, draft.majority) : draft.minority(atMs),
        ...(range === undefined ? {} : { amount: dice.between(...range) }),
      });
    });
  };
}

/** Several faults together. */
export const MIXES: Readonly<Record<string, Scenario>> = {
  random: {
    text: 'everything that is inside of the assumptions, at random',
    promises: OUTAGE,
    durationMs: 60_000,
    draw: mix(MENU, [250, 900]),
  },
  storm: {
    text: 'everything, at random, and wall clocks of nodes step either way: beyond the assumptions',
    promises: COUNTED,
    durationMs: 20_000,
    draw: mix([...MENU, [30, 'step']], [200, 600]),
  },
  calm: {
    text: 'no faults at all',
    promises: INSIDE,
    durationMs: 8_000,
    draw: () => undefined,
  },
};

/** How far clocks are off where that is no matter. */
const FAR_OFF_MS = 30_000;

/** How far a clock may be off where memory is lost, and tokens go on growing: no two are further apart than maxTtl. */
export function farthestPromised({ maxTtl }: Pick<Terms, 'maxTtl'>): number {
  return Math.floor(maxTtl / 2);
}

type Act = (draft: Draft, atMs: number) => void;

const stopHolder: Act = (draft, atMs) => {
  const { ttl } = draft.terms;
  draft.addToLoad('pause holder', atMs, Math.round(draft.dice.between(ttl, ttl + 1_000)));
};

const pause: Act = (draft, atMs) => {
  const forMs = Math.round(draft.dice.between(50, 1_500));
  draft.add({ kind: 'pause', atMs, forMs, nodes: draft.some(atMs, draft.idle(atMs), forMs) });
};

const kill: Act = (draft, atMs) => {
  const forMs = Math.round(draft.dice.between(0, 600));
  const nodes = draft.some(atMs, draft.idle(atMs), forMs + untilVotingMs(draft.terms));
  draft.add({ kind: 'kill', atMs, forMs, nodes });
};

function forget(draft: Draft, atMs: number, nodes: readonly number[]): void {
  if (draft.dice.chance(0.5)) draft.add({ kind: 'flush', atMs, forMs: 0, nodes });
  else draft.add({ kind: 'kill empty', atMs, forMs: Math.round(draft.dice.between(0, 400)), nodes });
}

const loseMemory: Act = (draft, atMs) =>
  forget(draft, atMs, draft.some(atMs, draft.forgetful(atMs), untilVotingMs(draft.terms)));

const changeRate: Act = (draft, atMs) => {
  const forMs = Math.round(draft.dice.between(100, 1_500));
  const nodes = draft.punctual(atMs);
  draft.add({ kind: 'rate', atMs, forMs, nodes, amount: 2 ** draft.dice.between(-1, 1) });
};

const setClock =
  (farthestMs: (terms: Terms) => number): Act =>
  (draft, atMs) => {
    const farthest = farthestMs(draft.terms);
    const nodes = draft.punctual(atMs);
    draft.add({ kind: 'set clock', atMs, forMs: 0, nodes, amount: draft.dice.integer(-farthest, farthest) });
  };

const farOff = setClock(() => FAR_OFF_MS);

/** @param mostForget whether a majority loses its memory, once in every run: locks must survive that */
function inTurn(
  menu: readonly (readonly [weight: number, act: Act])[],
  mostForget: boolean,
): Scenario['draw'] {
  return (draft) => {
    const { dice, majority, terms } = draft;
    const lastMs = terms.durationMs - untilVotingMs(terms) - 2 * SETTLING_MS;
    let mostAtMs = mostForget ? dice.between(600, lastMs) : Number.POSITIVE_INFINITY;
    draft.fill(500, [100, 700], (atMs) => {
      const candidates = atMs < mostAtMs ? [] : draft.forgetful(atMs);
      if (candidates.length < majority) {
        if (atMs < mostAtMs) dice.weighted(menu)(draft, atMs);
        return;
      }
      forget(draft, atMs, dice.sample(candidates, dice.integer(majority, candidates.length)));
      mostAtMs = Number.POSITIVE_INFINITY;
    });
  };
}

/** Holders that overlap as soon as nodes have forgotten them. On a busy machine a restart takes longer than a hold. */
function forgotten(count: (draft: Draft) => number, gapMs: readonly [number, number]): Scenario['draw'] {
  return (draft) =>
    draft.fill(700, gapMs, (atMs) => {
      if (atMs > draft.terms.durationMs - 1_500) return;
      const nodes = draft.dice.sample(draft.idle(atMs), count(draft));
      draft.add({ kind: 'flush', atMs, forMs: 0, nodes });
    });
}

/** How a run of SAFETY is made, with the clocks that its nodes have at the start. */
function contended(dice: Rng, clocks: 'right' | 'inside' | ((terms: { readonly maxTtl: number }) => number)) {
  const maxTtl = dice.integer(600, 1_000);
  const nodes = dice.chance(0.75) ? 5 : 3;
  const allGain = dice.chance(0.5);
  const setting = () => {
    if (clocks === 'right') return { offsetMs: 0, rate: 1 };
    if (clocks === 'inside') {
      const error = allGain ? RATE_ERROR_INSIDE : dice.between(-RATE_ERROR_INSIDE, RATE_ERROR_INSIDE);
      return { offsetMs: 0, rate: 1 + error };
    }
    return { offsetMs: dice.integer(-clocks({ maxTtl }), clocks({ maxTtl })), rate: 1 };
  };
  return {
    load: 'checks',
    durationMs: Math.round(untilVotingMs({ maxTtl }) + dice.between(3_500, 4_500)),
    nodes,
    clocks: Array.from({ length: nodes }, setting),
    workers: dice.integer(3, 4),
    callersPerWorker: dice.integer(2, 3),
    resources: Array.from({ length: dice.integer(1, 3) }, (_, index) => `resource ${index + 1}`),
    ttl: dice.integer(300, 600),
    maxTtl,
    nodeTimeout: 100,
  } as const satisfies Partial<Terms>;
}

/** One resource, of which the holders must be seen to overlap. */
function provoked(dice: Rng): Partial<Terms> {
  return {
    ...contended(dice, 'right'),
    durationMs: 4_500,
    resources: ['resource 1'],
    // On a busy machine nodes are slow, and the locks that are to overlap must be granted, and held when they are forgotten.
    ttl: 3_000,
    maxTtl: 3_000,
    nodeTimeout: 2_500,
  };
}

/**
 * The short runs of a soak: many callers on few resources, and a majority that forgets. In all but the last two, the
 * processes of holders are stopped past their validity, and nodes are paused.
 */
export const SAFETY = {
  inside: {
    text: 'nodes lose their memory, up to all but one, and all under `strict`; clocks are wrong within the allowance',
    promises: { ...OUTAGE, calm: true },
    durationMs: 7_000,
    terms: (dice) => ({ ...contended(dice, 'inside'), quarantine: dice.chance(0.3) ? 'strict' : 'auto' }),
    draw: inTurn(
      [
        [30, stopHolder],
        [25, pause],
        [45, loseMemory],
      ],
      true,
    ),
  },
  clocks: {
    text: 'nodes come back with their memory; clocks are off by up to 30 s, step that far, and run at ×0.5 to ×2',
    promises: { ...BEYOND, expiry: false },
    durationMs: 7_000,
    terms: (dice) => contended(dice, () => FAR_OFF_MS),
    draw: inTurn(
      [
        [20, stopHolder],
        [15, pause],
        [20, kill],
        [30, farOff],
        [15, changeRate],
      ],
      false,
    ),
  },
  everything: {
    text: 'nodes lose their memory, and clocks are off and step, never further apart than the largest ttl',
    promises: { ...BEYOND, expiry: false },
    durationMs: 7_000,
    terms: (dice) => contended(dice, farthestPromised),
    draw: inTurn(
      [
        [20, stopHolder],
        [15, pause],
        [30, loseMemory],
        [35, setClock(farthestPromised)],
      ],
      true,
    ),
  },
  beyond: {
    text: 'nodes lose their memory, and clocks go wrong by any amount: nothing is promised, it is counted',
    promises: { ...COUNTED, expiry: false },
    durationMs: 7_000,
    terms: (dice) => contended(dice, () => FAR_OFF_MS),
    draw: inTurn(
      [
        [20, stopHolder],
        [15, pause],
        [30, loseMemory],
        [25, farOff],
        [10, changeRate],
      ],
      true,
    ),
  },
  unmarked: {
    text: '`quarantine: off`, and a majority loses its memory again and again: holders overlap, and the run sees it',
    promises: { ...COUNTED, calm: true },
    durationMs: 4_500,
    terms: (dice) => ({ ...provoked(dice), quarantine: 'off' }),
    draw: forgotten(({ majority }) => majority, [600, 800]),
  },
  amnesia: {
    text: '`quarantine: auto`, and all nodes lose their memory at once, the one case that it leaves open: as unmarked',
    promises: { ...COUNTED, calm: true },
    durationMs: 4_500,
    terms: provoked,
    draw: forgotten(({ all }) => all.length, [1_000, 1_200]),
  },
} as const satisfies Record<string, Scenario>;

/** Nodes are killed and paused by turns, never more than two of five out at once. */
const counting = (defects: Terms['defects']): Scenario => ({
  text: 'callers count up a number in a shared file while nodes are killed and paused by turns',
  promises: INSIDE,
  durationMs: 18_000,
  terms: () => ({
    load: 'file',
    defects,
    callersPerWorker: 4,
    resources: ['demo:counter'],
    ttl: 1_500,
    maxTtl: 2_000,
    nodeTimeout: 100,
  }),
  draw: (draft) => {
    let turn = 0;
    draft.fill(900, [900, 900], (atMs) => {
      const free = draft.free(atMs);
      if (free.length <= draft.majority) return;
      const kind = turn % 2 === 0 ? 'kill empty' : 'pause';
      const node = draft.all
        .map((_, index) => (turn + index) % draft.all.length)
        .find((each) => free.includes(each));
      if (node === undefined) return;
      draft.add({ kind, atMs, forMs: Math.round(draft.dice.between(1_200, 2_500)), nodes: [node] });
      turn += 1;
    });
  },
});

/** All of them by name. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  ...ALONE,
  ...MIXES,
  ...SAFETY,
  demo: counting([]),
  'demo without a lock': { ...counting(['no lock']), promises: COUNTED },
};
