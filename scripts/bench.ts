// `npm run bench [-- SCENARIO…]`: what things cost, measured side by side in one run. Ratios and counts travel
// between machines; milliseconds do not. `contention` runs only if it is named: it installs other libraries.
import { parseArgs } from 'node:util';
import { CONTENTION_HELP, CONTENTION_OPTIONS, contentionArguments } from './bench/contention/arguments.ts';
import { contention } from './bench/contention.ts';
import { degraded } from './bench/degraded.ts';
import { fenceMemory } from './bench/fence-memory.ts';
import { roundTrips } from './bench/round-trips.ts';
import { simulator } from './bench/simulator.ts';
import { UsageError } from './support/arguments.ts';

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
  console.error(`${error.message}\n\n${CONTENTION_HELP}`);
  process.exitCode = 2;
}

/** @throws {UsageError} */
function chosenScenarios(): readonly (readonly [name: string, scenario: () => Promise<void>])[] {
  const { positionals, values } = parsed();
  const terms = contentionArguments(values);
  const scenarios = { ...OWN, contention: () => contention(terms) };
  const names = positionals.length === 0 ? Object.keys(OWN) : positionals;
  if (Object.keys(values).length > 0 && !names.includes('contention')) {
    throw new UsageError('only contention has options');
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
    return parseArgs({ allowPositionals: true, options: CONTENTION_OPTIONS });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
