import type { Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { LockKeys, Operation } from '../wire/operation.ts';
import { waiterOf } from './fencing-token.ts';

export interface SpotCheck {
  readonly target: LockKeys;
  /** In [0, 1): chooses among the nodes that vote and answer. */
  readonly fraction: number;
  readonly timeoutMs: number;
}

/** A reservation with less time left than this (a part of the grace, or milliseconds) was made about a grace ago. */
const LAST = { part: 0.3, ms: 15 } as const;

/** What has become of a released lock of which waiters were notified. */
export interface HandOver {
  /**
   * `open`: a key is free and awaited, or there was no answer. `under way`: a waiter was notified a moment ago. `over`: every
   * key is taken, not wanted, or kept by a waiter that has come.
   */
  readonly state: 'open' | 'under way' | 'over';
  /** The waiters that were notified and have not come. */
  readonly hung: ReadonlySet<string>;
}

/** Asks one node what has become of a released lock. `graceMs`: how long a notified waiter has to come. */
export async function handOverAt(
  nodes: readonly Node[],
  check: SpotCheck,
  graceMs: number,
): Promise<HandOver> {
  const lastMs = Math.min(graceMs * LAST.part, LAST.ms);
  const hung = new Set<string>();
  let isUnderWay = false;
  const statuses = await checkOneNode(nodes, check);
  let isOpen = statuses.length === 0;
  for (const { owner, queue } of statuses) {
    if (queue.outcome === 'granted' && queue.waiters?.length === 0) continue;
    if (owner.outcome !== 'held') {
      isOpen = true;
      continue;
    }
    const waiter = waiterOf(owner.value ?? '');
    if (waiter === undefined) continue;
    if (owner.remainingTtl <= lastMs) hung.add(waiter);
    else if (owner.remainingTtl <= graceMs) isUnderWay = true;
  }
  return { state: isOpen ? 'open' : isUnderWay || hung.size > 0 ? 'under way' : 'over', hung };
}

/**
 * Asks one node whether another value owns a key that the waiter is queued for, among the first hundred. False if it
 * does not say so.
 */
export async function isInQueue(nodes: readonly Node[], check: SpotCheck, member: string): Promise<boolean> {
  const statuses = await checkOneNode(nodes, check);
  return statuses.some(
    ({ owner, queue }) =>
      owner.outcome === 'held' &&
      queue.outcome === 'granted' &&
      queue.waiters?.some((waiter) => waiter.member === member) === true,
  );
}

/** What one node says of each lock key, in one call: its owner and its waiters. Empty where no node would answer. */
async function checkOneNode(
  nodes: readonly Node[],
  { target, fraction, timeoutMs }: SpotCheck,
): Promise<readonly { readonly owner: Reply; readonly queue: Reply }[]> {
  const voting = nodes.filter((node) => node.isVoting && !node.isSilent);
  const node = voting[Math.floor(fraction * voting.length)];
  if (node === undefined) return [];
  const ask = (operation: Operation) =>
    new Promise<Reply>((resolve) => {
      node.submit(operation, timeoutMs, resolve);
    });
  return await Promise.all(
    target.keys.map(async (key, index) => {
      const { permit } = target;
      const one = { keys: [key], fences: [], queues: target.queues.slice(index, index + 1), permit };
      const questions = [ask({ kind: 'inspect', ...one }), ask({ kind: 'waiting', ...one })] as const;
      const [owner, queue] = await Promise.all(questions);
      return { owner, queue };
    }),
  );
}
