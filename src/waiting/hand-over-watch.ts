import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';

/** The shortest and the longest time that a watch waits beyond the notified waiter's time, in milliseconds. */
const MARGIN_MS = { least: 2, most: 12 } as const;

/** A released lock, of which a waiter was notified. */
interface HandOver {
  readonly target: LockKeys;
  /** The lock value that was released. */
  readonly value: string;
  /** Whether this process waits for the lock itself: its wait queue rechecks it anyway. */
  hasOwnWaiter(): boolean;
}

/**
 * Watches that notified waiters take the locks that this process released. A waiter that hangs does not come, and all
 * others sleep on; then the watch has the nodes hand the lock over to the next. It costs one command, on one node.
 */
export class HandOverWatch {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #closing: AbortSignal;
  readonly #watched = new Map<string, Timer>();

  /** @param timeoutMs how long a node has to answer, and a notified waiter to come */
  constructor(quorum: Quorum, clock: Clock, random: Random, timeoutMs: number, closing: AbortSignal) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#random = random;
    this.#timeoutMs = timeoutMs;
    this.#closing = closing;
  }

  /** Begins a watch. @param name one watch at a time has this name */
  watch(name: string, handOver: HandOver): void {
    if (this.#closing.aborted) return;
    this.#watched.get(name)?.cancel();
    const marginMs = MARGIN_MS.least + this.#random.fraction() * (MARGIN_MS.most - MARGIN_MS.least);
    const look = () => {
      this.#watched.delete(name);
      if (!handOver.hasOwnWaiter()) void this.#look(name, handOver);
    };
    const timer = this.#clock.after(this.#timeoutMs + marginMs, look, { keepAlive: false });
    this.#watched.set(name, timer);
  }

  close(): void {
    for (const timer of this.#watched.values()) timer.cancel();
    this.#watched.clear();
  }

  async #look(name: string, handOver: HandOver): Promise<void> {
    const { target, value } = handOver;
    const look = { target, fraction: this.#random.fraction(), timeoutMs: this.#timeoutMs };
    if (await this.#quorum.isTaken(look)) return;
    if (this.#closing.aborted || handOver.hasOwnWaiter()) return;
    const { votes } = await this.#quorum.release(target, value, this.#timeoutMs);
    if (votes.some(hasNotified)) this.watch(name, handOver);
  }
}

/** Whether a release handed the lock over at a node. */
export function hasNotified(vote: { readonly notified?: boolean } | object): boolean {
  return 'notified' in vote && vote.notified === true;
}
