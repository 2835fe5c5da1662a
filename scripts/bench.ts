// `npm run bench [-- SCENARIO…]`: what things cost, measured side by side in one run. Ratios and counts travel
// between machines; milliseconds do not. What installs other libraries runs only if it is named.
import { parseArgs } from 'node:util';
import { besidePeers } from './bench/beside-peers.ts';
import { degraded } from './bench/degraded.ts';
import { fenceMemory } from './bench/fence-memory.ts';
import { held } from './bench/held.ts';
import { hung } from './bench/hung.ts';
import { memory } from './bench/memory.ts';
import { PEERS_HELP, PEERS_OPTIONS, peersArguments } from './bench/peers/arguments.ts';
import type { Group } from './bench/peers/cases.ts';
import { quorums } from './bench/quorums.ts';
import { REPORT_HELP, REPORT_OPTIONS, report } from './bench/report/report.ts';
import { roundTrips } from './bench/round-trips.ts';
import { simulator } from './bench/simulator.ts';
import { UsageError } from './support/arguments.ts';

/** These run in processes like those of other libraries. */
const NAMED: Readonly<Record<string, () => Promise<void>>> = { held, hung, memory, quorums };

const OWN: Readonly<Record<string, () => Promise<void>>> = {
  degraded,
  'round-trips': roundTrips,
  'fence-memory': fenceMemory,
  simulator,
};

try {
  for (const [name, scenario] of chosenScenarios()) {
    console.log(`\n${name}`);
    await scenario();
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${PEERS_HELP}\n${REPORT_HELP}`);
  process.exitCode = 2;
}

/** @throws {UsageError} */
function chosenScenarios(): readonly (readonly [name: string, scenario: () => Promise<void>])[] {
  const { positionals, values } = parsed();
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
    return parseArgs({ allowPositionals: true, options: { ...PEERS_OPTIONS, ...REPORT_OPTIONS } });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
