import { seedAfter } from '../../support/seeds.ts';
import { type Broken, type Discipline, drawMix } from './mix.ts';
import { type Findings, run } from './run.ts';
import { overtakenOf, type Violation, violationsOf } from './verdict.ts';

/** A run that broke a promise. */
interface Failure {
  readonly findings: Findings;
  readonly violations: readonly Violation[];
}

/** What many runs came to. */
export interface Swarm {
  readonly runs: number;
  readonly locks: number;
  /** Locks that went to a caller that had asked after another one that got it later. */
  readonly overtaken: number;
  readonly failures: readonly Failure[];
}

export interface SwarmTerms {
  /** Of the first run; the others follow from it. */
  readonly seed: number;
  readonly broken: Broken;
  /** Runs of another one are left out. Default: none is. */
  readonly discipline?: Discipline;
  /** Which of a number of threads this is; they take runs in turn. Default: the only one. */
  readonly thread?: { readonly index: number; readonly count: number };
  /** How many locks each run grants. */
  readonly cyclesPerRun: number;
  /** How many locks all runs grant at the least, and how many runs there are at the most. Default: no bound. */
  readonly cycles?: number;
  readonly runs?: number;
  /** Whether enough has been seen. Default: once ten runs have failed. */
  readonly isEnough?: (failures: readonly Failure[]) => boolean;
  /** Hears of every run. */
  readonly progress?: (soFar: Omit<Swarm, 'failures'>) => void;
}

/** This number of failures is enough where no certain one is wanted: more say nothing new. */
const MOST_FAILURES = 10;

/** Runs one random mix after the other. */
export async function swarm(terms: SwarmTerms): Promise<Swarm> {
  const { seed, thread = { index: 0, count: 1 }, broken, cyclesPerRun, progress } = terms;
  const { discipline, isEnough = (found) => found.length >= MOST_FAILURES } = terms;
  const { cycles = Number.POSITIVE_INFINITY, runs: mostRuns = Number.POSITIVE_INFINITY } = terms;
  const failures: Failure[] = [];
  let drawn = 0;
  let runs = 0;
  let locks = 0;
  let overtaken = 0;
  while (locks < cycles && runs < mostRuns && !isEnough(failures)) {
    const mix = drawMix(seedAfter(seed, thread.index + drawn * thread.count), broken, cyclesPerRun);
    drawn += 1;
    if (mix.discipline !== (discipline ?? mix.discipline)) continue;
    const findings = await run(mix);
    const violations = violationsOf(findings);
    if (violations.length > 0) failures.push({ findings, violations });
    runs += 1;
    locks += findings.locks;
    overtaken += overtakenOf(findings);
    progress?.({ runs, locks, overtaken });
  }
  return { runs, locks, overtaken, failures };
}
