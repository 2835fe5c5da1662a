// The library in virtual time on machines whose clocks are wrong, see scripts/drift/arguments.ts.
import { constants } from 'node:os';
import { HELP, parseArguments } from './drift/arguments.ts';
import { simulateDrift } from './drift/run.ts';
import { UsageError } from './support/arguments.ts';

try {
  const driftArguments = parseArguments(process.argv.slice(2));
  if (driftArguments.help) {
    process.stdout.write(HELP);
  } else {
    const interrupt = new AbortController();
    let interruptedBy: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | undefined;
    // Only the first one ends the run in good order.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      process.once(signal, () => {
        interruptedBy ??= signal;
        interrupt.abort();
      });
    }
    const agrees = await simulateDrift(driftArguments, interrupt.signal, process.stdout);
    if (agrees === false) process.exitCode = 1;
    else if (interruptedBy !== undefined) process.exitCode = 128 + constants.signals[interruptedBy];
  }
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nSee npm run simulate:drift -- --help\n`);
  process.exitCode = 2;
}
