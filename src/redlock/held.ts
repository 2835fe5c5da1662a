import type { Clock } from '../base/clock.ts';
import type { LockMode } from '../base/diagnostics.ts';
import type { WaitQueues } from '../waiting/wait-queues.ts';

/** A lock that a Redlock holds. */
export interface HeldLock {
  readonly resources: readonly string[];
  /** `exclusive`: alone. `shared`: a read lock. `semaphore`: a permit. */
  readonly mode: LockMode;
  /** The fencing token of the caller that has it now; undefined with `fencing: false`, and between two callers. */
  readonly token: number | undefined;
  /** When this process got it, in milliseconds since the epoch, by this machine's clock. */
  readonly since: number;
  /** Milliseconds that are left of its validity if it is not extended. */
  readonly remainingValidity: number;
}

/** A caller of a Redlock that waits for a lock. */
export interface WaitingCaller {
  readonly resources: readonly string[];
  readonly mode: LockMode;
  /** When it called `acquire`, in milliseconds since the epoch, by this machine's clock. */
  readonly since: number;
  /** For how long it waits, in milliseconds; Infinity if the number of its attempts is bounded instead. */
  readonly waitTime: number;
}

/** What a Redlock holds and waits for. */
export interface Held {
  /** The name that other programs see, see the option `owner`. */
  readonly owner: string;
  /** The longest held first. */
  readonly locks: readonly HeldLock[];
  /** Those that have waited longest first. A caller whose first attempt is under way may be missing. */
  readonly waiting: readonly WaitingCaller[];
}

export function heldBy(owner: string, waitQueues: WaitQueues, clock: Clock): Held {
  const epochMs = clock.wall() - clock.uptime();
  const locks = Array.from(waitQueues.held(), ({ lease, mode }): HeldLock => {
    const { resources, token } = lease;
    const since = clock.wall() - lease.ageMs;
    return { resources, mode, token, since, remainingValidity: lease.remainingMs() };
  });
  const waiting = Array.from(waitQueues.callers(), ({ request, calledAt, mode }): WaitingCaller => {
    const { resources, waitTime } = request;
    return { resources, mode, since: epochMs + calledAt.uptime, waitTime };
  });
  const bySince = (a: { readonly since: number }, b: { readonly since: number }) => a.since - b.since;
  return { owner, locks: locks.sort(bySince), waiting: waiting.sort(bySince) };
}
