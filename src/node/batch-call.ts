import { encodeAll } from '../wire/batch.ts';
import type { Client } from '../wire/client.ts';
import { checkNumbers } from '../wire/numbers.ts';
import { isTimed, type Operation, TOKENS_A_LEASE } from '../wire/operation.ts';
import { batchScript } from '../wire/scripts.ts';

/** The header of every call, made when the call is sent. */
export interface BatchHeader {
  /** The node's marker key, or undefined where the node votes without one. */
  readonly markerKey: string | undefined;
  readonly nodeCount: number;
  readonly maxTtl: number;
  readonly clampUs: number;
  readonly fenceRetentionMs: number;
  /** Milliseconds for which a free key is reserved for a notified waiter. */
  readonly graceMs: number;
  /** Whether this process hears the node's notifications. */
  isHeard(): boolean;
  /** The node's TIME, in microseconds, after which nothing of the call may be granted. */
  deadlineUs(nowMs: number, withinMs: number): number;
}

/** A call of the batch script. */
export interface BatchCall {
  /**
   * The server's answer: its TIME in microseconds, and then one element for each operation, in the order in which they
   * were sent. Rejects with the server's error, or when the connection is lost.
   */
  readonly answer: Promise<unknown>;
  /** Whether an operation of the call depends on the server's TIME; if not, the server does not tell it. */
  readonly isTimed: boolean;
}

/**
 * Calls the batch script.
 *
 * @throws {RangeError} a number of the header is out of range; nothing is sent
 * @param sentAtMs now
 * @param withinMs for how long from now on the operations may be granted
 */
export function callBatch(
  client: Client,
  header: BatchHeader,
  carriers: readonly { readonly operation: Operation }[],
  { command, sentAtMs, withinMs }: { command: 'evalsha' | 'eval'; sentAtMs: number; withinMs: number },
): BatchCall {
  const { markerKey, nodeCount, maxTtl, clampUs, fenceRetentionMs, graceMs } = header;
  const needsTime = carriers.some(({ operation }) => isTimed(operation));
  const keys = markerKey === undefined ? [] : [markerKey];
  const args: (string | number)[] = [
    needsTime ? header.deadlineUs(sentAtMs, withinMs) : '',
    markerKey === undefined ? '' : nodeCount,
    maxTtl,
    clampUs,
    fenceRetentionMs,
    graceMs,
    TOKENS_A_LEASE,
  ];
  checkNumbers(args);
  encodeAll(carriers, header.isHeard(), { keys, args });
  const answer =
    command === 'evalsha'
      ? client.evalsha(batchScript.sha1, keys, args)
      : client.eval(batchScript.source, keys, args);
  return { answer, isTimed: needsTime };
}
