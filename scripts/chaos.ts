// Real masters and real processes under faults, see scripts/chaos/arguments.ts.
import { constants } from 'node:os';
import { HELP, parseArguments } from './chaos/arguments.ts';
import { chaos } from './chaos/chaos.ts';
import { NoContainersError } from './chaos/masters/engine.ts';
import { UsageError } from './support/arguments.ts';

try {
  const chaosArguments = parseArguments(process.argv.slice(2));
  if (chaosArguments.help) {
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
    const holds = await chaos(chaosArguments, interrupt.signal, process.stdout);
    if (!holds) process.exitCode = 1;
    else if (interruptedBy !== undefined) process.exitCode = 128 + constants.signals[interruptedBy];
  }
} catch (error) {
  if (error instanceof UsageError) {
    process.stderr.write(`${error.message}\nSee npm run chaos -- --help\n`);
    process.exitCode = 2;
  } else if (error instanceof NoContainersError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } else throw error;
}
// Everything is over and has been closed. Left to itself, Node may wait for ever, at its very end, for what it once asked
// of a process that was killed.
process.exit();
