import { parseArgs } from 'node:util';
import { MODES, type Mode } from '../../test/fleet/safety/terms.ts';
import { positive, seedOf, UsageError } from '../support/arguments.ts';

const DEFAULT_MINUTES = 10;

export const HELP = `Usage: npm run soak -- [options]

Real Redis masters, and processes that contend for locks on them, run after run, each drawn from a seed of its own.
Holders are stopped past their validity; nodes are killed, paused and emptied, and their clocks go wrong. Ends at the
first run that breaks a promise. test/fleet/safety/terms.ts says what each mode does and promises.

Options:
  --minutes N   for how long; default ${DEFAULT_MINUTES}, or as long as --runs takes
  --runs N      how many runs at the most
  --seed S      the seed of the first run, from 0 to 2^32 - 1; default: a random one
  --mode M      only this mode: ${MODES.join(', ')}; default: those that promise something, in turn
  --help        this text

Exit code: 0 if everything held, 1 if not (or if a run itself failed), 2 for wrong arguments, 128 + the signal's
number if interrupted.
`;

export interface SoakArguments {
  /** Infinity if only the number of runs counts. */
  readonly minutes: number;
  /** Infinity if only the time counts. */
  readonly runs: number;
  readonly seed: number;
  /** They take turns. */
  readonly modes: readonly Mode[];
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): SoakArguments {
  const { minutes, runs, seed, mode, help = false } = parse(args);
  return {
    minutes:
      minutes === undefined && runs !== undefined
        ? Number.POSITIVE_INFINITY
        : positive('--minutes', minutes, DEFAULT_MINUTES),
    runs: positive('--runs', runs, Number.POSITIVE_INFINITY),
    seed: seedOf(seed),
    modes: modesOf(mode),
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
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function modesOf(text: string | undefined): readonly Mode[] {
  if (text === undefined) return ['inside', 'clocks', 'everything'];
  const mode = MODES.find((candidate) => candidate === text);
  if (mode === undefined) throw new UsageError(`--mode must be one of ${MODES.join(', ')}: got "${text}"`);
  return [mode];
}
