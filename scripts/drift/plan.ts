import type { ExclusionPoint, Point, Study } from './points.ts';
import { majorityOf } from './theory/majority.ts';
import type { OneWay } from './theory/order-statistics.ts';
import { validityOf } from './theory/thresholds.ts';
import { type ClockTerms, PLAIN_TERMS, type Watchers } from './trials/clock-terms.ts';

/** How much is measured. */
export type Extent = 'default' | 'quick';

/** The drift factors that curves are drawn for; the first is the library's default. */
export const DRIFT_FACTORS = [0.01, 0.05, 0.1] as const;

const NODE_COUNTS = [1, 3, 5, 7] as const;

/** Messages that take a millisecond on average, one way. */
const ONE_WAYS: readonly OneWay[] = [
  { kind: 'exponential', mean: 1 },
  { kind: 'uniform', most: 2 },
];

/** The largest relative error between two clocks that is looked at. */
const LARGEST_ERROR = 0.2;

const THRESHOLD_TTLS = [1_000, 10_000, 60_000];
const THRESHOLD_FACTORS = [0, 0.002, 0.01, 0.05, 0.1];

interface Sizes {
  /** How far errors are apart. */
  readonly errorStep: number;
  readonly randomErrorStep: number;
  readonly stepMs: readonly number[];
  readonly pauseMs: readonly number[];
  readonly thresholdNodes: readonly number[];
  readonly thresholdTtls: readonly number[];
  readonly down: readonly number[];
  /** How many trials a point has. */
  readonly certain: number;
  readonly random: number;
  readonly threshold: number;
  readonly availability: number;
  readonly latency: number;
}

const SIZES: Readonly<Record<Extent, Sizes>> = {
  default: {
    errorStep: 0.005,
    randomErrorStep: 0.01,
    stepMs: [
      -500, -100, 0, 50, 90, 101, 106, 150, 250, 400, 490, 501, 506, 600, 800, 990, 1_001, 1_006, 1_250,
      1_500,
    ],
    pauseMs: range(0, 12_000, 500),
    thresholdNodes: [1, 3, 5, 7],
    thresholdTtls: THRESHOLD_TTLS,
    down: [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6],
    certain: 100,
    random: 1_000,
    threshold: 20,
    availability: 2_000,
    latency: 10_000,
  },
  quick: {
    errorStep: 0.01,
    randomErrorStep: 0.02,
    stepMs: [-100, 0, 90, 106, 250, 490, 506, 800, 990, 1_006, 1_500],
    pauseMs: range(0, 12_000, 1_500),
    thresholdNodes: [5],
    thresholdTtls: [10_000],
    down: [0.01, 0.1, 0.2, 0.3, 0.5],
    certain: 8,
    random: 40,
    threshold: 10,
    availability: 200,
    latency: 500,
  },
};

/** Everything that a run measures. The order plays no part in the results. */
export function planOf(extent: Extent): readonly Point[] {
  const sizes = SIZES[extent];
  return [
    ...drift(sizes),
    ...randomClocks(sizes),
    ...watchedClocks(sizes),
    ...steps(sizes),
    ...pauses(sizes),
    ...misledNodes(sizes),
    ...thresholds(sizes),
    ...availability(sizes),
    ...latency(sizes),
  ];
}

function drift({ errorStep, certain }: Sizes): readonly Point[] {
  return DRIFT_FACTORS.flatMap((driftFactor) =>
    range(0, LARGEST_ERROR, errorStep).map((error) =>
      exclusion('drift', certain, { driftFactor, clocks: apart(error, 'holder') }),
    ),
  );
}

function randomClocks({ randomErrorStep, random }: Sizes): readonly Point[] {
  return DRIFT_FACTORS.flatMap((driftFactor) =>
    range(0, LARGEST_ERROR, randomErrorStep).map((relativeError) =>
      exclusion('random', random, { driftFactor, clocks: { kind: 'random', relativeError } }),
    ),
  );
}

/** What it helps that a client has watched the nodes' clocks. */
function watchedClocks({ randomErrorStep, random, certain }: Sizes): readonly Point[] {
  const watchers: readonly Watchers[] = ['rival', 'both'];
  return [
    ...watchers.flatMap((who) =>
      range(0, LARGEST_ERROR, randomErrorStep).map((relativeError) =>
        exclusion('watched', random / 2, { watchers: who, clocks: { kind: 'random', relativeError } }),
      ),
    ),
    ...(['none', ...watchers] as const).flatMap((who) =>
      (['holder', 'nodes'] as const).flatMap((rivalLike) =>
        [0.01, 0.011, 0.02, 0.1].map((error) =>
          exclusion('watched', certain, { watchers: who, clocks: apart(error, rivalLike) }),
        ),
      ),
    ),
  ];
}

function steps({ stepMs, certain }: Sizes): readonly Point[] {
  const steppedNodes = majorityOf(PLAIN_TERMS.nodes);
  return [
    ...DRIFT_FACTORS.flatMap((driftFactor) =>
      stepMs.map((ms) => exclusion('step', certain, { driftFactor, stepMs: ms, steppedNodes })),
    ),
    ...stepMs.map((ms) => exclusion('step', certain, { stepMs: ms, steppedNodes, watchers: 'rival' })),
  ];
}

function pauses({ pauseMs, random }: Sizes): readonly Point[] {
  return [0.01, 0.1].flatMap((driftFactor) =>
    pauseMs.map((ms) => exclusion('pause', random / 2, { driftFactor, pauseMs: ms })),
  );
}

/** How many nodes must have a wrong clock: all numbers up to a majority, whatever number of nodes granted. */
function misledNodes({ certain }: Sizes): readonly Point[] {
  return NODE_COUNTS.slice(1).flatMap((nodes) => {
    const majority = majorityOf(nodes);
    return range(majority, nodes, 1).flatMap((grantingNodes) =>
      range(1, majority, 1).map((steppedNodes) =>
        exclusion('misled', certain / 2, { nodes, grantingNodes, steppedNodes, stepMs: PLAIN_TERMS.ttl / 5 }),
      ),
    );
  });
}

function thresholds({ thresholdNodes, thresholdTtls, threshold }: Sizes): readonly Point[] {
  return thresholdNodes.flatMap((nodes) =>
    thresholdTtls.flatMap((ttl): readonly Point[] => {
      const common = { kind: 'threshold', nodes, ttl, trials: threshold } as const;
      return [
        { ...common, driftFactor: 0.01, check: 'plain' },
        ...THRESHOLD_FACTORS.filter((factor) => validityOf(ttl, factor) > 0).map((driftFactor): Point => {
          return { ...common, driftFactor, check: 'allowance' };
        }),
      ];
    }),
  );
}

function availability({ down, availability: trials }: Sizes): readonly Point[] {
  return NODE_COUNTS.flatMap((nodes) =>
    down.map((downProbability): Point => ({ kind: 'availability', nodes, downProbability, trials })),
  );
}

function latency({ latency: trials }: Sizes): readonly Point[] {
  return ONE_WAYS.flatMap((oneWay) =>
    NODE_COUNTS.map((nodes): Point => ({ kind: 'latency', nodes, oneWay, trials })),
  );
}

function exclusion(study: Study, trials: number, differing: Partial<ClockTerms>): ExclusionPoint {
  const nodes = differing.nodes ?? PLAIN_TERMS.nodes;
  return {
    kind: 'exclusion',
    study,
    terms: { ...PLAIN_TERMS, nodes, grantingNodes: nodes, ...differing },
    trials,
  };
}

function apart(relativeError: number, rivalLike: 'holder' | 'nodes') {
  return { kind: 'apart', relativeError, rivalLike } as const;
}

/** Numbers from one to another, both included, without what a double adds in the last digits. */
function range(from: number, to: number, step: number): readonly number[] {
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, index) =>
    Number((from + index * step).toFixed(9)),
  );
}
