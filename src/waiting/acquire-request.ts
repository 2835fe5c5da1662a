import type { AbortSignalLike } from '../base/abort-signal.ts';
import {
  LockExpiredError,
  LockHeldError,
  NoQuorumError,
  NotALockError,
  type OwnHold,
  WaitTimeoutError,
} from '../base/errors.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Attempt } from '../lock/attempts.ts';
import type { ContendOptions } from '../quorum/round.ts';

export type FailedAttempt = Exclude<Attempt, { readonly outcome: 'acquired' }>;

/** The attempts of a call that makes a limited number of them, a pause apart, all of them its own. */
export interface Pace {
  readonly isLeft: boolean;
  readonly isLast: boolean;
  readonly pauseMs: () => number;
}

/** One call of acquire(): the lock that the caller wants, and how long it waits for it. */
export interface AcquireRequest {
  readonly resources: readonly string[];
  readonly ttl: number;
  /** Milliseconds; 0: one attempt. */
  readonly waitTime: number;
  /** Undefined: it is bounded by waitTime. */
  readonly pace?: Pace | undefined;
  /** Ends the wait, with its own reason. */
  readonly signal: AbortSignalLike | undefined;
  /** How many callers can have it at the same time, as this one takes it; undefined: one. */
  readonly permits?: number | undefined;
  /** What this very process holds of it at this moment; undefined: nothing. */
  ownHold(): OwnHold | undefined;
  /** Makes one attempt, with a lock value of its own. */
  attempt(contend?: ContendOptions): Promise<Attempt>;
  /** Whether the call ends, at this moment, because too few nodes can vote: these are their votes. */
  endsInOutage(votes: readonly NodeVote[]): boolean;
}

/** The caller of an attempt has left before it was over. */
export function releaseLate(attempt: Attempt): void {
  if (attempt.outcome === 'acquired') void attempt.lease.releaseOnNodes();
}

/** Whether an attempt failed because too few nodes voted. */
export function isOutage({ outcome }: FailedAttempt): boolean {
  return outcome === 'no-quorum' || outcome === 'not-a-lock';
}

/** Whether a caller that has time left waits on after an attempt. */
export function waitsOn(attempt: FailedAttempt, request: AcquireRequest): boolean {
  return !isOutage(attempt) || !request.endsInOutage(attempt.votes);
}

/** The error of a failed attempt for a caller that does not go on. */
export function failureOf(attempt: FailedAttempt, request: AcquireRequest, elapsedMs: number): Error {
  const { resources, ttl, waitTime } = request;
  const details = { resources, votes: attempt.votes, elapsedMs };
  switch (attempt.outcome) {
    case 'held':
      return waitTime === 0 || request.pace !== undefined
        ? new LockHeldError({ ...details, ownHold: request.ownHold() })
        : new WaitTimeoutError({ ...details, waitTime, ownHold: request.ownHold() });
    case 'expired':
      return new LockExpiredError({ ...details, ttl });
    case 'no-quorum':
      return new NoQuorumError(details);
    case 'not-a-lock':
      return new NotALockError(details);
  }
}
