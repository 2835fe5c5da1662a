import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Lock } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Habits, Turn } from './turn.ts';
import type { WakeUps } from './wake-ups.ts';

/** What contenders of one Redlock share. */
export interface Arena {
  readonly clock: Clock;
  readonly random: Random;
  readonly wakeUps: WakeUps;
  readonly nodeCount: number;
  readonly habits: Habits;
  /** The nodes' time at a moment of the monotonic clock, in microseconds. */
  timeUs(nowMs: number): number;
}

/** A lock that a caller has, in a turn. */
export interface Served {
  readonly holder: Lock;
  readonly turn: Turn;
}

/**
 * Gives a lock back.
 *
 * @param taken what nodes said to its heir, see `Quorum.release`
 */
export type Release = (taken?: readonly NodeVote[]) => Promise<BallotResult>;

/** Takes a waiter out of these nodes' queues. */
export type Leave = (member: string, nodes: ReadonlySet<number>) => void;

/** What a contender is for. */
export interface Matter {
  /** `alone`: a caller that has the lock keeps the others of this process waiting, and hands it on to the next one. */
  readonly having: 'alone' | 'a share' | 'permits';
  /** Takes a waiter out of these nodes' queues, at once. */
  readonly leave: Leave;
  /** As leave, with the next call. */
  readonly leaveLater: Leave;
  /** Whether a node has a waiter in its queue for a lock that is somebody else's; false if that is not known. */
  isInQueue(member: string): Promise<boolean>;
  /** Nobody waits here any more, and this lock, if it is one, is held. */
  idle(served: Served | undefined): void;
}
