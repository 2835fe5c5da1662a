// Chaos and the randomised safety test for as long as they are given, see scripts/soak/arguments.ts.
import { constants } from 'node:os';
import { HELP, parseArguments } from './soak/arguments.ts';
import { soak } from './soak/soak.ts';
import { UsageError } from './support/arguments.ts';

try {
  const soakArguments = parseArguments(process.argv.slice(2));
  if (soakArguments.help) {
    process.stdout.write(HELP);
  } else {
    const interrupt = new AbortController();
    let interruptedBy: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | undefined;
    // Only the first one ends the run in good order: a second finds nobody but the fleet listening and ends all at once.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        interruptedBy ??= signal;
        interrupt.abort();
      });
    }
    const holds = await soak(soakArguments, interrupt.signal, process.stdout);
    if (!holds) process.exitCode = 1;
    else if (interruptedBy !== undefined) process.exitCode = 128 + constants.signals[interruptedBy];
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nSee npm run soak -- --help\n`);
  process.exitCode = 2;
}
// As in chaos.ts.
process.exit();
