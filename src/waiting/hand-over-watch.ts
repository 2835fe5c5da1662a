import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';

/** How much longer than a notified waiter has time, a watch waits at the least and at the most, in milliseconds. */
const MARGIN_MS = { least: 2, most: 12 } as const;

/** A lock that was released, and that a waiter was notified of. */
interface HandOver {
  readonly target: LockKeys;
  /** The lock value that was released. */
  readonly value: string;
  /** Whether a wait queue of this process looks after it anyway, when it is time to. */
  isMoot(): boolean;
}

/**
 * Sees to it that locks which this process released are taken by the waiters that were notified. One that hangs does not
 * come, and all others sleep on; then the nodes hand the lock to the next. It costs one command, on one node.
 */
export class HandOverWatch {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #closing: AbortSignal;
  readonly #watched = new Map<string, Timer>();

  /** @param timeoutMs how long a node has to answer, and a waiter to come once it is notified */
  constructor(quorum: Quorum, clock: Clock, random: Random, timeoutMs: number, closing: AbortSignal) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#random = random;
    this.#timeoutMs = timeoutMs;
    this.#closing = closing;
  }

  /** Begins. @param name one watch at a time has this name */
  watch(name: string, handOver: HandOver): void {
    if (this.#closing.aborted) return;
    this.#watched.get(name)?.cancel();
    const marginMs = MARGIN_MS.least + this.#random.fraction() * (MARGIN_MS.most - MARGIN_MS.least);
    const look = () => {
      this.#watched.delete(name);
      if (!handOver.isMoot()) void this.#look(name, handOver);
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
    if (this.#closing.aborted || handOver.isMoot()) return;
    const { votes } = await this.#quorum.release(target, value, this.#timeoutMs);
    if (votes.some(hasNotified)) this.watch(name, handOver);
  }
}

/** Whether a release handed the lock on at a node. */
export function hasNotified(vote: { readonly notified?: boolean } | object): boolean {
  return 'notified' in vote && vote.notified === true;
}
