import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { positive, seedOf, UsageError } from '../support/arguments.ts';
import type { FleetKind } from './masters/start.ts';
import { ALONE } from './scenarios/alone.ts';
import { MIXES } from './scenarios/mixes.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';

const DEFAULT_FOLDER = 'chaos-report';

const list = (scenarios: typeof SCENARIOS) =>
  Object.entries(scenarios)
    .map(([name, { text }]) => `  ${name.padEnd(16)}${text}`)
    .join('\n');

export const HELP = `Usage: npm run chaos -- [options]

Five real Redis masters and four processes that lock, hold, extend, release and write to a PostgreSQL store, with the
fencing token and without, while nodes, network, clocks and the processes themselves fail. Tells what happened by the
processes' own logs: in the terminal, as a page that needs no network, and as JSON.

Options:
  --fault F      only this, from the lists below; default: random
  --every-fault  one fault after the other, each alone
  --seeds N      so many runs of each, from seeds that follow from the first; default 1
  --seed S       the first seed, from 0 to 2^32 - 1; default: a random one
  --seconds N    how long each run takes; default: as long as it needs
  --minutes N    the same in minutes
  --containers   the masters are containers, made of a local image of this machine's redis-server
  --compose      the masters are the services of docker-compose.redis5.yml
  --out DIR      where the report goes; default ${DEFAULT_FOLDER}
  --help         this text

Faults, each alone:
${list(ALONE)}

Mixes:
${list(MIXES)}

Exit code: 0 if every promise held, 1 if not (or if a run itself failed), 2 for wrong arguments, 128 + the signal's
number if interrupted.
`;

export interface ChaosArguments {
  /** Names of scenarios, one after the other. */
  readonly scenarios: readonly string[];
  readonly seeds: number;
  readonly seed: number;
  /** Undefined: as each scenario says. */
  readonly durationMs: number | undefined;
  readonly fleet: FleetKind;
  /** The folder of the report. */
  readonly out: string;
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): ChaosArguments {
  const values = parse(args);
  const { fault, seeds, seed, seconds, minutes, out = DEFAULT_FOLDER, help = false } = values;
  const everyFault = values['every-fault'] ?? false;
  if (fault !== undefined && everyFault) throw new UsageError('--fault and --every-fault exclude each other');
  if (fault !== undefined && !Object.hasOwn(SCENARIOS, fault)) {
    throw new UsageError(`--fault must be one of ${Object.keys(SCENARIOS).join(', ')}: got "${fault}"`);
  }
  if (seconds !== undefined && minutes !== undefined) {
    throw new UsageError('--seconds and --minutes exclude each other');
  }
  const count = positive('--seeds', seeds, 1);
  if (!Number.isInteger(count)) throw new UsageError(`--seeds must be an integer: got "${seeds}"`);
  const duration =
    minutes === undefined ? positive('--seconds', seconds, 0) : 60 * positive('--minutes', minutes, 0);
  if (values.containers && values.compose) {
    throw new UsageError('--containers and --compose exclude each other');
  }
  return {
    scenarios: everyFault ? Object.keys(ALONE) : [fault ?? 'random'],
    seeds: count,
    seed: seedOf(seed),
    durationMs: duration === 0 ? undefined : duration * 1_000,
    fleet: values.containers ? 'containers' : values.compose ? 'compose' : 'processes',
    out: resolve(out),
    help,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        fault: { type: 'string' },
        'every-fault': { type: 'boolean' },
        seeds: { type: 'string' },
        seed: { type: 'string' },
        seconds: { type: 'string' },
        minutes: { type: 'string' },
        containers: { type: 'boolean' },
        compose: { type: 'boolean' },
        out: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
