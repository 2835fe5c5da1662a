import { impairs, isNodeFault, SETTLING_MS, type Terms, untilVotingMs } from '../plan.ts';
import type { Attempt, History } from '../record.ts';
import type { Incident } from './inflictor.ts';
import type { Sample } from './watcher.ts';

interface Interval {
  readonly from: number;
  readonly to: number;
}

/** A time in which no majority of nodes could vote. */
export interface Outage extends Interval {
  /** What led to it, in words. */
  readonly what: string;
}

/** When each node could not be counted on. */
export interface Impairment extends Interval {
  readonly node: number;
  readonly what: string;
}

/** From the beginning of a fault until the node was seen to vote again after its end. */
export function impairmentsOf(
  incidents: readonly Incident[],
  samples: readonly (readonly Sample[])[],
  lock: Terms,
): readonly Impairment[] {
  return incidents.flatMap(({ from, to, fault, what }) => {
    if (!isNodeFault(fault) || !impairs(fault, lock.nodeTimeout)) return [];
    // A client that saw the clock go wrong does not believe the node for as long as one that forgot.
    const distrustMs = fault.kind === 'step' || fault.kind === 'rate' ? untilVotingMs(lock) : 0;
    return fault.nodes.map((node) => ({
      node,
      from,
      to: Math.max(to + distrustMs, votesAgainAt(samples[node] ?? [], to)),
      what,
    }));
  });
}

function votesAgainAt(samples: readonly Sample[], from: number): number {
  return samples.find(({ at, state }) => at >= from && state === 'voting')?.at ?? Number.POSITIVE_INFINITY;
}

/** Times in which fewer than a majority were able to vote. */
export function outagesOf(impairments: readonly Impairment[], nodeCount: number): readonly Outage[] {
  const majority = Math.floor(nodeCount / 2) + 1;
  const moments = [...new Set(impairments.map(({ from }) => from))].sort((a, b) => a - b);
  const outages: Outage[] = [];
  for (const from of moments) {
    if (from < (outages.at(-1)?.to ?? Number.NEGATIVE_INFINITY)) continue;
    let end = from;
    let causes: readonly Impairment[] = [];
    // On to the next moment at which enough of them are back.
    for (;;) {
      const out = impairments.filter((each) => each.from <= end && each.to > end);
      const nodes = new Set(out.map(({ node }) => node));
      if (nodeCount - nodes.size >= majority) break;
      if (causes.length === 0) causes = out;
      end = Math.min(...out.map(({ to }) => to));
      if (end === Number.POSITIVE_INFINITY) break;
    }
    if (end > from)
      outages.push({ from, to: end, what: [...new Set(causes.map(({ what }) => what))].join('; ') });
  }
  return outages;
}

/** The same with the time that connections take after it, in which a node may be missed still. */
export function settled(impairments: readonly Impairment[]): readonly Impairment[] {
  return impairments.map((each) => ({ ...each, to: each.to + SETTLING_MS }));
}

/** Refusals that are for want of nodes, and not because of another holder. */
const UNSERVED = new Set(['QUORLOCK_NO_QUORUM', 'QUORLOCK_EXPIRED']);

/** A process asks that soon, if one is there. */
const ASKED_WITHIN_MS = 500;

export interface Availability {
  /** Attempts through all of which a majority was up, by processes that could run. */
  readonly attempts: number;
  /** Of these, how many were granted, or told that another caller has the lock. */
  readonly served: number;
  /** Attempts that are not counted because their process stood still meanwhile. */
  readonly stalled: number;
  readonly failures: readonly Attempt[];
}

/**
 * @param outages with the time that recovery may take
 * @param stalls when no process got anything through
 */
export function availabilityOf(
  history: History,
  outages: readonly Interval[],
  stalls: readonly Interval[],
): Availability {
  const stallsOf = new Map(history.workers.map(({ worker, stalls }) => [worker, stalls]));
  let attempts = 0;
  let stalled = 0;
  const failures: Attempt[] = [];
  for (const attempt of history.attempts) {
    const { askedAt, settledAt, refusal, worker } = attempt;
    // Who was killed got no answer.
    if (settledAt === undefined || refusal === 'aborted') continue;
    const span = { from: askedAt, to: settledAt };
    if (outages.some((outage) => meet(outage, span))) continue;
    if ([...stalls, ...(stallsOf.get(worker) ?? [])].some((stall) => meet(stall, span))) {
      stalled += 1;
      continue;
    }
    attempts += 1;
    if (refusal !== undefined && UNSERVED.has(refusal)) failures.push(attempt);
  }
  return { attempts, served: attempts - failures.length, stalled, failures };
}

/** How long it took, once a majority was back, until a caller was granted a lock or the run ended. */
export interface Recovery {
  readonly outage: Outage;
  readonly afterMs: number;
}

/** Outages after which no process asked are left out, and those that ended in a stall. */
export function recoveriesOf(
  { attempts }: History,
  outages: readonly Outage[],
  stalls: readonly Interval[],
): readonly Recovery[] {
  const grants = attempts.flatMap(({ grant }) => grant?.at ?? []).sort((a, b) => a - b);
  const lastAsked = attempts.at(-1)?.askedAt ?? 0;
  const lastSeen = Math.max(0, ...attempts.map(({ askedAt, settledAt = askedAt }) => settledAt));
  return outages.flatMap((outage) => {
    if (outage.to > lastAsked) return [];
    const next = grants.find((at) => at >= outage.to);
    const recovery = { from: outage.to, to: next ?? lastSeen };
    // Who stood still, or was dead, can't have been served.
    const hasAsked = attempts.some(
      ({ askedAt, settledAt }) =>
        settledAt !== undefined && askedAt >= outage.to && askedAt < outage.to + ASKED_WITHIN_MS,
    );
    if (!hasAsked || stalls.some((stall) => meet(stall, recovery))) return [];
    return [{ outage, afterMs: recovery.to - recovery.from }];
  });
}

function meet(a: Interval, b: Interval): boolean {
  return a.from <= b.to && b.from <= a.to;
}

/**
 * A wait settles so soon after its waitTime: a process that has just begun takes up to connectTimeout, 1 000 ms, for its
 * first connections, and what was sent by then is answered or given up.
 */
const LATE_MS = 2_500;

/** Where patience is promised, a call that waits for so long gets a lock. */
export const PATIENT_MS = 2_000;

export interface Waits {
  readonly count: number;
  readonly granted: number;
  /** Waits that never came to an end, though the process did in good order. */
  readonly unsettled: readonly Attempt[];
  /** Waits that came to an end long after their time. */
  readonly late: readonly Attempt[];
  /** Waits that ran out of time while no caller had held the lock for long, and a majority was up. */
  readonly starved: readonly Attempt[];
  /** Waits of {@link PATIENT_MS} and more, stalls not counted, and those of them that got no lock. */
  readonly patient: number;
  readonly disappointed: readonly Attempt[];
}

/**
 * @param outages with the time that recovery may take
 * @param idleMs for how long a lock has to be free, for a wait to be called starved
 * @param stalls when no process got anything through
 */
export function waitsOf(
  history: History,
  outages: readonly Interval[],
  idleMs: number,
  stalls: readonly Interval[] = [],
): Waits {
  const workers = new Map(history.workers.map((each) => [each.worker, each]));
  const waits = history.attempts.filter(({ way }) => way === 'wait' || way === 'using');
  const held = heldTimes(history.attempts);
  const lostTo = (those: readonly Interval[], { askedAt, settledAt = askedAt }: Attempt) =>
    those
      .filter(({ from, to }) => from < settledAt && to > askedAt)
      .reduce((sum, { from, to }) => sum + to - from, 0);
  const stalledMs = (wait: Attempt) => lostTo(workers.get(wait.worker)?.stalls ?? [], wait);
  const patient = waits.filter(
    (wait) =>
      wait.settledAt !== undefined &&
      wait.refusal !== 'aborted' &&
      wait.waitTime - stalledMs(wait) - lostTo(stalls, wait) >= PATIENT_MS,
  );
  return {
    count: waits.length,
    granted: waits.filter(({ grant }) => grant !== undefined).length,
    unsettled: waits.filter(
      ({ worker, settledAt }) => settledAt === undefined && workers.get(worker)?.left !== undefined,
    ),
    late: waits.filter((wait) => {
      const { askedAt, settledAt, waitTime } = wait;
      return settledAt !== undefined && settledAt - askedAt > waitTime + LATE_MS + stalledMs(wait);
    }),
    starved: waits.filter((wait) => {
      const { askedAt, settledAt, refusal, resources } = wait;
      if (refusal !== 'QUORLOCK_WAIT_TIMEOUT' || settledAt === undefined) return false;
      const idle = { from: settledAt - idleMs, to: settledAt };
      if (idle.from < askedAt || stalledMs(wait) > 0) return false;
      if (outages.some((outage) => outage.from < idle.to && outage.to > idle.from)) return false;
      return !resources.some((resource) =>
        held.get(resource)?.some(({ from, to }) => from < idle.to && to > idle.from),
      );
    }),
    patient: patient.length,
    disappointed: patient.filter(({ grant }) => grant === undefined),
  };
}

/** When each resource was held. */
function heldTimes(attempts: readonly Attempt[]): ReadonlyMap<string, readonly Interval[]> {
  const times = new Map<string, Interval[]>();
  for (const { resources, grant } of attempts) {
    if (grant === undefined) continue;
    const time = { from: grant.at, to: Math.max(grant.validUntil, grant.ended?.at ?? 0) };
    for (const resource of resources) {
      const list = times.get(resource);
      if (list === undefined) times.set(resource, [time]);
      else list.push(time);
    }
  }
  return times;
}
