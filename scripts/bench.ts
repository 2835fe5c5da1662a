// `npm run bench [-- SCENARIO…]`: what things cost, measured side by side in one run. Ratios and counts travel
// between machines; milliseconds do not. What installs other libraries runs only if it is named.
import { parseArgs } from 'node:util';
import { besidePeers } from './bench/beside-peers.ts';
import { degraded } from './bench/degraded.ts';
import { drivers } from './bench/drivers.ts';
import { fenceMemory } from './bench/fence-memory.ts';
import { measureHeld } from './bench/held.ts';
import { measureHung } from './bench/hung.ts';
import { measureMemory } from './bench/memory.ts';
import { observed } from './bench/observed.ts';
import { PEERS_HELP, PEERS_OPTIONS, peersArguments } from './bench/peers/arguments.ts';
import type { Group } from './bench/peers/cases.ts';
import { measureQuorums } from './bench/quorums.ts';
import { heldSection, memorySection, scalingSection } from './bench/report/own-sections.ts';
import { REPORT_HELP, REPORT_OPTIONS, report } from './bench/report/report.ts';
import { roundTrips } from './bench/round-trips.ts';
import { simulator } from './bench/simulator.ts';
import { UsageError } from './support/arguments.ts';
import type { Section } from './support/report/section.ts';
import { tableText } from './support/report/terminal.ts';

/** These run in processes like those of other libraries. */
const NAMED: Readonly<Record<string, () => Promise<void>>> = {
  held: async () => show(heldSection(await measureHeld())),
  hung: async () => show(memorySection(undefined, await measureHung())),
  memory: async () => show(memorySection(await measureMemory(), [])),
  quorums: async () => show(scalingSection(await measureQuorums())),
  drivers,
  observed,
};

const OWN: Readonly<Record<string, () => Promise<void>>> = {
  degraded,
  'round-trips': roundTrips,
  'fence-memory': fenceMemory,
  simulator,
};

const HELP = `Usage: npm run bench -- [SCENARIO…] [options]

What things cost, measured side by side in one run, on real Redis servers. Without a scenario: the first four.

Scenarios:
  degraded       what failed nodes cost
  round-trips    how often a token needs a second round trip
  fence-memory   what counters cost in memory
  simulator      how fast the simulator is
  held           what locks cost while up to a million others are held
  hung           what a process has after a minute in which a node hung
  memory         what locks and waits take in a process
  quorums        locks spread over several quorums
  drivers        what a lock costs by each driver
  observed       what the channels for listeners cost
  contention     how many share one lock, and how fairly, beside other libraries
  throughput     how many locks a process takes a second, beside other libraries
  report         the figures of the README, as a page of charts, an image and JSON

${PEERS_HELP}
${REPORT_HELP}
Options:
  --help         this text

Exit code: 0 if everything was measured, 1 if not, 2 for wrong arguments.
`;

try {
  const { positionals, values } = parsed();
  const { help = false, ...options } = values;
  if (help) process.stdout.write(HELP);
  else await runAll(chosenScenarios(positionals, options));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nSee npm run bench -- --help\n`);
  process.exitCode = 2;
}

type Options = Omit<ReturnType<typeof parsed>['values'], 'help'>;

type Scenario = readonly [name: string, run: () => Promise<void>];

function show({ tables }: Section): void {
  for (const table of tables.filter(({ rows }) => rows.length > 0)) console.log(tableText(table));
}

async function runAll(chosen: readonly Scenario[]): Promise<void> {
  for (const [name, scenario] of chosen) {
    console.log(`\n${name}`);
    await scenario();
  }
}

/** @throws {UsageError} */
function chosenScenarios(positionals: readonly string[], values: Options): readonly Scenario[] {
  const beside = (group: Group) => async () => await besidePeers(peersArguments(group, values));
  const scenarios = {
    report: () => report(values),
    ...OWN,
    ...NAMED,
    contention: beside('contention'),
    throughput: beside('throughput'),
  };
  const names = positionals.length === 0 ? Object.keys(OWN) : positionals;
  if (Object.keys(values).length > 0 && names.some((name) => name in OWN || name in NAMED)) {
    throw new UsageError('only report, contention and throughput have options');
  }
  return names.map((name) => {
    const scenario = Object.entries(scenarios).find(([candidate]) => candidate === name);
    if (scenario === undefined) {
      throw new UsageError(`there is no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`);
    }
    return scenario;
  });
}

/** @throws {UsageError} */
function parsed() {
  try {
    const help = { type: 'boolean', short: 'h' } as const;
    return parseArgs({ allowPositionals: true, options: { ...PEERS_OPTIONS, ...REPORT_OPTIONS, help } });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
