/*
 * A release hands the key to the first waiter, which may hang. The naive answer is that the next waiter rechecks
 * after a while. But all waiters sleep until the holder's keys should have expired, and there is no holder. So the
 * process that released the lock looks once, at one node, whether the waiter came.
 */

import type { Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { LeaseDeps } from '../lock/lease.ts';
import type { LockKeys } from '../wire/operation.ts';

/**
 * How long before the end of the waiter's time a watch looks, as a part of it or in milliseconds: the nodes still
 * name it.
 */
const AHEAD = { part: 0.16, ms: 8 } as const;

/** What a watch needs of its Redlock; durations in milliseconds. */
export interface HandOverWatchSettings extends Pick<LeaseDeps, 'quorum' | 'clock' | 'releaseTimeout'> {
  readonly random: Random;
  /** How long a waiter that was notified has to take its lock. */
  readonly grace: number;
  /** Aborts, with a {@link ClosedError}, when the Redlock closes. */
  readonly closing: AbortSignal;
}

/**
 * Watches that notified waiters take the locks that this process released, and has the nodes pass those over that do
 * not.
 */
export class HandOverWatch {
  readonly #settings: HandOverWatchSettings;
  readonly #watched = new Map<string, Timer>();

  constructor(settings: HandOverWatchSettings) {
    this.#settings = settings;
  }

  /** Begins to watch a released lock, of which a waiter was notified. One watch at a time has the same keys. */
  watch(target: LockKeys, value: string): void {
    const { clock, random, grace, closing } = this.#settings;
    const name = JSON.stringify(target.keys);
    if (closing.aborted) return;
    this.#watched.get(name)?.cancel();
    const aheadMs = Math.min(grace * AHEAD.part, AHEAD.ms) * (0.5 + random.fraction() / 2);
    const look = () => {
      this.#watched.delete(name);
      void this.#look(name, target, value);
    };
    this.#watched.set(name, clock.after(grace - aheadMs, look, { keepAlive: false }));
  }

  close(): void {
    for (const timer of this.#watched.values()) timer.cancel();
    this.#watched.clear();
  }

  async #look(name: string, target: LockKeys, value: string): Promise<void> {
    const { quorum, random, grace, releaseTimeout: timeoutMs, closing } = this.#settings;
    const check = { target, fraction: random.fraction(), timeoutMs };
    const { state, hung } = await quorum.handOver(check, grace);
    if (state === 'over' || closing.aborted || this.#watched.has(name)) return;
    await Promise.all([...hung].map((member) => quorum.passOver(target, member, timeoutMs)));
    if (state === 'open') {
      const { notified } = await quorum.release(target, value, timeoutMs);
      if (notified !== true) return;
    }
    if (!this.#watched.has(name)) this.watch(target, value);
  }
}
