import { parseArgs } from 'node:util';
import { positive, seedOf, UsageError } from '../support/arguments.ts';
import { ASSUMPTIONS, type Broken } from './mix.ts';

const DEFAULT_RUNS = 100;
const DEFAULT_CYCLES = 1_000;

export const HELP = `Usage: npm run simulate -- [options]

The whole library under virtual time: simulated nodes, network and clocks, with faults drawn from a seed. With --seed
alone it is one run, the same every time; scripts/simulate/mix.ts says what is drawn.

Options:
  --seed S      the seed of the first run, from 0 to 2^32 - 1; default: a random one
  --runs N      how many runs; default ${DEFAULT_RUNS}, or 1 with --seed
  --cycles N    how many locks each run grants; default ${DEFAULT_CYCLES}
  --break NAME  without one assumption: ${Object.keys(ASSUMPTIONS)
    .filter((name) => name !== 'none')
    .join(', ')}
  --trace       prints everything that happens; for a single run
  --help        this text

Exit code: 0 if every promise held, 1 if not, 2 for wrong arguments.
`;

export interface SimulateArguments {
  readonly seed: number;
  readonly runs: number;
  readonly cycles: number;
  readonly broken: Broken;
  readonly isTraced: boolean;
  readonly isHelp: boolean;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): SimulateArguments {
  const values = parse(args);
  const runs = positive('--runs', values.runs, values.seed === undefined ? DEFAULT_RUNS : 1);
  if (values.trace === true && runs !== 1) {
    throw new UsageError(`--trace needs a single run: give --seed, or --runs 1: got ${runs} runs`);
  }
  return {
    seed: seedOf(values.seed),
    runs,
    cycles: positive('--cycles', values.cycles, DEFAULT_CYCLES),
    broken: brokenOf(values.break),
    isTraced: values.trace ?? false,
    isHelp: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        runs: { type: 'string' },
        cycles: { type: 'string' },
        break: { type: 'string' },
        trace: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function brokenOf(text: string | undefined): Broken {
  const names = Object.keys(ASSUMPTIONS);
  if (text === undefined) return 'none';
  if (!names.includes(text))
    throw new UsageError(`--break must be one of ${names.join(', ')}: got "${text}"`);
  return text as Broken;
}
