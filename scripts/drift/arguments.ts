import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { optionsOf, seedOf, UsageError } from '../support/arguments.ts';
import type { Extent } from './plan.ts';

const DEFAULT_FOLDER = 'simulation-report';
const DEFAULT_SEED = 1;

export const HELP = `Usage: npm run simulate:drift -- [options]

Runs the library in virtual time on machines whose clocks are wrong, and counts how often two holders overlap, with
and without the drift allowance and with and without fencing; then how often a lock is granted while nodes are down,
and how long it takes. Everything is compared with what theory says. Prints tables, and writes into a folder:
index.html (charts; opens without a network) and results.csv.

Options:
  --quick       fewer points and fewer trials: below a minute
  --seed S      decides all that is left to chance, from 0 to 2^32 - 1; default ${DEFAULT_SEED}
  --out FOLDER  where to write; default ${DEFAULT_FOLDER}
  --help        this text

Exit code: 0 if everything agrees with theory, 1 if something does not (or the run failed), 2 for wrong arguments,
128 + the signal's number if interrupted.
`;

export interface DriftArguments {
  readonly extent: Extent;
  readonly seed: number;
  /** An absolute path. */
  readonly out: string;
  readonly help: boolean;
}

/** @throws {UsageError} */
export function parseArguments(args: readonly string[]): DriftArguments {
  const {
    quick = false,
    seed,
    out = DEFAULT_FOLDER,
    help = false,
  } = optionsOf(args, {
    quick: { type: 'boolean' },
    seed: { type: 'string' },
    out: { type: 'string' },
  });
  return {
    extent: quick ? 'quick' : 'default',
    seed: seed === undefined ? DEFAULT_SEED : seedOf(seed),
    out: folderOf(out),
    help,
  };
}

function folderOf(text: string): string {
  if (text.trim() === '') throw new UsageError('--out must be a folder: got ""');
  const path = resolve(text);
  if (existsSync(path) && !statSync(path).isDirectory()) {
    throw new UsageError(`--out must be a folder, and "${text}" is something else`);
  }
  return path;
}
