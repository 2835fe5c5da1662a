import { parseArgs } from 'node:util';

const DEFAULT_SECONDS = 18;
const LONGEST_SECONDS = 3_600;

export const HELP = `Usage: npm start -- [options]

Five real Redis masters on this machine, and four processes of four callers each that contend for one lock.
Under it they increment a number in a shared file, while one master after another is killed, paused and
restarted, never more than two at once. At the end: was an update lost, did two holders overlap?

Options:
  --seconds N   how long the load lasts, from 1 to ${LONGEST_SECONDS}; default ${DEFAULT_SECONDS}
  --no-lock     the same without a lock: shows the lost updates that it prevents, and exits with 1
  --help        this text

Exit code: 0 if the lock held, 1 if not (or if the run itself failed), 2 for wrong arguments,
128 + the signal's number if interrupted.
`;

export interface DemoArguments {
  readonly seconds: number;
  readonly locking: boolean;
  readonly help: boolean;
}

/** Arguments that make no sense; the message says which and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): DemoArguments {
  const { seconds = String(DEFAULT_SECONDS), 'no-lock': withoutLock = false, help = false } = parse(args);
  const parsed = Number(seconds);
  if (seconds.trim() === '' || !(parsed >= 1 && parsed <= LONGEST_SECONDS)) {
    throw new UsageError(`--seconds must be a number from 1 to ${LONGEST_SECONDS}: got "${seconds}"`);
  }
  return { seconds: parsed, locking: !withoutLock, help };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seconds: { type: 'string' },
        'no-lock': { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}
