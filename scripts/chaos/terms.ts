import { Draft } from './faults/draft.ts';
import type { Fault } from './faults/fault.ts';
import type { LockTerms } from './load/messages.ts';
import type { Ability } from './masters/server.ts';
import type { FleetKind } from './masters/start.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { SCENARIOS } from './scenarios/scenarios.ts';

export const NODE_COUNT = 5;

/** What a run is asked for. */
export interface RunOptions {
  /** One of SCENARIOS. */
  readonly scenario: string;
  /** From 0 to 2^32 - 1. */
  readonly seed: number;
  /** Default: as long as the scenario takes. */
  readonly durationMs?: number | undefined;
  /** What the nodes are; default: processes of this machine. */
  readonly fleet?: FleetKind;
}

/** Long enough for what takes place in it on a busy machine, and no longer: a quarantine takes as long as maxTtl. */
export const LOCK_TERMS: LockTerms = {
  ttl: 1_000,
  maxTtl: 1_200,
  nodeTimeout: 250,
  quarantine: 'auto',
  resources: ['orders', 'stock', 'ledger'],
  callersPerWorker: 2,
  isBrief: false,
};

export function lockTermsOf(options: RunOptions): LockTerms {
  return { ...LOCK_TERMS, isBrief: scenarioOf(options).isBrief ?? false };
}

export const WORKER_COUNT = 4;

/** What is had by readers and writers, and a semaphore, beside what everybody contends for. */
export const READ_OFTEN = 'catalogue';
export const LICENCES = 'licences';
export const PERMITS = 2;

/** @throws {RangeError} there is no such scenario */
export function scenarioOf({ scenario: name }: RunOptions): Scenario {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new RangeError(`there is no scenario ${JSON.stringify(name)}`);
  return scenario;
}

export function durationOf(options: RunOptions): number {
  return options.durationMs ?? scenarioOf(options).durationMs;
}

/** The faults of a run: the same for the same options on the same kind of fleet. */
export function planOf(options: RunOptions, abilities: ReadonlySet<Ability>): readonly Fault[] {
  const draft = new Draft({
    seed: options.seed,
    durationMs: durationOf(options),
    nodeCount: NODE_COUNT,
    abilities,
    lock: LOCK_TERMS,
  });
  scenarioOf(options).draw(draft);
  return draft.faults;
}

/** The one command that does a run again. */
export function replayOf(options: RunOptions): string {
  const { scenario, seed, durationMs, fleet = 'processes' } = options;
  const seconds = durationMs === undefined ? '' : ` --seconds ${durationMs / 1_000}`;
  const kind = fleet === 'processes' ? '' : ` --${fleet}`;
  return `npm run chaos -- --fault ${scenario} --seed ${seed}${seconds}${kind}`;
}
