/** Why a node did not do, or could not be asked to do, an operation. */
export type FailureReason =
  /** No answer within the time that the node had. */
  | 'timeout'
  /** No connection. */
  | 'disconnected'
  /** The operation reached the node after its deadline and was refused there. */
  | 'late'
  /** The node has lost its memory, or is new, and may not vote yet. */
  | 'quarantined'
  /** The node can't be part of this quorum: a replica, the same server as another node, or of another quorum. */
  | 'refused'
  /** The node's clock went wrong, so keys may have expired too early there. */
  | 'clock'
  /** Too many operations are waiting for this node's answer already. */
  | 'overloaded'
  /** The server answered with an error. */
  | 'error'
  /** The library was closed before the node answered. */
  | 'closed';

/** One node's answer to one operation. Durations in milliseconds. */
export type Reply =
  /**
   * The node did the operation. `counter`: the fence counter, 0 without fencing; for a release, how many keys went.
   * `notified`: a release handed the lock over to a waiter. `waiters`: the queue, the first one first, if the operation
   * asked for it. `others`: how many wait behind a waiter that has its lock now.
   */
  | {
      readonly outcome: 'granted';
      readonly counter: number;
      readonly notified?: boolean;
      readonly others?: number;
      readonly waiters?: readonly { readonly member: string; readonly since: number }[];
    }
  /**
   * Another value owns a key, for `remainingTtl` more milliseconds. `rank`: the number of waiters before this one, in one
   * of the `queues` that it is in there. `againMs`: when it is to ask again, so that free keys are kept for it.
   * `holder`: the name that the owner's process gave itself, if its value tells. `isShared`: readers own it.
   * `isBehindWriter`: they do, and a writer that waits goes before another reader. `open`: the slots of the
   * semaphore that are free there, or reserved for this waiter.
   */
  | {
      readonly outcome: 'held';
      readonly remainingTtl: number;
      readonly rank?: number;
      readonly queues?: number;
      readonly againMs?: number;
      readonly holder?: string;
      readonly isShared?: true;
      readonly isBehindWriter?: true;
      readonly open?: readonly number[];
      readonly value?: string;
      readonly counter?: number;
    }
  /** The key is not there. */
  | { readonly outcome: 'missing'; readonly counter?: number; readonly notified?: boolean }
  /** The key exists and is not a lock: of another type, or without an expiry. */
  | { readonly outcome: 'foreign'; readonly type: string }
  /** A later attempt got a higher fencing token. */
  | { readonly outcome: 'superseded'; readonly counter: number }
  /** The node gave no vote. */
  | { readonly outcome: 'failed'; readonly reason: FailureReason; readonly message: string };

/** The vote of one named node. `pending`: the outcome was certain before this node had answered. */
export type NodeVote = (Reply | { readonly outcome: 'pending' }) & {
  /** The node's address. */
  readonly node: string;
  /** From handing the operation to the node until its vote, in milliseconds; undefined while pending. */
  readonly latencyMs: number | undefined;
};

/** Whether a node says that the holder does not hold the lock there. */
export function isDenial(outcome: NodeVote['outcome']): boolean {
  return outcome === 'held' || outcome === 'missing' || outcome === 'superseded';
}

/**
 * The owner that a majority of all nodes names as the holder, or that readers are. Undefined: no owner has a
 * majority.
 */
export function holderOf(votes: readonly NodeVote[]): { readonly owner: string | undefined } | undefined {
  const nodes = new Map<string | undefined, number>();
  for (const vote of votes) {
    if (vote.outcome !== 'held' || (vote.holder === undefined && vote.isShared !== true)) continue;
    nodes.set(vote.holder, (nodes.get(vote.holder) ?? 0) + 1);
  }
  const most = [...nodes].find(([, count]) => count > votes.length / 2);
  return most && { owner: most[0] };
}

/** The longest time for which another value still owns a key, as far as these votes tell. */
export function longestRemainingTtl(votes: readonly NodeVote[]): number | undefined {
  const ttls = votes.flatMap((vote) => (vote.outcome === 'held' ? [vote.remainingTtl] : []));
  return ttls.length === 0 ? undefined : Math.max(...ttls);
}
