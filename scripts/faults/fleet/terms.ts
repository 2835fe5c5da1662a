import { Rng } from '../../../src/testing/rng.ts';
import type { Defect } from '../defects.ts';
import { type Ability, Draft, type Fault, type Scenario, type Terms } from '../plan.ts';
import { SAFETY, SCENARIOS } from '../scenarios.ts';
import type { FleetKind } from './masters/start.ts';

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
  readonly defects?: readonly Defect[];
}

/** Long enough for what takes place in it on a busy machine, and no longer: a quarantine takes as long as maxTtl. */
const USUAL_TERMS: Omit<Terms, 'durationMs'> = {
  nodes: 5,
  clocks: [],
  workers: 4,
  callersPerWorker: 2,
  load: 'store',
  isBrief: false,
  resources: ['orders', 'stock', 'ledger'],
  ttl: 1_000,
  maxTtl: 1_200,
  nodeTimeout: 250,
  quarantine: 'auto',
  defects: [],
};

/** @throws {RangeError} there is no such scenario */
export function scenarioOf({ scenario: name }: Pick<RunOptions, 'scenario'>): Scenario {
  const scenario = SCENARIOS[name];
  if (scenario === undefined) throw new RangeError(`there is no scenario ${JSON.stringify(name)}`);
  return scenario;
}

/** Everything that is settled before a run: the same for the same options. */
export function termsOf(options: RunOptions): Terms {
  const { durationMs, terms } = scenarioOf(options);
  const own = { ...USUAL_TERMS, durationMs, ...terms?.(Rng.ofSeed(options.seed)) };
  const { durationMs: chosenMs = own.durationMs, defects = own.defects } = options;
  return { ...own, durationMs: chosenMs, defects };
}

/** The faults of a run: the same for the same options on the same kind of fleet. */
export function planOf(options: RunOptions, abilities: ReadonlySet<Ability>): readonly Fault[] {
  const draft = new Draft(termsOf(options), options.seed, abilities);
  scenarioOf(options).draw(draft);
  return draft.faults;
}

/** The one command that does a run again. */
export function replayOf(options: RunOptions): string {
  const { scenario, seed, durationMs, fleet = 'processes' } = options;
  if (Object.hasOwn(SAFETY, scenario)) return `npm run soak -- --mode ${scenario} --seed ${seed} --runs 1`;
  const seconds = durationMs === undefined ? '' : ` --seconds ${durationMs / 1_000}`;
  const kind = fleet === 'processes' ? '' : ` --${fleet}`;
  return `npm run chaos -- --fault ${scenario} --seed ${seed}${seconds}${kind}`;
}
