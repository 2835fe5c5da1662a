import { ownerIn } from '../base/owner.ts';
import type { FailureReason, NodeVote } from '../base/vote.ts';
import { isShared, waiterOf } from '../quorum/fencing-token.ts';
import { majorityOf } from '../quorum/round.ts';

/** What one node knows of a lock. Durations in milliseconds. */
export type NodeInspection = { readonly node: string } & (
  | {
      readonly state: 'held';
      readonly value: string;
      /** The name that the holder's process gave itself; undefined if the value does not tell. */
      readonly owner: string | undefined;
      readonly remainingTtl: number;
      /** The fence counter of the node, the highest token of the last lease: at or above that of the holder; 0 if there is none. */
      readonly counter: number;
    }
  /** Readers share it, the last of them for `remainingTtl` more. */
  | { readonly state: 'shared'; readonly remainingTtl: number }
  | { readonly state: 'free' }
  /**
   * It has no owner. For `remainingTtl` more it is reserved for a waiter: `for` is the waiter's name in the queue, and
   * `owner` the name of its process.
   */
  | {
      readonly state: 'kept';
      readonly for: string;
      readonly owner: string | undefined;
      readonly remainingTtl: number;
    }
  /** The key exists and is not a lock. */
  | { readonly state: 'not-a-lock'; readonly type: string }
  /** The node could not be asked: it may hold the key or not. */
  | { readonly state: 'unknown'; readonly reason: FailureReason; readonly message: string }
);

/** A reader that shares a lock. */
export interface InspectedReader {
  /** The name that its process gave itself; undefined if its value does not tell. */
  readonly owner: string | undefined;
  /** How many nodes know it. */
  readonly nodes: number;
  /** Milliseconds until a node forgets it if it does not extend its share, at the latest. */
  readonly remainingTtl: number;
}

/** What a quorum knew of a lock when it was asked. Only a caller that holds the lock knows what is true now. */
export interface Inspection {
  readonly resource: string;
  /** The lock's key on every node. */
  readonly key: string;
  /**
   * `held`: a majority has it under one value. `shared`: a majority has it for readers. `free`: a majority has nothing.
   * `not-a-lock`: a majority has something else under its key. `contended`: no value has a majority, and several have,
   * or are to have, some nodes. `unknown`: too few nodes answered to tell, so do not take it for free.
   */
  readonly state: 'held' | 'shared' | 'free' | 'not-a-lock' | 'contended' | 'unknown';
  /** The value that holds a majority; undefined unless `held`. */
  readonly value: string | undefined;
  /** The name that the holder's process gave itself; undefined unless `held`, and if the value does not tell. */
  readonly owner: string | undefined;
  /** Milliseconds until that majority ends if its holder does not extend it; undefined unless `held` or `shared`. */
  readonly remainingTtl: number | undefined;
  /** Those that share it, at most a hundred a node, the last to end first; empty unless `shared`. */
  readonly readers: readonly InspectedReader[];
  readonly nodes: readonly NodeInspection[];
}

/** The readers that the nodes know, at a moment of the nodes' time. */
export function readersIn(votes: readonly NodeVote[], nowMs: number): readonly InspectedReader[] {
  const readers = new Map<string, InspectedReader>();
  for (const vote of votes) {
    const sharers = vote.outcome === 'granted' ? (vote.waiters ?? []) : [];
    for (const { member, since: endsAtMs } of sharers) {
      const { nodes, remainingTtl } = readers.get(member) ?? { nodes: 0, remainingTtl: 0 };
      if (endsAtMs <= nowMs) continue;
      readers.set(member, {
        owner: ownerIn(member),
        nodes: nodes + 1,
        remainingTtl: Math.max(remainingTtl, endsAtMs - nowMs),
      });
    }
  }
  return [...readers.values()].sort((a, b) => b.remainingTtl - a.remainingTtl);
}

export function inspectionOf(
  resource: string,
  key: string,
  votes: readonly NodeVote[],
  readers: readonly InspectedReader[],
): Inspection {
  const nodes = votes.map(inspectNode);
  const majority = majorityOf(nodes.length);
  const none = { value: undefined, owner: undefined, remainingTtl: undefined, readers: [] };
  const seen = { resource, key, ...none, nodes };
  const ttls = new Map<string, number[]>();
  const shares: number[] = [];
  const count = (of: NodeInspection['state']) => nodes.filter(({ state }) => state === of).length;
  const [free, foreign, unknown] = [count('free'), count('not-a-lock'), count('unknown')];
  for (const node of nodes) {
    if (node.state === 'held') ttls.set(node.value, [...(ttls.get(node.value) ?? []), node.remainingTtl]);
    else if (node.state === 'shared') shares.push(node.remainingTtl);
  }
  const untilMajorityEnds = (remaining: number[]) => remaining.sort((a, b) => b - a)[majority - 1];
  for (const [value, remaining] of ttls) {
    if (remaining.length < majority) continue;
    const remainingTtl = untilMajorityEnds(remaining);
    return { ...seen, state: 'held', value, owner: ownerIn(value), remainingTtl };
  }
  if (shares.length >= majority)
    return { ...seen, state: 'shared', readers, remainingTtl: untilMajorityEnds(shares) };
  const most = Math.max(shares.length, free, foreign, ...[...ttls.values()].map(({ length }) => length));
  const state = () => {
    if (free >= majority) return 'free';
    if (foreign >= majority) return 'not-a-lock';
    return most + unknown >= majority ? 'unknown' : 'contended';
  };
  return { ...seen, state: state() };
}

function inspectNode(vote: NodeVote): NodeInspection {
  const { node } = vote;
  switch (vote.outcome) {
    case 'held': {
      const { value = '', remainingTtl, counter = 0 } = vote;
      const waiter = waiterOf(value);
      if (waiter !== undefined)
        return { node, state: 'kept', for: waiter, owner: ownerIn(waiter), remainingTtl };
      if (isShared(value)) return { node, state: 'shared', remainingTtl };
      return { node, state: 'held', value, owner: ownerIn(value), remainingTtl, counter };
    }
    case 'missing':
      return { node, state: 'free' };
    case 'foreign':
      return { node, state: 'not-a-lock', type: vote.type };
    case 'failed':
      return { node, state: 'unknown', reason: vote.reason, message: vote.message };
    case 'granted':
    case 'superseded':
    case 'pending':
      return { node, state: 'unknown', reason: 'timeout', message: 'it has not answered for a while' };
  }
}
