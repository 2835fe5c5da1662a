import type { NodeVote } from '../base/vote.ts';
import { majorityOf } from '../quorum/tally.ts';

/** What a release came to. */
export interface ReleaseReport {
  /** Whether a majority of nodes has confirmed that this lock's keys are gone, so that others can lock at once. */
  readonly freed: boolean;
  /**
   * What each node said: `granted` = given back, `missing` = it had expired there, `held` = it is somebody
   * else's by now, `failed` = unknown; such a node is asked again in the background. `pending` = not waited for: the next
   * caller of this process is taking the lock over there.
   */
  readonly votes: readonly NodeVote[];
}

export function reportOf(votes: readonly NodeVote[]): ReleaseReport {
  const gone = votes.filter(({ outcome }) => outcome === 'granted' || isDenial(outcome)).length;
  return { freed: gone >= majorityOf(votes.length), votes };
}

/** Whether a node said that the holder does not hold the lock there. */
export function isDenial(outcome: NodeVote['outcome']): boolean {
  return outcome === 'held' || outcome === 'missing' || outcome === 'superseded';
}
