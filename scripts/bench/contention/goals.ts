import type { Figures } from './figures.ts';

/** Something that quorlock is to reach in a case. */
export interface Goal {
  readonly name: string;
  readonly relation: '≥' | '≤';
  readonly bound: number;
  /** NaN if it can't be told: without peers, for one. */
  readonly measured: number;
  readonly reached: boolean;
}

type Measure = (own: Figures, peers: readonly Figures[]) => number | undefined;
type Rule = readonly [name: string, relation: Goal['relation'], bound: number, measure: Measure];

/** From which Jain's index on a peer counts as one that serves everybody. */
const FAIR = 0.9;

const jain: Measure = ({ jain }) => jain;
const commands: Measure = ({ commands }) => commands;
const toFastest: Measure = ({ rate = Number.NaN }, peers) => rate / fastest(peers);
const toFastestFair: Measure = ({ rate = Number.NaN }, peers) =>
  rate / fastest(peers.filter((peer) => (peer.jain ?? 0) >= FAIR));

const FEW: readonly Rule[] = [
  ['acquisitions/s, of the fastest', '≥', 0.9, toFastest],
  ["Jain's index", '≥', 0.98, jain],
  ['commands an acquisition', '≤', 15, commands],
];

const MANY: readonly Rule[] = [
  [`acquisitions/s, of the fastest peer with a Jain's index ≥ ${FAIR}`, '≥', 1.25, toFastestFair],
  ['acquisitions/s, of the fastest', '≥', 1.05, toFastest],
  ["Jain's index", '≥', 0.98, jain],
  ['longest wait, of the median', '≤', 3, ({ longestToMedian }) => longestToMedian],
  ['commands an acquisition', '≤', 10, commands],
];

const ONE_PROCESS: readonly Rule[] = [
  ['acquisitions/s, of the fastest peer', '≥', 1.1, toFastest],
  ['acquisitions/s, of the limit', '≥', 0.85, ({ share }) => share],
  ["Jain's index", '≥', 0.99, jain],
  ['commands an acquisition', '≤', 7, commands],
];

const BURST: readonly Rule[] = [
  ['ms until the last has released', '≤', 70, ({ burstMs }) => burstMs],
  ['contenders that were not through', '≤', 0, ({ unfinished }) => unfinished],
];

const HANDOVER: readonly Rule[] = [
  ['release to acquire p50, in acquires alone', '≤', 2.5, ({ handoverP50 }) => handoverP50],
  ['release to acquire p99, in acquires alone', '≤', 10, ({ handoverP99 }) => handoverP99],
];

const EXCLUSION: Rule = ['overlaps', '≤', 0, ({ overlaps }) => overlaps];

const RULES: Readonly<Record<string, readonly Rule[]>> = {
  '2': FEW,
  '8': FEW,
  '32': MANY,
  '128': MANY,
  'one-process': ONE_PROCESS,
  burst: BURST,
  handover: HANDOVER,
};

/** @param caseName as `--case` takes it */
export function goalsOf(caseName: string, own: Figures, peers: readonly Figures[]): readonly Goal[] {
  return [...(RULES[caseName] ?? []), EXCLUSION].map(([name, relation, bound, measure]) => {
    const measured = measure(own, peers) ?? Number.NaN;
    return {
      name,
      relation,
      bound,
      measured,
      reached: relation === '≥' ? measured >= bound : measured <= bound,
    };
  });
}

function fastest(peers: readonly Figures[]): number {
  return peers.length === 0 ? Number.NaN : Math.max(...peers.map(({ rate = 0 }) => rate));
}
