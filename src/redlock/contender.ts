import type { Clock } from '../base/clock.ts';
import {
  LockExpiredError,
  LockHeldError,
  NoQuorumError,
  NotALockError,
  WaitTimeoutError,
} from '../base/errors.ts';
import type { Random } from '../base/random.ts';
import { type FailureReason, longestRemainingTtl, type NodeVote } from '../base/vote.ts';
import type { Attempt } from '../lock/attempt.ts';
import type { Lock } from '../lock/lock.ts';
import { tally } from '../quorum/tally.ts';
import { interruptible } from './interruptible.ts';
import type { Turn, Turns } from './turns.ts';

/** An attempt that got no lock. */
export type LostAttempt = Exclude<Attempt, { readonly outcome: 'acquired' }>;

/** What a caller wants and how long it is ready to wait for it. */
export interface Wish {
  readonly resources: readonly string[];
  readonly ttl: number;
  /** Milliseconds; 0: one attempt. */
  readonly waitTime: number;
  /** Any of them ends the wait, with its own reason. */
  readonly signals: readonly AbortSignal[];
  /** Tries once, with a lock value of its own. */
  attempt(): Promise<Attempt>;
  /** Whether, within this many milliseconds, a majority of nodes votes and owes no answer. */
  nodesAnswer(withinMs: number): Promise<boolean>;
}

/** The shortest span from which the pause between two attempts is drawn, in milliseconds. It doubles … */
const FIRST_PAUSE_MS = 8;

/** … with every attempt up to this. */
const LONGEST_PAUSE_MS = 200;

/** How long a majority that was too slow for nodeTimeout gets to show that it is slow, and not gone. */
const SLOW_NODES_GRACE_MS = 40;

/** What contenders of one Redlock share. */
export interface Arena {
  readonly clock: Clock;
  readonly random: Random;
  readonly turns: Turns;
}

/**
 * Contends for a lock until it has it, waitTime is over, or a signal aborts. Of the callers in this process who want
 * the same, one at a time contends, in the order they came. Waiting is for holders, not for nodes: when a majority
 * can't vote, and does not come round within a moment, it ends for all of them. Attempts are apart by random pauses,
 * so that contenders that split the vote do not meet again.
 */
export async function contend(wish: Wish, arena: Arena): Promise<Lock> {
  const startedAtMs = arena.clock.monotonic();
  if (wish.waitTime === 0) return tryUntil(wish, arena, startedAtMs);
  const key = JSON.stringify(wish.resources);
  const turn = await takeTurn(key, wish, arena);
  try {
    return await tryUntil(wish, arena, startedAtMs);
  } catch (error) {
    if (error instanceof NoQuorumError) arena.turns.dissolve(key);
    throw error;
  } finally {
    turn.end();
  }
}

/** Waits in line, but no longer than waitTime: then the one last attempt is made without a turn. */
async function takeTurn(key: string, wish: Wish, { clock, turns }: Arena): Promise<Turn> {
  const turn = turns.take(key);
  if (turn.begun === undefined) return turn;
  const limit = sleep(clock, wish.waitTime, wish.signals);
  try {
    const isMine = await Promise.race([turn.begun.then(() => true), limit.done.then(() => false)]);
    if (!isMine) turn.end();
    return turn;
  } catch (reason) {
    turn.end();
    throw reason;
  } finally {
    limit.cancel();
  }
}

/** One attempt; rejects as soon as a signal aborts, and then gives back what the attempt may still get. */
export function tryOnce(wish: Wish): Promise<Attempt> {
  return interruptible(wish.attempt(), wish.signals, (late) => {
    if (late.outcome === 'acquired') void late.lock.release();
  });
}

async function tryUntil(wish: Wish, { clock, random }: Arena, startedAtMs: number): Promise<Lock> {
  for (let tries = 1; ; tries += 1) {
    for (const signal of wish.signals) signal.throwIfAborted();
    const attempt = await tryOnce(wish);
    if (attempt.outcome === 'acquired') return attempt.lock;
    const elapsedMs = clock.monotonic() - startedAtMs;
    const leftMs = wish.waitTime - elapsedMs;
    if (leftMs <= 0 || !(await isWorthATry(attempt, wish))) throw failureOf(attempt, wish, elapsedMs);
    await sleep(clock, Math.min(leftMs, pauseMs(attempt, tries, random)), wish.signals).done;
  }
}

/** Whether another attempt may end better than this one. */
async function isWorthATry({ outcome, votes }: LostAttempt, wish: Wish): Promise<boolean> {
  switch (outcome) {
    case 'held':
    case 'expired':
      return true;
    case 'no-quorum':
      if (!couldBeSlow(votes)) return false;
      return interruptible(wish.nodesAnswer(SLOW_NODES_GRACE_MS), wish.signals, () => {
        // An answer is nobody's to give back.
      });
    case 'not-a-lock':
      return false;
  }
}

/** Whether a majority would have voted if those that were too late had been in time. */
function couldBeSlow(votes: readonly NodeVote[]): boolean {
  const out = votes.filter(
    (vote) => vote.outcome === 'foreign' || (vote.outcome === 'failed' && !isLateness(vote.reason)),
  );
  return tally(votes.length, 0, out.length) === 'undecided';
}

function isLateness(reason: FailureReason): boolean {
  return reason === 'timeout' || reason === 'late';
}

/** What a lost attempt means for somebody who does not go on. */
export function failureOf(attempt: LostAttempt, wish: Wish, elapsedMs: number): Error {
  const { resources, ttl, waitTime } = wish;
  const details = { resources, votes: attempt.votes, elapsedMs };
  switch (attempt.outcome) {
    case 'held':
      return waitTime === 0 ? new LockHeldError(details) : new WaitTimeoutError({ ...details, waitTime });
    case 'expired':
      return new LockExpiredError({ ...details, ttl });
    case 'no-quorum':
      return new NoQuorumError(details);
    case 'not-a-lock':
      return new NotALockError(details);
  }
}

function pauseMs(attempt: LostAttempt, tries: number, random: Random): number {
  const span = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(tries, 10), LONGEST_PAUSE_MS);
  const drawn = 1 + random.fraction() * span;
  const holderMs = longestRemainingTtl(attempt.votes);
  return holderMs === undefined ? drawn : Math.min(drawn, holderMs + 1 + random.fraction() * FIRST_PAUSE_MS);
}

/** Sleeps; rejects as soon as one of the signals aborts. Cancelled, it ends at once. */
function sleep(
  clock: Clock,
  delayMs: number,
  signals: readonly AbortSignal[],
): { readonly done: Promise<void>; cancel(): void } {
  let wakeUp = () => {};
  const slept = new Promise<void>((resolve) => {
    wakeUp = resolve;
  });
  const timer = clock.after(delayMs, wakeUp);
  const cancel = () => {
    timer.cancel();
    wakeUp();
  };
  const done = interruptible(slept, signals, () => {
    // There is nothing to give back.
  }).finally(cancel);
  return { done, cancel };
}
