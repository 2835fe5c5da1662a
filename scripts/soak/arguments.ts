import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { positive, seedOf, UsageError } from '../support/arguments.ts';
import { MODES, type Mode } from './terms.ts';

const DEFAULT_MINUTES = 10;
const DEFAULT_FOLDER = 'chaos-report';

/** The mode that is one long run. */
const CHAOS = 'chaos';

export const HELP = `Usage: npm run soak -- [options]

Real Redis masters, and processes that contend for locks on them, for a night. Half of the time is one long run of
npm run chaos, in which a leak would show. The other half is one short run after the other, each drawn from a seed of its
own: holders are stopped past their validity; nodes are killed, paused and emptied, and their clocks go wrong. Ends at
the first run that breaks a promise. scripts/soak/terms.ts says what each mode does and promises.

Options:
  --minutes N   for how long; default ${DEFAULT_MINUTES}, or as long as --runs takes
  --runs N      how many short runs at the most; then there is no long one
  --seed S      the seed of the first run, from 0 to 2^32 - 1; default: a random one
  --mode M      only this: ${CHAOS} for the long run, or one of the modes of the short ones: ${MODES.join(', ')};
                default: those that promise something, in turn
  --out DIR     where the report of the long run goes; default ${DEFAULT_FOLDER}
  --help        this text

Exit code: 0 if everything held, 1 if not (or if a run itself failed, or none was begun), 2 for wrong arguments, 128 + the signal's
number if interrupted.
`;

export interface SoakArguments {
  /** Of the long run; 0 for none. */
  readonly chaosMinutes: number;
  /** Of the short ones. Infinity if only their number counts. */
  readonly minutes: number;
  /** Infinity if only the time counts. */
  readonly runs: number;
  readonly seed: number;
  /** They take turns; empty if there are no short runs. */
  readonly modes: readonly Mode[];
  /** The folder of the long run's report. */
  readonly out: string;
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): SoakArguments {
  const { minutes, runs, seed, mode, out = DEFAULT_FOLDER, help = false } = parse(args);
  if (mode === CHAOS && runs !== undefined)
    throw new UsageError(`--mode ${CHAOS} is one run: give --minutes`);
  const total =
    minutes === undefined && runs !== undefined
      ? Number.POSITIVE_INFINITY
      : positive('--minutes', minutes, DEFAULT_MINUTES);
  const chaosMinutes = mode === CHAOS ? total : mode === undefined && runs === undefined ? total / 2 : 0;
  return {
    chaosMinutes,
    minutes: total - chaosMinutes,
    runs: positive('--runs', runs, Number.POSITIVE_INFINITY),
    seed: seedOf(seed),
    modes: modesOf(mode),
    out: resolve(out),
    help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        minutes: { type: 'string' },
        runs: { type: 'string' },
        seed: { type: 'string' },
        mode: { type: 'string' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function modesOf(text: string | undefined): readonly Mode[] {
  if (text === undefined) return ['inside', 'clocks', 'everything'];
  if (text === CHAOS) return [];
  const mode = MODES.find((candidate) => candidate === text);
  if (mode === undefined)
    throw new UsageError(`--mode must be one of ${[CHAOS, ...MODES].join(', ')}: got "${text}"`);
  return [mode];
}
