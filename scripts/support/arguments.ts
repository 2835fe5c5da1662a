import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { isSeed } from './seeds.ts';

/** Arguments that make no sense; the message says which and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws {UsageError} not a number above 0 */
export function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !(value > 0))
    throw new UsageError(`${name} must be a number above 0: got "${text}"`);
  return value;
}

/** @throws {UsageError} not a seed */
export function seedOf(text: string | undefined): number {
  if (text === undefined) return randomInt(2 ** 32);
  const seed = Number(text);
  if (text.trim() === '' || !isSeed(seed)) {
    throw new UsageError(`--seed must be an integer from 0 to 2^32 - 1: got "${text}"`);
  }
  return seed;
}

/** The values of options, as `parseArgs` of Node has them. @throws {UsageError} one that there is not */
export function optionsOf<Options extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({
      args: [...args],
      options: { ...options, help: { type: 'boolean', short: 'h' } as const },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Why an interrupted run ended: the name of a signal. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What a command does. Its exit code is 1 if `run` returns false, 128 + the signal's number if it was interrupted. */
export interface Command<Arguments extends { readonly help: boolean }> {
  /** How it is called, for who calls it wrong. */
  readonly name: string;
  readonly help: string;
  /** @throws {UsageError} */
  parse(args: readonly string[]): Arguments;
  /** `interrupt` aborts at the first signal, with its name as the reason. */
  run(args: Arguments, interrupt: AbortSignal, output: NodeJS.WriteStream): Promise<boolean>;
}

/** Runs a command on the arguments of this process, and ends it. */
export async function runCommand<Arguments extends { readonly help: boolean }>({
  name,
  help,
  parse,
  run,
}: Command<Arguments>): Promise<never> {
  const interrupt = new AbortController();
  let interruptedBy: (typeof SIGNALS)[number] | undefined;
  try {
    const args = parse(process.argv.slice(2));
    if (args.help) {
      process.stdout.write(help);
      process.exit();
    }
    // Only the first one ends the run in good order: a second finds only the fleet listening and ends all at once.
    for (const signal of SIGNALS) {
      process.once(signal, () => {
        interruptedBy ??= signal;
        interrupt.abort(signal);
      });
    }
    const holds = await run(args, interrupt.signal, process.stdout);
    process.exitCode = holds ? 0 : 1;
    if (holds && interruptedBy !== undefined) process.exitCode = 128 + constants.signals[interruptedBy];
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\nSee ${name} --help\n`);
    process.exitCode = 2;
  }
  // Everything is over and has been closed. Left to itself, Node may wait for ever, at its very end, for what it once asked
  // of a process that was killed.
  process.exit();
}
