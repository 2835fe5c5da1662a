/*
 * A release hands the key to the first waiter, which may hang. The naive answer is that the next waiter rechecks
 * after a while. But all waiters sleep until the holder's keys should have expired, and there is no holder. So the
 * process that released the lock looks once, at one node, whether the waiter came.
 */

import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';

/**
 * How long before the end of the notified waiter's time a watch looks: a part of that time, or milliseconds if they are
 * less. The nodes still name the waiter then.
 */
const AHEAD = { part: 0.16, ms: 8 } as const;

/** A released lock, of which a waiter was notified. */
interface Watched {
  readonly target: LockKeys;
  /** The lock value that was released. */
  readonly value: string;
}

/** What a watch needs of its Redlock; durations in milliseconds. */
interface HandOverWatchSettings {
  readonly quorum: Quorum;
  readonly clock: Clock;
  readonly random: Random;
  /** How long a notified waiter has to come. */
  readonly grace: number;
  /** The longest time that a node may have to answer. */
  readonly releaseTimeout: number;
  readonly closing: AbortSignal;
}

/**
 * Watches that notified waiters take the locks that this process released. A waiter that hangs does not come, and all
 * others sleep on; then the watch has the nodes pass it over. It costs one command, on one node.
 */
export class HandOverWatch {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #graceMs: number;
  readonly #timeoutMs: number;
  readonly #closing: AbortSignal;
  readonly #watched = new Map<string, Timer>();

  constructor({ quorum, clock, random, grace, releaseTimeout, closing }: HandOverWatchSettings) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#random = random;
    this.#graceMs = grace;
    this.#timeoutMs = releaseTimeout;
    this.#closing = closing;
  }

  /** Begins a watch. @param name one watch at a time has this name */
  watch(name: string, watched: Watched): void {
    if (this.#closing.aborted) return;
    this.#watched.get(name)?.cancel();
    const aheadMs = Math.min(this.#graceMs * AHEAD.part, AHEAD.ms) * (0.5 + this.#random.fraction() / 2);
    const look = () => {
      this.#watched.delete(name);
      void this.#look(name, watched);
    };
    const timer = this.#clock.after(this.#graceMs - aheadMs, look, { keepAlive: false });
    this.#watched.set(name, timer);
  }

  close(): void {
    for (const timer of this.#watched.values()) timer.cancel();
    this.#watched.clear();
  }

  async #look(name: string, watched: Watched): Promise<void> {
    const { target, value } = watched;
    const check = { target, fraction: this.#random.fraction(), timeoutMs: this.#timeoutMs };
    const { state, hung } = await this.#quorum.handOver(check, this.#timeoutMs);
    if (state === 'over' || this.#closing.aborted || this.#watched.has(name)) return;
    await Promise.all([...hung].map((member) => this.#quorum.passOver(target, member, this.#timeoutMs)));
    if (state === 'open') {
      const { votes } = await this.#quorum.release(target, value, this.#timeoutMs);
      if (!votes.some(hasNotified)) return;
    }
    if (!this.#watched.has(name)) this.watch(name, watched);
  }
}

/** Whether a release handed the lock over at a node. */
export function hasNotified(vote: { readonly notified?: boolean } | object): boolean {
  return 'notified' in vote && vote.notified === true;
}
