import type { AbortSignalLike } from '../base/abort-signal.ts';
import {
  LockExpiredError,
  LockHeldError,
  NoQuorumError,
  NotALockError,
  OtherSizeError,
  type OwnHold,
  WaitTimeoutError,
} from '../base/errors.ts';
import type { FailureReason, NodeVote } from '../base/vote.ts';
import type { Attempt } from '../lock/attempts.ts';
import { type ContendOptions, tally } from '../quorum/round.ts';

/** An attempt that got no lock. */
export type FailedAttempt = Exclude<Attempt, { readonly outcome: 'acquired' }>;

/** One call of acquire(): the lock that the caller wants, and how long it waits for it. */
export interface AcquireRequest {
  readonly resources: readonly string[];
  readonly ttl: number;
  /** Milliseconds; 0: one attempt. */
  readonly waitTime: number;
  /** Ends the wait, with its own reason. */
  readonly signal: AbortSignalLike | undefined;
  /** Of a semaphore: how many permits the caller takes it to have. */
  readonly permits?: number | undefined;
  /** What this very process holds of it at this moment; undefined: nothing. */
  ownHold(): OwnHold | undefined;
  /** Makes one attempt, with a lock value of its own. */
  attempt(contend?: ContendOptions): Promise<Attempt>;
  /** Whether, within this many milliseconds, a majority of nodes votes and owes no answer. */
  nodesAnswer(withinMs: number): Promise<boolean>;
}

/** How long a majority that was too slow for nodeTimeout gets to show that it is slow, and not gone. */
const SLOW_NODES_GRACE_MS = 40;

/** Whether another attempt may end better than this one, as far as the nodes' health is concerned. */
export async function isWorthATry(
  { outcome, votes }: FailedAttempt,
  request: AcquireRequest,
): Promise<boolean> {
  switch (outcome) {
    case 'held':
    case 'expired':
      return true;
    case 'no-quorum':
      return couldBeSlow(votes) && request.nodesAnswer(SLOW_NODES_GRACE_MS);
    case 'not-a-lock':
      return false;
  }
}

/** Whether a majority would have voted if the nodes that were too late had been in time. */
function couldBeSlow(votes: readonly NodeVote[]): boolean {
  const out = votes.filter(
    (vote) => vote.outcome === 'foreign' || (vote.outcome === 'failed' && !isLateness(vote.reason)),
  );
  return tally(votes.length, 0, out.length) === 'undecided';
}

function isLateness(reason: FailureReason): boolean {
  return reason === 'timeout' || reason === 'late' || reason === 'overloaded';
}

/** The error of a failed attempt for a caller that does not go on. */
export function failureOf(attempt: FailedAttempt, request: AcquireRequest, elapsedMs: number): Error {
  const { resources, ttl, waitTime, permits } = request;
  const details = { resources, votes: attempt.votes, elapsedMs };
  switch (attempt.outcome) {
    case 'held':
      return waitTime === 0
        ? new LockHeldError({ ...details, ownHold: request.ownHold() })
        : new WaitTimeoutError({ ...details, waitTime, ownHold: request.ownHold() });
    case 'expired':
      return new LockExpiredError({ ...details, ttl });
    case 'no-quorum':
      return new NoQuorumError(details);
    case 'not-a-lock':
      return permits !== undefined && attempt.votes.some(isOfOtherSize)
        ? new OtherSizeError({ ...details, permits })
        : new NotALockError(details);
  }
}

/** Whether a node knows a semaphore of another size, see `wire/lua/permit.lua`. */
function isOfOtherSize(vote: NodeVote): boolean {
  return vote.outcome === 'foreign' && vote.type.startsWith('a semaphore of ');
}
