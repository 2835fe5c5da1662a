import type { NodeVote, Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { Operation } from '../wire/operation.ts';
import { type Decision, tally } from './tally.ts';

/** The result of a round. */
export interface RoundResult {
  readonly decision: Exclude<Decision, 'undecided'>;
  /** One vote a node, in the order of the node list. */
  readonly votes: readonly NodeVote[];
}

/** When a round ends. None waits for nodes that are known to be silent once all others have voted. */
export type RoundEnd =
  /** As soon as its outcome is certain. */
  | 'outcome'
  /** As soon as it is won, or when every node has voted: a caller that is going to wait needs all of it. */
  | 'victory'
  /** When every node has voted. */
  | 'all';

const NONE: ReadonlySet<number> = new Set();

/**
 * Asks all nodes the same thing at the same time, and counts.
 *
 * Resolves, never rejects, at the latest when `timeoutMs` has passed: every node replies or fails within it. Votes that
 * come after the end do not count. A majority that could only be reached with silent nodes is not waited for: meanwhile
 * the other votes would keep every attempt from winning.
 *
 * @param already nodes that count as granted without being asked again, by their index
 */
export function askAll(
  nodes: readonly Node[],
  operation: Operation,
  timeoutMs: number,
  end: RoundEnd,
  already: ReadonlySet<number> = NONE,
): Promise<RoundResult> {
  return new Promise((resolve) => {
    const votes: NodeVote[] = nodes.map(({ pending }) => pending);
    let granted = already.size;
    let refused = 0;
    let over = false;

    const isAwaited = (node: Node, index: number) =>
      votes[index]?.outcome === 'pending' && !already.has(index) && !node.isSilent;

    const count = (reply: Reply, latencyMs: number, index: number) => {
      const pending = votes[index];
      if (pending === undefined || over) return;
      votes[index] = { node: pending.node, latencyMs, ...reply };
      if (reply.outcome === 'granted') granted += 1;
      else refused += 1;
      const decision = tally(nodes.length, granted, refused);
      const mayEndEarly =
        (end === 'outcome' && decision !== 'undecided') || (end !== 'all' && decision === 'won');
      if (!mayEndEarly && nodes.some(isAwaited)) return;
      over = true;
      if (granted + refused < nodes.length) explainSilence();
      resolve({ decision: decision === 'won' ? 'won' : 'lost', votes });
    };

    /** Gives the nodes that have not voted their known reason. */
    const explainSilence = () => {
      nodes.forEach((pending, at) => {
        const obstacle = pending.obstacle;
        if (votes[at]?.outcome !== 'pending' || already.has(at) || obstacle === undefined) return;
        votes[at] = { node: pending.address, latencyMs: undefined, ...obstacle };
      });
    };

    nodes.forEach((node, index) => {
      if (!already.has(index)) node.submit(operation, timeoutMs, count, index);
    });
  });
}
