import type { Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { LockKeys, Operation } from '../wire/operation.ts';
import { isReserved } from './fencing-token.ts';

/** What one node says of a lock key: who owns it and who waits for it. */
interface KeyStatus {
  readonly owner: Reply;
  readonly queue: Reply;
}

/** How to look at one node. */
export interface SpotCheck {
  readonly target: LockKeys;
  /** In [0, 1): at which of the nodes that vote and answer. */
  readonly fraction: number;
  readonly timeoutMs: number;
}

/**
 * Asks one node whether what was handed on has been taken: false if a key has no owner and somebody waits for it, or if
 * the node does not say.
 */
export async function isTaken(nodes: readonly Node[], look: SpotCheck): Promise<boolean> {
  const looks = await checkOneNode(nodes, look);
  return looks.length > 0 && looks.every(isTakenOrUnwanted);
}

/**
 * Asks one node whether somebody has a reason to go on waiting: one of the keys is somebody else's, and it is in the queue
 * for that one, among the first hundred. False if the node does not say so.
 */
export async function isInQueue(nodes: readonly Node[], look: SpotCheck, member: string): Promise<boolean> {
  const looks = await checkOneNode(nodes, look);
  return looks.some(
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

/** All that is asked travels in one call. Nothing where no node would answer. */
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
      const one = { keys: [key], fences: [], queues: target.queues.slice(index, index + 1) };
      const asked = [ask({ kind: 'inspect', ...one }), ask({ kind: 'waiting', ...one })] as const;
      const [owner, queue] = await Promise.all(asked);
      return { owner, queue };
    }),
  );
}
