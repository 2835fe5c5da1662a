import type { PeerName } from '../../../bench/peers/names.ts';
import { positive, UsageError } from '../../support/arguments.ts';
import { CASES, type Case, type Group } from './cases.ts';
import { peerNamesOf } from './variants.ts';

/** Options of what is measured beside peers, for `parseArgs`. */
export const PEERS_OPTIONS = {
  rounds: { type: 'string' },
  quick: { type: 'boolean' },
  only: { type: 'string' },
  case: { type: 'string' },
  out: { type: 'string' },
} as const;

export const PEERS_HELP = `Options of contention and throughput:
  --rounds N     every library is measured so often, in turns; default 3
  --quick        one round, shorter ones, after a warm-up that is too short: a look, no measurement
  --only LIST    only these libraries: ${peerNamesOf('throughput').join(',')}
  --case LIST    only these cases: of contention ${namesOf('contention')};
                 of throughput ${namesOf('throughput')}
  --out FOLDER   write all figures to a JSON file there
`;

function namesOf(group: Group): string {
  return CASES[group].map(({ name }) => name).join(',');
}

export interface PeersArguments {
  readonly group: Group;
  readonly rounds: number;
  readonly pace: Limiter;
  readonly peers: readonly PeerName[];
  readonly cases: readonly Case[];
  /** Where the figures are written; undefined: nowhere. */
  readonly out: string | undefined;
}

/** How long each measurement takes, in milliseconds. */
export interface Limiter {
  /** Of contenders. */
  readonly warmUpMs: number;
  readonly measuredMs: number;
  /** For undisturbed acquisitions. */
  readonly aloneMs: number;
  /** How many bursts a round has. */
  readonly bursts: number;
  /** For workers with locks of their own, once for each process. */
  readonly cyclesWarmUpMs: number;
  /** The same for each measurement. */
  readonly cyclesMs: number;
}

const FULL: Limiter = {
  warmUpMs: 1_000,
  measuredMs: 5_000,
  aloneMs: 1_000,
  bursts: 15,
  cyclesWarmUpMs: 10_000,
  cyclesMs: 3_000,
};

/** Not warm: compilers need several seconds for any of these libraries. */
const QUICK: Limiter = {
  warmUpMs: 500,
  measuredMs: 2_000,
  aloneMs: 500,
  bursts: 7,
  cyclesWarmUpMs: 500,
  cyclesMs: 500,
};

/** For the report: everything in a few minutes. */
export const BRIEF: Limiter = {
  ...FULL,
  measuredMs: 2_000,
  bursts: 7,
  cyclesWarmUpMs: 5_000,
  cyclesMs: 500,
};

/** What `parseArgs` makes of the options. */
export interface PeersValues {
  readonly rounds?: string | undefined;
  readonly quick?: boolean | undefined;
  readonly only?: string | undefined;
  readonly case?: string | undefined;
  readonly out?: string | undefined;
}

/** @throws {UsageError} */
export function peersArguments(group: Group, values: PeersValues): PeersArguments {
  const { quick = false, out } = values;
  const rounds = positive('--rounds', values.rounds, quick ? 1 : 3);
  if (!Number.isInteger(rounds)) throw new UsageError(`--rounds must be an integer: got "${rounds}"`);
  return {
    group,
    rounds,
    pace: quick ? QUICK : FULL,
    peers: chosen('--only', values.only, peerNamesOf(group), (name) => name),
    cases: chosen('--case', values.case, CASES[group], ({ name }) => name),
    out,
  };
}

/** In the order of all, whatever the order of the text. @throws {UsageError} */
export function chosen<Item>(
  option: string,
  text: string | undefined,
  all: readonly Item[],
  nameOf: (item: Item) => string,
): readonly Item[] {
  if (text === undefined) return all;
  const names = text.split(',');
  const unknown = names.filter((name) => !all.some((item) => nameOf(item) === name));
  if (unknown.length > 0) {
    throw new UsageError(
      `${option} has no ${unknown.join(', ')}; there are ${all.map((item) => nameOf(item)).join(', ')}`,
    );
  }
  return all.filter((item) => names.includes(nameOf(item)));
}
