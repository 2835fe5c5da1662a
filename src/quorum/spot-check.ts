import type { Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { LockKeys, Operation } from '../wire/operation.ts';
import { isReserved } from './fencing-token.ts';

/** What one node says of a lock key: its owner and its waiters. */
interface KeyStatus {
  readonly owner: Reply;
  readonly queue: Reply;
}

/** The terms of a check of one node. */
export interface SpotCheck {
  readonly target: LockKeys;
  /** In [0, 1): chooses among the nodes that vote and answer. */
  readonly fraction: number;
  readonly timeoutMs: number;
}

/** Asks one node whether a released lock has been taken. False if a key is free and awaited, or without an answer. */
export async function isTaken(nodes: readonly Node[], check: SpotCheck): Promise<boolean> {
  const statuses = await checkOneNode(nodes, check);
  return statuses.length > 0 && statuses.every(isTakenOrUnwanted);
}

/**
 * Asks one node whether a waiter has a reason to go on waiting: another value owns one of the keys, and the waiter is
 * among the first hundred of that key's queue. False if the node does not say so.
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

function isTakenOrUnwanted({ owner, queue }: KeyStatus): boolean {
  if (owner.outcome === 'held' && !isReserved(owner.value ?? '')) return true;
  return queue.outcome === 'granted' && queue.waiters?.length === 0;
}

/** All questions travel in one call. Empty where no node would answer. */
async function checkOneNode(
  nodes: readonly Node[],
  { target, fraction, timeoutMs }: SpotCheck,
): Promise<readonly KeyStatus[]> {
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
