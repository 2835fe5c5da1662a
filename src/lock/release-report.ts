import type { NodeVote } from '../base/vote.ts';
import type { RoundResult } from '../quorum/round.ts';

/** The outcome of a release. */
export interface ReleaseReport {
  /**
   * Whether nothing of this lock keeps others out any more. Either a majority of nodes has confirmed that its keys
   * are gone, or the lock was handed over.
   */
  readonly freed: boolean;
  /** Whether the next caller of this process has the lock now, or the process that adopts it. No node was asked then. */
  readonly handedOver: boolean;
  /**
   * The vote of each node. `granted`: released. `missing`: it had expired there. `held`: another client has it by
   * now. `pending`: the node is asked, and its answer changes nothing. `failed`: unknown, and the node is asked again
   * in the background. Empty where the lock was handed over.
   */
  readonly votes: readonly NodeVote[];
}

export const HANDED_OVER: Promise<ReleaseReport> = Promise.resolve({
  freed: true,
  handedOver: true,
  votes: [],
});

/** The report of a lock that was handed over to another process: not the one above, so that they can be told apart. */
export const GIVEN_AWAY: Promise<ReleaseReport> = HANDED_OVER.then((report) => report);

export function reportOf({ decision, votes }: RoundResult): ReleaseReport {
  return { freed: decision === 'won', handedOver: false, votes };
}

/** Whether a release handed the lock over at a node, to a waiter of whatever process. */
export function hasNotified(votes: readonly NodeVote[]): boolean {
  for (const vote of votes) if ('notified' in vote && vote.notified === true) return true;
  return false;
}
