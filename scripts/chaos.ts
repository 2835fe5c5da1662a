// Real servers, processes that lock, and faults of every kind.
import { resolve } from 'node:path';
import { type ChaosArguments, chaos } from './faults/fleet/chaos.ts';
import { NoContainersError } from './faults/fleet/masters/engine.ts';
import { ALONE, MIXES } from './faults/scenarios.ts';
import { optionsOf, positive, runCommand, seedOf, UsageError } from './support/arguments.ts';

const DEFAULT_FOLDER = 'chaos-report';

const list = (scenarios: typeof ALONE) =>
  Object.entries(scenarios)
    .map(([name, { text }]) => `  ${name.padEnd(16)}${text}`)
    .join('\n');

const HELP = `Usage: npm run chaos -- [options]

Five real Redis masters and four processes that lock, hold, extend, release and write to a PostgreSQL store, with the
fencing token and without, while nodes, network, clocks and the processes themselves fail. Tells what happened by the
processes' own logs: in the terminal, as a page that needs no network, and as JSON.

Options:
  --fault F      only this, from the lists below; default: random
  --every-fault  one fault after the other, each alone
  --seeds N      how many runs of each, from seeds that follow from the first; default 1
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

const NAMED = { ...ALONE, ...MIXES };

await runCommand({
  name: 'npm run chaos --',
  help: HELP,
  parse,
  run: async (args, interrupt, output) => {
    try {
      return await chaos(args, interrupt, output);
    } catch (error) {
      if (!(error instanceof NoContainersError)) throw error;
      process.stderr.write(`${error.message}\n`);
      return false;
    }
  },
});

/** @throws {UsageError} */
function parse(args: readonly string[]): ChaosArguments & { readonly help: boolean } {
  const values = optionsOf(args, {
    fault: { type: 'string' },
    'every-fault': { type: 'boolean' },
    seeds: { type: 'string' },
    seed: { type: 'string' },
    seconds: { type: 'string' },
    minutes: { type: 'string' },
    containers: { type: 'boolean' },
    compose: { type: 'boolean' },
    out: { type: 'string' },
  });
  const { fault, seeds, seed, seconds, minutes, out = DEFAULT_FOLDER, help = false } = values;
  const everyFault = values['every-fault'] ?? false;
  if (fault !== undefined && everyFault) throw new UsageError('--fault and --every-fault exclude each other');
  if (fault !== undefined && !Object.hasOwn(NAMED, fault)) {
    throw new UsageError(`--fault must be one of ${Object.keys(NAMED).join(', ')}: got "${fault}"`);
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
