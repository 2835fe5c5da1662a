import type { Case } from './cases.ts';
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

/** What is measured beside quorlock. */
export interface Field {
  readonly peers: readonly Figures[];
  /** Those of the peers that were measured as they are shipped. */
  readonly shipped: readonly Figures[];
  readonly raw: readonly Figures[];
  /** quorlock without tokens. */
  readonly plain: readonly Figures[];
}

type Measure = (own: Figures, field: Field) => number | undefined;
type Rule = readonly [name: string, relation: Goal['relation'], bound: number, measure: Measure];

/** From which Jain's index on a peer counts as one that serves all contenders. */
const FAIR = 0.9;

const jain: Measure = ({ jain }) => jain;
const commands: Measure = ({ commands }) => commands;
const toFastest: Measure = ({ rate = Number.NaN }, { peers }) => rate / fastest(peers);
const toFastestFair: Measure = ({ rate = Number.NaN }, { peers }) =>
  rate / fastest(peers.filter((peer) => (peer.shortJain ?? 0) >= FAIR));

/** Two processes that ask again at once: a peer that lets one of them keep the lock for long is shown, and does not count. */
const TWO: readonly Rule[] = [
  [`acquisitions/s, of the fastest peer with a Jain's index over 100 ms ≥ ${FAIR}`, '≥', 0.9, toFastestFair],
  ["Jain's index", '≥', 0.98, jain],
  ['commands an acquisition', '≤', 15, commands],
];

const MANY: readonly Rule[] = [
  ['acquisitions/s, of the fastest', '≥', 1.2, toFastest],
  ["Jain's index", '≥', 0.98, jain],
  ['commands an acquisition', '≤', 3, commands],
];

const ONE_PROCESS: readonly Rule[] = [
  ['acquisitions/s, of 1 ÷ the time held', '≥', 0.95, ({ heldShare }) => heldShare],
  ["Jain's index", '≥', 0.99, jain],
  ['commands an acquisition', '≤', 2, commands],
];

const BURST: readonly Rule[] = [
  ['ms until the last has released', '≤', 45, ({ burstMs }) => burstMs],
  ['contenders that were not through', '≤', 0, ({ unfinished }) => unfinished],
];

const HANDOVER: readonly Rule[] = [
  ['release to acquire p50, in acquires alone', '≤', 2.5, ({ handoverP50 }) => handoverP50],
  ['release to acquire p99, in acquires alone', '≤', 10, ({ handoverP99 }) => handoverP99],
];

const toShipped: Measure = ({ rate = Number.NaN }, { shipped }) => rate / fastest(shipped);
const toRaw: Measure = ({ rate = Number.NaN }, { raw }) => rate / fastest(raw);
const plainToFastest: Measure = (_, { peers, plain }) => fastest(plain) / fastest(peers);
const p50ToBest: Measure = ({ acquireP50Ms = Number.NaN }, { peers }) =>
  acquireP50Ms / Math.min(...peers.map((peer) => peer.acquireP50Ms ?? Number.POSITIVE_INFINITY));
const p50ToRaw: Measure = ({ acquireP50Ms = Number.NaN }, { raw }) =>
  acquireP50Ms / (raw[0]?.acquireP50Ms ?? Number.NaN);
const clientToBest: Measure = ({ clientUs = Number.NaN }, { peers }) =>
  clientUs / Math.min(...peers.map((peer) => peer.clientUs ?? Number.POSITIVE_INFINITY));

const ALONE: readonly Rule[] = [
  ['cycles/s, of the best peer', '≥', 1, toFastest],
  ['acquire p50, of the best peer', '≤', 1, p50ToBest],
  ['acquire p50, of the raw sockets', '≤', 1.3, p50ToRaw],
];

const LOADED: readonly Rule[] = [
  ['cycles/s, of the best peer', '≥', 3, toFastest],
  ['cycles/s without tokens, of the best peer', '≥', 4, plainToFastest],
  ['cycles/s, of the best peer as shipped', '≥', 5, toShipped],
  ['cycles/s, of the raw sockets', '≥', 0.5, toRaw],
];

const FAILING: readonly Rule[] = [
  ['cycles/s, of those when all nodes are well', '≥', 0.9, ({ rateLeft }) => rateLeft],
  ['acquire p99, of that when all nodes are well', '≤', 1.3, ({ p99Growth }) => p99Growth],
];

const ORPHAN: readonly Rule[] = [
  ['ms from the end of the ttl to the next holder', '≤', 50, ({ afterTtlMs }) => afterTtlMs],
  ['commands of each process', '≤', 20, ({ commandsEach }) => commandsEach],
  ['contenders that were not through', '≤', 0, ({ unfinished }) => unfinished],
];

const EXCLUSION: Rule = ['overlaps', '≤', 0, ({ overlaps }) => overlaps];

const CONTENTION: Readonly<Record<string, readonly Rule[]>> = {
  '2': TWO,
  '8': MANY,
  '32': MANY,
  '128': MANY,
  'one-process': ONE_PROCESS,
  burst: BURST,
  orphan: ORPHAN,
  handover: HANDOVER,
};

const THROUGHPUT: Readonly<Record<string, readonly Rule[]>> = {
  '1': ALONE,
  '64': [...LOADED, ['processor time of the client, of the best peer', '≤', 0.25, clientToBest]],
  '256': LOADED,
  hung: FAILING,
  killed: FAILING,
};

export function goalsOf({ name, kind }: Case, own: Figures, field: Field): readonly Goal[] {
  const isThroughput = kind === 'cycles' || kind === 'failing';
  const rules = isThroughput ? (THROUGHPUT[name] ?? []) : [...(CONTENTION[name] ?? []), EXCLUSION];
  return rules.map(([name, relation, bound, measure]) => {
    const measured = measure(own, field) ?? Number.NaN;
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
