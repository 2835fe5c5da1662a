/*
 * All nodes are asked at once, and some of them hang. The naive answer is to wait for all. Then one hung node makes
 * every call as slow as its timeout. So a round ends as soon as its outcome is certain, ties included, and each node
 * has a time of its own to answer.
 */

import { voted } from '../base/diagnostics.ts';
import { isDenial, type NodeVote, type Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { Operation, Waiter } from '../wire/operation.ts';

/** The result of a round. */
export interface RoundResult {
  readonly decision: Exclude<Decision, 'undecided'>;
  /** One vote a node, in the order of the node list. */
  readonly votes: readonly NodeVote[];
  /** Whether a node notified a waiter, of whatever process, that was released for it. */
  readonly notified?: boolean;
}

/** When a round ends. None waits for nodes that are known to be silent once all others have voted. */
export type RoundEnd =
  /** As soon as its outcome is certain. */
  | 'outcome'
  /** As soon as it is won, or when every node has voted: a caller that is going to wait needs all of it. */
  | 'victory'
  /** When every node has voted. */
  | 'all';

/**
 * Asks all nodes the same thing at the same time, and counts. To a release, the answer that there is nothing to
 * release counts as a grant.
 *
 * Resolves, never rejects, at the latest when `timeoutMs` has passed: every node replies or fails within it. Votes that
 * come after the end do not count. A majority that could only be reached with silent nodes is not waited for: meanwhile
 * the other votes would keep every attempt from winning.
 *
 * @param startedAtMs the uptime now, if it is known
 * @param already nodes that count as granted without being asked again, by their index
 */
export function askAll(
  nodes: readonly Node[],
  operation: Operation,
  timeoutMs: number,
  end: RoundEnd,
  startedAtMs?: number,
  already?: ReadonlySet<number>,
): Promise<RoundResult> {
  return new Promise((resolve) => {
    const votes: NodeVote[] = [];
    let granted = already?.size ?? 0;
    let refused = 0;
    let notified = false;
    let over = false;

    const count = (reply: Reply, latencyMs: number, index: number) => {
      const pending = votes[index];
      if (pending === undefined) return;
      if (voted.hasSubscribers) publishVote(pending.node, operation, reply, latencyMs, over);
      if (over) return;
      votes[index] = { node: pending.node, latencyMs, ...reply };
      notified ||= 'notified' in reply && reply.notified === true;
      const isYes = reply.outcome === 'granted' || (operation.kind === 'release' && isDenial(reply.outcome));
      if (isYes) granted += 1;
      else refused += 1;
      const decision = tally(nodes.length, granted, refused);
      const mayEndEarly =
        (end === 'outcome' && decision !== 'undecided') || (end !== 'all' && decision === 'won');
      if (!mayEndEarly && isAnyAwaited(nodes, votes, already)) return;
      over = true;
      if (granted + refused < nodes.length) explainSilence(nodes, votes, already);
      resolve({ decision: decision === 'won' ? 'won' : 'lost', votes, notified });
    };

    for (const node of nodes) votes.push(node.pending);
    let index = 0;
    for (const node of nodes) {
      if (already?.has(index) !== true) node.submit(operation, timeoutMs, count, index, startedAtMs);
      index += 1;
    }
  });
}

function isAnyAwaited(
  nodes: readonly Node[],
  votes: readonly NodeVote[],
  already: ReadonlySet<number> | undefined,
): boolean {
  return nodes.some(
    (node, index) => votes[index]?.outcome === 'pending' && already?.has(index) !== true && !node.isSilent,
  );
}

/** Gives the nodes that have not voted their known reason. */
function explainSilence(
  nodes: readonly Node[],
  votes: NodeVote[],
  already: ReadonlySet<number> | undefined,
): void {
  nodes.forEach(({ address, obstacle }, at) => {
    if (votes[at]?.outcome !== 'pending' || already?.has(at) === true || obstacle === undefined) return;
    votes[at] = { node: address, latencyMs: undefined, ...obstacle };
  });
}

function publishVote(
  node: string,
  { kind }: Operation,
  reply: Reply,
  latencyMs: number,
  late: boolean,
): void {
  const { outcome } = reply;
  const reason = outcome === 'failed' ? reply.reason : undefined;
  voted.publish({ node, operation: kind, outcome, reason, latencyMs, late });
}

/** The result of the votes so far. */
export type Decision = 'won' | 'lost' | 'undecided';

/** The smallest number of nodes of which no two sets can be disjoint. Derived from the node list, never set. */
export function majorityOf(nodeCount: number): number {
  return Math.floor(nodeCount / 2) + 1;
}

/**
 * Won as soon as a majority granted. Lost as soon as no majority can be reached any more, whatever the other nodes
 * will say. Once every node has voted it is one of the two, with an even number of nodes and a tie too.
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
  /** Too few nodes voted for any attempt to win. */
  | 'no-quorum'
  /** As no-quorum, and on some nodes the reason is that the key is not a lock. */
  | 'not-a-lock';

export function lossReasonOf(votes: readonly NodeVote[]): LossReason {
  const foreign = votes.filter(({ outcome }) => outcome === 'foreign').length;
  const silent = votes.filter(({ outcome }) => outcome === 'failed').length + foreign;
  if (votes.length - silent >= majorityOf(votes.length)) return 'held';
  return foreign > 0 ? 'not-a-lock' : 'no-quorum';
}

/** Whether a node was not even asked, because it, or this process, had too much to do already. */
export function wasNeverSent(vote: NodeVote): boolean {
  return vote.outcome === 'failed' && vote.reason === 'overloaded';
}

/** What an attempt carries beside the rest where a caller waits, or where it follows another lock. */
export interface ContendOptions {
  /** The waiter that enters the nodes' queues if this is refused. Undefined: it would not hear notifications. */
  readonly waiter: Waiter | undefined;
  /** Of a share: a lock value of this process whose key the attempt takes over, which is being released. */
  readonly previous?: string | undefined;
  /** Of a permit: the slot to ask for; undefined: any. */
  readonly slot?: number | undefined;
  /** When the caller's waitTime is over, by the uptime: nodes are asked by then, and have little more time to answer. */
  readonly untilMs?: number;
  /** Whether a caller still wants it. If none does when its turn comes, no node is asked. */
  readonly isWanted?: () => boolean;
}
