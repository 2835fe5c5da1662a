import { ownerIn } from '../base/owner.ts';
import type { NodeVote } from '../base/vote.ts';

/** A process that waits for a lock; one of its wait queues speaks for all its callers. */
export interface QueuedProcess {
  /** The name of its Redlock: the values of its locks begin with it. */
  readonly process: string;
  /** The owner of that Redlock; undefined if its version names none. */
  readonly owner: string | undefined;
  /** When the first of its callers called `acquire`, in milliseconds since the epoch, by the nodes' clocks. */
  readonly since: number;
  /** How many nodes have it in their queue. */
  readonly nodes: number;
  /** Whether it is the very Redlock that was asked. */
  readonly isOwn: boolean;
}

/** The waiters of a resource. */
export interface Queue {
  readonly resource: string;
  /** How many callers of this Redlock wait for this resource, be it alone or with others. */
  readonly callers: number;
  /** First come first, without the one that has just been notified. At most a hundred a node. */
  readonly processes: readonly QueuedProcess[];
  /** How many nodes did not answer. */
  readonly unknown: number;
}

export function queueOf(
  resource: string,
  votes: readonly NodeVote[],
  own: { readonly process: string; readonly callers: number },
): Queue {
  const nodes = new Map<string, { since: number; nodes: number }>();
  let unknown = 0;
  for (const vote of votes) {
    if (vote.outcome !== 'granted' || vote.waiters === undefined) {
      unknown += 1;
      continue;
    }
    for (const { member, since } of vote.waiters) {
      const known = nodes.get(member) ?? { since, nodes: 0 };
      nodes.set(member, { since: Math.min(known.since, since), nodes: known.nodes + 1 });
    }
  }
  const processes = [...nodes].map(([member, { since, nodes: count }]) => {
    const process = member.slice(0, Math.max(0, member.lastIndexOf('.')));
    const isOwn = process === own.process;
    return { process, owner: ownerIn(member), since: since / 1_000, nodes: count, isOwn };
  });
  return { resource, callers: own.callers, processes: processes.sort((a, b) => a.since - b.since), unknown };
}
