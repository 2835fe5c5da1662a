// The library in virtual time on machines whose clocks are wrong, see scripts/drift/arguments.ts.
import { HELP, parseArguments } from './drift/arguments.ts';
import { simulateDrift } from './drift/run.ts';
import { runCommand } from './support/arguments.ts';

await runCommand({
  name: 'npm run simulate:drift --',
  help: HELP,
  parse: parseArguments,
  run: async (args, interrupt, output) => (await simulateDrift(args, interrupt, output)) !== false,
});
