import type { Timer } from '../base/clock.ts';
import type { Reply } from '../base/vote.ts';
import type { Operation } from '../wire/operation.ts';

/** Hears the one reply to an operation, how many milliseconds it took, and the place it was posted with. */
export type ReplyListener = (reply: Reply, latencyMs: number, place: number) => void;

/** An operation that was posted. */
export interface PendingOperation {
  readonly operation: Operation;
  readonly listener: ReplyListener;
  /** For the listener, which may hear several nodes. */
  readonly place: number;
  readonly deadline: Deadline;
  /** The call it travels in; undefined until it is sent. */
  call: Call | undefined;
  replied: boolean;
}

/** What was posted in one tick and has to be answered by the same time, with one timer for all of it. */
export interface Deadline {
  readonly entries: PendingOperation[];
  /** When they were posted, or, if the process was stopped before the end of that tick, when it went on. */
  enqueuedAtMs: number;
  readonly timeoutMs: number;
  timer: Timer;
  unreplied: number;
}

/** A script call on its way. */
export interface Call {
  readonly entries: readonly PendingOperation[];
  unreplied: number;
  /**
   * `overdue`: every reply was a timeout, and it holds up nothing else any more. `over`: it was answered or failed, or
   * never will be: one that was sent after it was answered.
   */
  state: 'under way' | 'overdue' | 'over';
}

/** How long the keys of an operation are together. */
export function charactersOf({ keys }: Operation): number {
  let characters = 0;
  for (const key of keys) characters += key.length;
  return characters;
}
