import type { Overlap } from '../../../src/testing/checkers/overlaps.ts';
import { type Checks, checkAttempts, describeChecks, type HeldInterval } from '../checks.ts';
import type { Attempt } from '../record.ts';
import { describeMix } from './mix.ts';
import type { Findings } from './run.ts';

/** A promise that a run broke, and how. */
export interface Violation {
  readonly promise:
    | 'exclusion'
    | 'permits'
    | 'token order'
    | 'extension order'
    | 'waitTime'
    | 'updates'
    | 'handles'
    | 'liveness'
    | 'memory'
    | 'calm';
  readonly what: string;
}

const MOST_DETAILS = 2;

/** A call is over so soon after its waitTime, if its machine runs all the time. */
const IN_TIME_MS = 100;

/** Beyond the assumptions no lease has two holders at once, and the tokens of leases grow, unless nodes forget. */
export function checksOf({ attempts, mix: { turns, permits } }: Findings): Checks {
  const isBeyond = turns?.weather === 'beyond';
  const checks = checkAttempts(attempts, permits, isBeyond ? 'with leases' : 'in real time');
  const areOfOneLease = ({ first, second }: Overlap<HeldInterval>) => first.lease === second.lease;
  const { overlaps, validityOverlaps } = checks;
  return {
    ...checks,
    ...(isBeyond
      ? {
          overlaps: overlaps.filter(areOfOneLease),
          validityOverlaps: validityOverlaps.filter(areOfOneLease),
          crowds: [],
        }
      : {}),
    ...(turns?.isForgetful || turns?.fencing === false ? { tokenFaults: [], lateExtensions: [] } : {}),
  };
}

/** None if everything held. */
export function violationsOf(findings: Findings): readonly Violation[] {
  const { stuck, orphans, timers, keys, left, warnings, incidents, mix } = findings;
  const checks = checksOf(findings);
  const only = (some: Partial<Checks>): Checks => ({
    ...{ overlaps: [], validityOverlaps: [], tokenFaults: [], lateExtensions: [], crowds: [] },
    ...some,
  });
  const violations: Violation[] = [];
  const add = (promise: Violation['promise'], found: Partial<Checks>) => {
    for (const what of describeChecks(only(found), incidents, 0, MOST_DETAILS))
      violations.push({ promise, what });
  };
  add('permits', { crowds: checks.crowds });
  add('exclusion', { overlaps: checks.overlaps, validityOverlaps: checks.validityOverlaps });
  add('token order', { tokenFaults: checks.tokenFaults });
  add('extension order', { lateExtensions: checks.lateExtensions });
  const broken = (promise: Violation['promise'], isBroken: boolean, what: string) => {
    if (isBroken) violations.push({ promise, what });
  };
  for (const { caller, resources, askedAt, settledAt = askedAt, waitTime, refusal = 'granted' } of lateCalls(
    findings,
  )) {
    const late = `${(settledAt - askedAt - waitTime).toFixed(0)} ms late (${refusal})`;
    const call = `${caller} for ${resources.join(', ')} from ${askedAt.toFixed(3)}`;
    broken('waitTime', true, `${late}: ${call}, waitTime ${waitTime.toFixed(0)}`);
  }
  // While nodes lose their memory all the time, or in a second, no lock may be granted before the end.
  broken(
    'liveness',
    findings.locks === 0 && mix.losses === undefined && mix.turns === undefined,
    'no caller ever got a lock',
  );
  broken('liveness', stuck > 0, `${stuck} callers never ended`);
  broken('liveness', left > 0, `${left} machines could get no lock after the last fault`);
  broken('handles', findings.untrue.length > 0, findings.untrue.slice(0, MOST_DETAILS).join('; '));
  broken('updates', findings.lostUpdates > 0, `${findings.lostUpdates} updates lost in spite of the guard`);
  broken('memory', orphans.length > 0, `keys outlived their ttl: ${orphans.join(', ')}`);
  broken('memory', timers > 0, `${timers} timers were left`);
  broken('memory', keys.most > keys.allowed, `a node kept ${keys.most} keys, and not ${keys.allowed}`);
  broken('calm', warnings.length > 0 && mix.losses !== undefined, warnings.slice(0, MOST_DETAILS).join('; '));
  return violations;
}

/** Where messages about markers are late by half a second, so are calls. */
function lateCalls({ attempts, stalls, mix }: Findings): readonly Attempt[] {
  if (mix.losses !== undefined) return [];
  return attempts.filter(
    ({ worker, waitTime, askedAt, settledAt = askedAt }) =>
      waitTime > 0 &&
      settledAt - askedAt - waitTime > IN_TIME_MS &&
      !stalls.get(worker)?.some(({ from, to }) => from <= settledAt && to >= askedAt),
  );
}

/** How often a caller was granted a lock that had asked after another one that got it later. */
export function overtakenOf({ attempts }: Findings): number {
  const latest = new Map<string, number>();
  const granted = attempts
    .flatMap(({ resources, use, askedAt, grant }) =>
      grant === undefined ? [] : { resources, use, askedAt, at: grant.at },
    )
    .sort((a, b) => a.at - b.at);
  let overtaken = 0;
  for (const { resources, use, askedAt } of granted) {
    for (const resource of resources) {
      const key = use === 'permit' ? `permit of ${resource}` : resource;
      const latestRequest = latest.get(key) ?? Number.NEGATIVE_INFINITY;
      if (askedAt < latestRequest) overtaken += 1;
      latest.set(key, Math.max(latestRequest, askedAt));
    }
  }
  return overtaken;
}

/** Why a run failed, and the one command that does it again. */
export function describeFailure({ mix }: Findings, violations: readonly Violation[]): string {
  const { seed, broken, cycles, losses, turns } = mix;
  const choice = broken === 'none' ? '' : ` --break '${broken}'`;
  return [
    ...violations.slice(0, 3).map(({ promise, what }) => `${promise}: ${what}`),
    describeMix(mix),
    losses === undefined && turns === undefined
      ? `The same again: npm run simulate -- --seed ${seed} --cycles ${cycles}${choice} --trace`
      : 'The same again, as the first run of the test: ' +
        `QUORLOCK_SEED=${seed} QUORLOCK_RUNS=1 npx vitest run`,
  ].join('\n');
}
