import type { NodeVote } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { Release } from '../wire/operation.ts';
import { type BallotResult, holdBallot } from './ballot.ts';

/**
 * Gives a lock back at the nodes that may have it still.
 *
 * @param taken what nodes said to another value that took the keys over: where it is `held` by that one by now, or that is
 * `pending`, nothing is to be waited for. The node is asked along with a later call: a command may have been sent twice, or
 * may fail
 */
export async function releaseWhereLeft(
  nodes: readonly Node[],
  release: Release,
  timeoutMs: number,
  taken: readonly NodeVote[],
): Promise<BallotResult> {
  const gone = new Map<number, NodeVote>();
  taken.forEach((vote, index) => {
    if (vote.outcome !== 'held' && vote.outcome !== 'pending') return;
    nodes[index]?.submitLater(release);
    gone.set(index, vote);
  });
  if (gone.size === nodes.length) return { decision: 'lost', votes: taken };
  const { decision, votes } = await holdBallot(nodes, release, timeoutMs, 'everybody', new Set(gone.keys()));
  return { decision, votes: votes.map((vote, index) => gone.get(index) ?? vote) };
}
