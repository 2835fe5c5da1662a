import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { PeersArguments } from './arguments.ts';
import { pinnedPackages } from './peer-packages.ts';
import type { CaseResult } from './results.ts';

/** Writes everything that was measured; figures that are not numbers become null. Returns the file's path. */
export function writeResults(
  folder: string,
  { group, rounds, pace }: PeersArguments,
  results: readonly CaseResult[],
  problems: readonly string[],
): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${group}.json`);
  const content = {
    node: process.version,
    cores: cpus().length,
    packages: pinnedPackages(),
    rounds,
    pace,
    results,
    problems,
  };
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`);
  return path;
}
