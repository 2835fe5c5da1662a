import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import type { HeldFigures } from '../held.ts';
import type { HungFigures } from '../hung.ts';
import type { MemoryFigures } from '../memory.ts';
import type { Limiter } from '../peers/arguments.ts';
import type { Case } from '../peers/cases.ts';
import type { Figures } from '../peers/figures.ts';
import type { Goal } from '../peers/goals.ts';
import { pinnedPackages } from '../peers/peer-packages.ts';
import type { CaseResult } from '../peers/results.ts';
import type { Variant } from '../peers/variants.ts';
import type { QuorumsFigures } from '../quorums.ts';

/** What was measured beside peers in one case: medians. */
export interface CaseData {
  readonly case: Case;
  readonly entries: readonly { readonly variant: Variant; readonly figures: Figures }[];
  readonly goals: readonly Goal[];
}

export interface PeersData {
  readonly rounds: number;
  readonly pace: Limiter;
  readonly cases: readonly CaseData[];
  readonly problems: readonly string[];
}

/** The parts of a report. Each is measured by itself. */
export interface Parts {
  readonly throughput: PeersData;
  /** With nodes that are hung or killed. */
  readonly failures: PeersData;
  readonly contention: PeersData;
  readonly held: readonly HeldFigures[];
  readonly hung: readonly HungFigures[];
  readonly memory: MemoryFigures;
  readonly quorums: readonly QuorumsFigures[];
}

/** What a report is drawn from; parts that were not measured yet are missing. */
export interface BenchData extends Partial<Parts> {
  readonly machine: { readonly node: string; readonly cores: number; readonly processor: string };
  readonly packages: Readonly<Record<string, string>>;
}

/** Digits that mean something. */
const DIGITS = 4;

export function thisMachine(): Pick<BenchData, 'machine' | 'packages'> {
  const [first] = cpus();
  return {
    machine: { node: process.version, cores: cpus().length, processor: first?.model ?? 'unknown' },
    packages: pinnedPackages(),
  };
}

export function dataOf(results: readonly CaseResult[]): readonly CaseData[] {
  return results.map((result) => ({
    case: result.case,
    entries: result.entries.map(({ variant, figures }) => ({ variant, figures })),
    goals: result.goals,
  }));
}

/** What is there already; undefined if nothing is. */
export function readData(folder: string): BenchData | undefined {
  try {
    // What is not a number has become null.
    return JSON.parse(readFileSync(pathIn(folder), 'utf8'), (_, value: unknown) => value ?? Number.NaN);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

export function writeData(folder: string, data: BenchData): void {
  mkdirSync(folder, { recursive: true });
  const rounded = (_: string, value: unknown) =>
    typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
  writeFileSync(pathIn(folder), `${JSON.stringify(data, rounded, 1)}\n`);
}

function pathIn(folder: string): string {
  return join(folder, 'bench.json');
}
