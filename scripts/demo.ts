// The demo, see scripts/demo/arguments.ts for what it shows.
import { constants } from 'node:os';
import { type DemoArguments, HELP, parseArguments, UsageError } from './demo/arguments.ts';
import { run } from './demo/run.ts';
import { tableOf } from './demo/table.ts';

try {
  const demoArguments = parseArguments(process.argv.slice(2));
  if (demoArguments.help) process.stdout.write(HELP);
  else await show(demoArguments);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\nSee npm start -- --help\n`);
  process.exitCode = 2;
}

async function show(demoArguments: DemoArguments): Promise<void> {
  const { stdout } = process;
  const interrupt = new AbortController();
  let interruptedBy: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | undefined;
  // Only the first one ends the run in good order: a second finds nobody but the fleet listening and ends all at once.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      interruptedBy ??= signal;
      interrupt.abort();
    });
  }
  const verdict = await run(demoArguments, interrupt.signal, stdout);
  if (interruptedBy !== undefined) {
    stdout.write(`Interrupted by ${interruptedBy}; masters and workers have been stopped.\n`);
    process.exitCode = 128 + constants.signals[interruptedBy];
    return;
  }
  stdout.write(`${tableOf(verdict)}\n\n${verdict.sentence}\n`);
  for (const detail of verdict.details) stdout.write(`  ${detail}\n`);
  if (!verdict.holds) process.exitCode = 1;
}
