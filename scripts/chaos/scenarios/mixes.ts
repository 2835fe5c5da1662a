import type { Draft } from '../faults/draft.ts';
import type { NodeFaultKind } from '../faults/fault.ts';
import { BEYOND, INSIDE, OUTAGE, type Scenario } from './scenario.ts';

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
        draft.addToLoad(kind, atMs, Math.round(dice.between(0.5, 1.6) * draft.lock.ttl));
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
    promises: { ...BEYOND, tokens: false },
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
