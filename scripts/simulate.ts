// Runs the library under virtual time, through random faults, and judges what it did: npm run simulate -- --help
import { ASSUMPTIONS, type Broken, drawMix } from './faults/simulator/mix.ts';
import { run } from './faults/simulator/run.ts';
import { swarm } from './faults/simulator/swarm.ts';
import { DEFAULT_LINES, FilteredTrace, TRACE_KINDS, traceFilterOf } from './faults/simulator/trace-filter.ts';
import { describeFailure, overtakenOf, violationsOf } from './faults/simulator/verdict.ts';
import { optionsOf, positive, runCommand, seedOf, UsageError } from './support/arguments.ts';

const DEFAULT_RUNS = 100;
const DEFAULT_CYCLES = 1_000;

const HELP = `Usage: npm run simulate -- [options]

The whole library under virtual time: simulated nodes, network and clocks, with faults drawn from a seed. With --seed
alone it is one run, the same every time; scripts/faults/simulator/mix.ts says what is drawn.

Options:
  --seed S      the seed of the first run, from 0 to 2^32 - 1; default: a random one
  --runs N      how many runs; default ${DEFAULT_RUNS}, or 1 with --seed
  --cycles N    how many locks each run grants; default ${DEFAULT_CYCLES}
  --break NAME  without one assumption: ${Object.keys(ASSUMPTIONS)
    .filter((name) => name !== 'none')
    .join(', ')}
  --trace       prints what happens, an event a line; for a single run
  --help        this text

Options of --trace:
  --node N      only what happens at this node: 1, 2, …
  --machine N   only what this machine does, or what is done to it
  --kind LIST   only events of these kinds: ${TRACE_KINDS.join(',')}
  --from MS     only from this moment on, in virtual milliseconds
  --to MS       only up to this moment
  --lines N     how many lines at the most, or all; default ${DEFAULT_LINES}

Exit code: 0 if every promise held, 1 if not, 2 for wrong arguments.
`;

const string = { type: 'string' } as const;
const TRACE_OPTIONS = {
  node: string,
  machine: string,
  kind: string,
  from: string,
  to: string,
  lines: string,
};

function parse(args: readonly string[]) {
  const values = optionsOf(args, {
    seed: { type: 'string' },
    runs: { type: 'string' },
    cycles: { type: 'string' },
    break: { type: 'string' },
    trace: { type: 'boolean' },
    ...TRACE_OPTIONS,
  });
  const { trace = false, break: broken = 'none', help = false } = values;
  const runs = positive('--runs', values.runs, values.seed === undefined ? DEFAULT_RUNS : 1);
  if (trace && runs !== 1) {
    throw new UsageError(`--trace needs a single run: give --seed, or --runs 1: got ${runs} runs`);
  }
  const stray = Object.keys(TRACE_OPTIONS).find((name) => Object.hasOwn(values, name));
  if (!trace && stray !== undefined)
    throw new UsageError(`--${stray} is an option of --trace: give that, too`);
  const names = Object.keys(ASSUMPTIONS);
  if (!names.includes(broken))
    throw new UsageError(`--break must be one of ${names.join(', ')}: got "${broken}"`);
  return {
    seed: seedOf(values.seed),
    runs,
    cycles: positive('--cycles', values.cycles, DEFAULT_CYCLES),
    broken: broken as Broken,
    trace: trace ? traceFilterOf(values) : undefined,
    help,
  };
}

await runCommand({
  name: 'npm run simulate --',
  help: HELP,
  parse,
  run: (args) => (args.runs === 1 ? runOne(args) : runMany(args)),
});

async function runOne({ seed, cycles, broken, trace }: ReturnType<typeof parse>): Promise<boolean> {
  const print = (line: string) => process.stdout.write(`${line}\n`);
  const filtered = trace && new FilteredTrace(trace, print, process.stdout.columns);
  const findings = await run(drawMix(seed, broken, cycles), filtered?.line);
  if (filtered !== undefined && filtered.rest !== '') print(filtered.rest);
  const violations = violationsOf(findings);
  print(
    `${findings.locks} locks, ${overtakenOf(findings)} of them to a caller that had asked later than another`,
  );
  print(violations.length === 0 ? 'every promise held' : describeFailure(findings, violations));
  return violations.length === 0;
}

async function runMany({ seed, runs, cycles, broken }: ReturnType<typeof parse>): Promise<boolean> {
  const startedAt = performance.now();
  const { failures, locks, overtaken, ...many } = await swarm({
    seed,
    broken,
    cyclesPerRun: cycles,
    runs,
    progress: (soFar) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${soFar.runs} of ${runs} runs, ${soFar.locks} locks`);
    },
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  console.log(
    `${process.stderr.isTTY ? '\n' : ''}${many.runs} runs from seed ${seed}: ${locks} locks in ${seconds.toFixed(1)} s ` +
      `(${Math.round(locks / seconds)}/s), ${overtaken} of them to a caller that had asked later than another`,
  );
  for (const { findings, violations } of failures) console.log(`\n${describeFailure(findings, violations)}`);
  console.log(failures.length === 0 ? 'every promise held' : `\n${failures.length} runs broke a promise`);
  return failures.length === 0;
}
