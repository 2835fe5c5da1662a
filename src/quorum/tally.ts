import type { NodeVote } from '../base/vote.ts';

/** The result of the votes so far. */
export type Decision = 'won' | 'lost' | 'undecided';

/** The smallest number of nodes of which no two sets can be disjoint. Derived from the node list, never set. */
export function majorityOf(nodeCount: number): number {
  return Math.floor(nodeCount / 2) + 1;
}

/**
 * Won as soon as a majority granted; lost as soon as no majority can be reached any more, whatever the nodes
 * that have not voted yet say. Once every node has voted it is one of the two, with an even number of nodes and
 * a tie too.
 *
 * @param refused votes other than granted
 */
export function tally(nodeCount: number, granted: number, refused: number): Decision {
  const majority = majorityOf(nodeCount);
  if (granted >= majority) return 'won';
  if (nodeCount - refused < majority) return 'lost';
  return 'undecided';
}

/** Why a round was lost, judged by what kept it from a majority. */
export type LossReason =
  /** Others hold it, or won it meanwhile. If several attempts have split the votes it can be free again at once. */
  | 'held'
  /** So many nodes gave no vote that no attempt could have won. */
  | 'no-quorum'
  /** As no-quorum, and on some nodes the reason is that the key is not a lock. */
  | 'not-a-lock';

export function lossReasonOf(votes: readonly NodeVote[]): LossReason {
  const foreign = votes.filter(({ outcome }) => outcome === 'foreign').length;
  const silent = votes.filter(({ outcome }) => outcome === 'failed').length + foreign;
  if (votes.length - silent >= majorityOf(votes.length)) return 'held';
  return foreign > 0 ? 'not-a-lock' : 'no-quorum';
}
