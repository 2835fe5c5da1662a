// `npm run bench [-- SCENARIO…]`: what things cost, measured side by side in one run. Ratios and counts travel
// between machines; milliseconds do not.
import { parseArgs } from 'node:util';
import { degraded } from './bench/degraded.ts';
import { fenceMemory } from './bench/fence-memory.ts';
import { roundTrips } from './bench/round-trips.ts';
import { simulator } from './bench/simulator.ts';

const scenarios: Readonly<Record<string, () => Promise<void>>> = {
  degraded,
  'round-trips': roundTrips,
  'fence-memory': fenceMemory,
  simulator,
};

const { positionals } = parseArgs({ allowPositionals: true });
const names = positionals.length === 0 ? Object.keys(scenarios) : positionals;
const unknown = names.filter((name) => !(name in scenarios));
if (unknown.length > 0) {
  console.error(`there is no scenario ${unknown.join(', ')}; there are ${Object.keys(scenarios).join(', ')}`);
  process.exitCode = 2;
} else {
  for (const name of names) {
    console.log(`\n${name}`);
    await scenarios[name]?.();
  }
}
