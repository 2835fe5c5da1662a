import type { Timer } from '../base/clock.ts';
import type { Reply } from '../base/vote.ts';
import type { Operation } from '../wire/operation.ts';

/** Gets the one reply to an operation, its latency in milliseconds, and the place that it was enqueued with. */
export type ReplyListener = (reply: Reply, latencyMs: number, place: number) => void;

/** An operation in the batcher. */
export interface PendingOperation {
  readonly operation: Operation;
  readonly listener: ReplyListener;
  /** For a listener of several nodes. */
  readonly place: number;
  readonly deadline: Deadline;
  /** The call it travels in; undefined until it is sent. */
  call: Call | undefined;
  replied: boolean;
}

/** The deadline of operations of one tick, with one timer for all of them. */
export interface Deadline {
  readonly entries: PendingOperation[];
  /** When they were enqueued, or, if the process was stopped before the end of that tick, when it went on. */
  enqueuedAtMs: number;
  readonly timeoutMs: number;
  timer: Timer;
  unreplied: number;
}

/** A script call in flight. */
export interface Call {
  readonly entries: readonly PendingOperation[];
  unreplied: number;
  /**
   * `overdue`: every reply was a timeout, and it holds up nothing else any more. `over`: it was answered or failed, or
   * never will be, since a later call was answered.
   */
  state: 'under way' | 'overdue' | 'over';
}

/** The total length of an operation's keys. */
export function charactersOf({ keys }: Operation): number {
  let characters = 0;
  for (const key of keys) characters += key.length;
  return characters;
}
