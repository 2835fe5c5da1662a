import type { Reply } from '../base/vote.ts';
import type { Node } from '../node/node.ts';
import type { LockKeys, Operation } from '../wire/operation.ts';
import { isKept } from './fencing.ts';

/**
 * Asks one node whether what was handed on has been taken: false if a key has no owner and somebody waits for it, or if
 * the node does not say.
 *
 * @param fraction in [0, 1): which node
 */
export async function isTaken(
  nodes: readonly Node[],
  target: LockKeys,
  fraction: number,
  timeoutMs: number,
): Promise<boolean> {
  const voting = nodes.filter((node) => node.isVoting && !node.isSilent);
  const node = voting[Math.floor(fraction * voting.length)];
  if (node === undefined) return false;
  const replies = await Promise.all(
    target.keys.map((key, index) => {
      const one = { keys: [key], fences: [], queues: target.queues.slice(index, index + 1) };
      return Promise.all([
        replyOf(node, { kind: 'inspect', ...one }, timeoutMs),
        replyOf(node, { kind: 'waiting', ...one }, timeoutMs),
      ]);
    }),
  );
  return replies.every(
    ([owner, queue]) =>
      (owner.outcome === 'held' && !isKept(owner.value ?? '')) ||
      (queue.outcome === 'granted' && queue.waiters?.length === 0),
  );
}

function replyOf(node: Node, operation: Operation, timeoutMs: number): Promise<Reply> {
  return new Promise((resolve) => {
    node.submit(operation, timeoutMs, resolve);
  });
}
