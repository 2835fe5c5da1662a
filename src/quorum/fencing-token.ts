/*
 * Tokens must grow from lock to lock, on nodes that each count for themselves. The naive answer is the highest
 * counter of a majority. Two majorities share only one node, and if that one lags, two locks get one token. So each
 * client proposes the nodes' own time. Free nodes then agree at once, and a token counts only when a majority has
 * confirmed it.
 */

import { companions } from '../base/companion-key.ts';
import type { NodeVote } from '../base/vote.ts';
import { CLAMP_MS } from '../node/node-settings.ts';
import { isTimeUs } from '../wire/operation.ts';

export const OWN_PREFIX = 'quorlock:';

/** The key of the fence counter that belongs to a lock key, in the same hash slot of a Redis Cluster. */
export const fenceKeyOf: (key: string) => string = companions(`${OWN_PREFIX}fence`);

/** The key of the queue of a lock key's waiters, in the same hash slot of a Redis Cluster. */
export const queueKeyOf: (key: string) => string = companions(`${OWN_PREFIX}queue`);

/** The key of the set of a lock key's sharers, in the same hash slot of a Redis Cluster. */
export const sharersKeyOf: (key: string) => string = companions(`${OWN_PREFIX}sharers`);

/** What names the queue of the semaphore of this name, in the same hash slot of a Redis Cluster. */
export const semaphoreKeyOf: (key: string) => string = companions(`${OWN_PREFIX}semaphore`);

/** The key of a slot of that semaphore, in the same hash slot too. */
export function slotKeyOf(key: string, slot: number): string {
  return companions(`${OWN_PREFIX}slot:${slot}`)(key);
}

/** Whether the value of a lock key says that it is shared. */
export function isShared(value: string): boolean {
  return value === '&';
}

/** Whether the value of a lock key says that it has no owner: it is reserved for a waiter that was notified. */
export function isReserved(value: string): boolean {
  return value.startsWith('~');
}

/** The waiter that a lock key with this value is reserved for, by its name in the queue; undefined: none. */
export function waiterOf(value: string): string | undefined {
  return isReserved(value) ? value.slice(1).replace(/:\d+$/, '') : undefined;
}

/** The token of a won round, and how far it is confirmed. */
export interface TokenChoice {
  readonly token: number;
  /** How many nodes answered with this very token: these are confirmed already. */
  readonly confirmed: number;
}

/** The highest counter of the granting nodes, and how many of them answered just this. */
export function chooseToken(votes: readonly NodeVote[]): TokenChoice {
  let token = 0;
  let confirmed = 0;
  for (const vote of votes) {
    if (vote.outcome !== 'granted') continue;
    if (vote.counter > token) {
      token = vote.counter;
      confirmed = 1;
    } else if (vote.counter === token) {
      confirmed += 1;
    }
  }
  return { token, confirmed };
}

export interface TimeEstimate {
  /** The best guess of how far the node's time is ahead of the monotonic clock, in microseconds; undefined: unknown. */
  readonly aheadUs: number | undefined;
}

/**
 * Proposes fencing tokens: a hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014) over the median
 * of the nodes' times, in microseconds. The wall clock of this machine plays no part.
 */
export class TokenClock {
  readonly #nodes: readonly TimeEstimate[];
  readonly #ahead: number[] = [];
  #last = 0;

  constructor(nodes: readonly TimeEstimate[]) {
    this.#nodes = nodes;
  }

  /**
   * The next proposal. Each node clamps one that is too far ahead by its own clock, and the nodes would disagree. So
   * proposals follow clocks that were set back. Before any node has told its time, the nodes' own lower bound
   * decides.
   */
  next(nowMs: number): number {
    const timeUs = this.timeUs(nowMs);
    const nextUs = this.#last + 1;
    const isTooFar = timeUs > 0 && nextUs > timeUs + CLAMP_MS * 1_000;
    this.#last = isTooFar ? timeUs : Math.max(nextUs, timeUs);
    return this.#last;
  }

  /** The nodes' time at a moment of the monotonic clock, in whole microseconds; 0 before any has told it. */
  timeUs(nowMs: number): number {
    const ahead = this.#ahead;
    ahead.length = 0;
    for (const { aheadUs } of this.#nodes) {
      if (aheadUs === undefined || !Number.isFinite(aheadUs)) continue;
      let at = ahead.length;
      // A sorted list of a few numbers: to make a new one each time would cost more than the rest.
      for (; at > 0 && (ahead[at - 1] ?? 0) > aheadUs; at -= 1) ahead[at] = ahead[at - 1] ?? 0;
      ahead[at] = aheadUs;
    }
    const median = ahead[Math.floor(ahead.length / 2)];
    const timeUs = median === undefined ? 0 : Math.floor(median + nowMs * 1_000);
    // A value that is not a time would spoil the proposals to come.
    return isTimeUs(timeUs) ? timeUs : 0;
  }
}
