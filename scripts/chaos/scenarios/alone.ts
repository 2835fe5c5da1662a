import type { Draft } from '../faults/draft.ts';
import type { NodeFaultKind } from '../faults/fault.ts';
import { BEYOND, INSIDE, OUTAGE, type Scenario, STALLS } from './scenario.ts';

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

function ofLoad(
  kind: 'pause holder' | 'kill holder' | 'pause waiter' | 'kill waiter',
): (draft: Draft) => void {
  return (draft) =>
    draft.fill(500, [900, 1_600], (atMs) => {
      const { ttl } = draft.lock;
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
    promises: STALLS,
    durationMs: 12_000,
    isBrief: true,
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
    text: 'everything takes up to 50 ms longer to and from every node, longer than anybody waits to some',
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
    text: 'everything takes up to 60 ms longer, now this and now that, to and from every node',
    promises: INSIDE,
    durationMs: 8_000,
    draw: (draft) => {
      draft.fill(300, [1_500, 2_500], (atMs) => {
        draft.add({
          kind: 'jitter',
          atMs,
          forMs: 1_400,
          nodes: draft.all,
          amount: draft.dice.between(10, 60),
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
        draft.add({ kind: 'rate', atMs: 300, forMs: draft.durationMs, nodes: [node], amount: 1 + error });
      }
    },
  },
  'clock-leap': {
    text: 'wall clocks of a majority step forward by more than a ttl, beyond what is allowed',
    promises: BEYOND,
    durationMs: 8_000,
    draw: (draft) =>
      draft.fill(1_000, [1_300, 2_000], (atMs) => {
        const amount = draft.lock.ttl + draft.dice.between(100, 1_000);
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
        const atMs = 500 + index * (draft.quarantineMs + 1_200);
        draft.add({ kind: draft.can('kill') ? 'kill' : 'kill empty', atMs, forMs: 100, nodes: [node] });
      });
    },
  },
};
