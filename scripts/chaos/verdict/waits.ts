import type { Attempt, History } from './history.ts';
import type { Interval } from './outages.ts';

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
  /** Waits that ran out of time while nobody had held the lock for long, and a majority was up. */
  readonly starved: readonly Attempt[];
  /** Waits of {@link PATIENT_MS} and more, stalls not counted, and those of them that got no lock. */
  readonly patient: number;
  readonly disappointed: readonly Attempt[];
}

/**
 * @param outages with the time that recovery may take
 * @param idleMs for how long a lock has to be free, for a wait to be called starved
 * @param stalls when nobody got anything through
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

/** When each resource was in the hands of somebody. */
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
