import { type Checks, checkAttempts } from '../checks.ts';
import type { Terms } from '../plan.ts';
import type { History } from '../record.ts';
import type { Incident } from './inflictor.ts';
import { type Growth, growthOf, leftoversOf } from './leaks.ts';
import { PERMITS } from './load.ts';
import {
  type Availability,
  availabilityOf,
  type Impairment,
  impairmentsOf,
  type Outage,
  outagesOf,
  PATIENT_MS,
  type Recovery,
  recoveriesOf,
  settled,
  type Waits,
  waitsOf,
} from './outages.ts';
import type { Stall } from './stalls.ts';
import type { Account } from './store/protocol.ts';
import { type RunOptions, scenarioOf } from './terms.ts';
import type { Sample } from './watcher.ts';

/** Once a majority is back, a caller has a lock again within a ttl and this. */
export const RECOVERY_SLACK_MS = 1_000;

/** Everything that a run left. */
export interface Findings {
  readonly options: RunOptions;
  readonly terms: Terms;
  /** What the nodes were. */
  readonly fleet: string;
  readonly startedAt: number;
  readonly endedAt: number;
  readonly history: History;
  readonly incidents: readonly Incident[];
  readonly samples: readonly (readonly Sample[])[];
  readonly accounts: readonly Account[];
  /** When this process stood still, and with it the network between workers and nodes. */
  readonly stalls: readonly Stall[];
  /** Keys of locks that were there when every lock had been given back or had expired. */
  readonly orphans: readonly string[];
  /** What kept the run itself from going as it should. */
  readonly problems: readonly string[];
}

export interface LostUpdates {
  readonly writes: number;
  readonly lost: number;
  readonly outOfOrder: number;
  readonly refused: number;
}

export interface Verdict extends Checks {
  readonly findings: Findings;
  readonly acquisitions: number;
  readonly guarded: LostUpdates;
  readonly unguarded: LostUpdates;
  readonly waits: Waits;
  readonly availability: Availability;
  readonly impairments: readonly Impairment[];
  readonly outages: readonly Outage[];
  readonly recoveries: readonly Recovery[];
  readonly growth: readonly Growth[];
  readonly leftovers: readonly string[];
  /** Promises that were broken; empty if the run holds. */
  readonly broken: readonly string[];
}

export function judge(findings: Findings): Verdict {
  const { options, terms, history, incidents, samples, accounts, stalls } = findings;
  const { promises } = scenarioOf(options);
  const impairments = impairmentsOf(incidents, samples, terms);
  const outages = outagesOf(impairments, terms.nodes);
  const recoveryMs = terms.ttl + RECOVERY_SLACK_MS;
  const withRecovery = outagesOf(settled(impairments), terms.nodes).map(({ from, to }) => ({
    from,
    to: to + recoveryMs,
  }));
  const verdict = {
    findings,
    acquisitions: history.attempts.filter(({ grant }) => grant !== undefined).length,
    ...checkAttempts(history.attempts, PERMITS, promises.exclusion ? 'in real time' : 'with leases'),
    guarded: updatesOf(accounts, 'guarded'),
    unguarded: updatesOf(accounts, 'unguarded'),
    waits: waitsOf(history, withRecovery, recoveryMs, stalls),
    availability: availabilityOf(history, withRecovery, stalls),
    impairments,
    outages,
    recoveries: promises.exclusion ? recoveriesOf(history, outages, stalls) : [],
    growth: growthOf(history),
    leftovers: leftoversOf(history),
  };
  return { ...verdict, broken: brokenOf(verdict) };
}

function updatesOf(accounts: readonly Account[], way: Account['way']): LostUpdates {
  const own = accounts.filter((account) => account.way === way);
  const sum = (of: (account: Account) => number) => own.reduce((total, account) => total + of(account), 0);
  return {
    writes: sum(({ writes }) => writes),
    lost: sum(({ writes, value }) => writes - value),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    refused: sum(({ refused }) => refused),
  };
}

function brokenOf(verdict: Omit<Verdict, 'broken'>): readonly string[] {
  const { findings, guarded, waits, availability } = verdict;
  const { promises } = scenarioOf(findings.options);
  const broken = [...findings.problems];
  const check = (count: number, what: string) => {
    if (count > 0) broken.push(`${count} ${what}`);
  };
  if (verdict.acquisitions === 0) broken.push('no caller ever got a lock');
  if (promises.exclusion) {
    check(verdict.overlaps.length, 'overlaps of holders that acted');
    check(verdict.validityOverlaps.length, 'overlaps of validities');
    check(verdict.crowds.length, 'times more permits than there are');
  }
  if (promises.tokens) {
    check(verdict.tokenFaults.length, 'tokens that were not unique or did not grow');
    check(verdict.lateExtensions.length, 'extensions of locks that a later one had replaced');
    check(guarded.lost, 'updates lost in spite of the guard');
    if (findings.terms.load === 'file') check(verdict.unguarded.lost, 'updates lost');
    check(guarded.outOfOrder, 'guarded writes with a lower token than one before');
  }
  if (promises.calm) check(clockWarningsOf(findings.history), 'warnings of clocks that are right');
  if (promises.expiry)
    check(findings.orphans.length, `keys without an owner: ${findings.orphans.join(', ')}`);
  check(waits.unsettled.length, 'waits that never ended');
  check(waits.late.length, 'waits that ended late');
  if (promises.exclusion) check(waits.starved.length, 'waits that were not served by a lock that was free');
  if (promises.patience)
    check(waits.disappointed.length, `waits of ${PATIENT_MS} ms and more without a lock`);
  if (promises.availability)
    check(availability.failures.length, 'attempts that found no quorum with a majority up');
  for (const { outage, afterMs } of verdict.recoveries) {
    if (afterMs > findings.terms.ttl + RECOVERY_SLACK_MS) {
      broken.push(`no lock until ${Math.round(afterMs)} ms after a majority was back (${outage.what})`);
    }
  }
  check(verdict.leftovers.length, `things left after close: ${verdict.leftovers.join(', ')}`);
  for (const { worker, leaks } of verdict.growth) if (leaks) broken.push(`${worker} needs more and more`);
  return broken;
}

function clockWarningsOf({ workers }: History): number {
  return workers.reduce((sum, { warnings }) => sum + (warnings.get('QUORLOCK_CLOCK') ?? 0), 0);
}
