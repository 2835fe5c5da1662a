import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Turn } from './turn.ts';

/** How much longer than a called waiter has time, a watch waits at the least and at the most, in milliseconds. */
const MARGIN_MS = { least: 2, most: 12 } as const;

/** A lock that was given back, and that a waiter was called for. */
interface Handover {
  readonly target: LockKeys;
  /** The lock value that was given back. */
  readonly value: string;
  /** The turn of this process that ended so. */
  readonly turn: Turn;
  /** Whether somebody in this process looks after it anyway, when it is time to. */
  isMoot(): boolean;
}

interface Watched {
  readonly handover: Handover;
  readonly timer: Timer;
  readonly sinceMs: number;
}

/**
 * Sees to it that locks which this process gave back are taken by those who were called. If one was not there to hear
 * it, everybody else sleeps on; then the lock is handed on to the next. It costs one command, on one node.
 */
export class HandoverWatch {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #timeoutMs: number;
  readonly #watched = new Map<string, Watched>();
  #isClosed = false;

  /** @param timeoutMs how long a node has to answer, and a waiter to come once it is called */
  constructor(quorum: Quorum, clock: Clock, random: Random, timeoutMs: number) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#random = random;
    this.#timeoutMs = timeoutMs;
  }

  /** Begins. @param name one watch at a time has this name */
  watch(name: string, handover: Handover): void {
    if (this.#isClosed) return;
    this.#watched.get(name)?.timer.cancel();
    const marginMs = MARGIN_MS.least + this.#random.fraction() * (MARGIN_MS.most - MARGIN_MS.least);
    const look = () => {
      this.#watched.delete(name);
      if (!handover.isMoot()) void this.#look(name, handover);
    };
    const timer = this.#clock.after(this.#timeoutMs + marginMs, look, { keepAlive: false });
    this.#watched.set(name, { handover, timer, sinceMs: this.#clock.uptime() });
  }

  /** The turn that ended with a call to another process no longer ago than so many milliseconds. */
  turnWithin(name: string, ms: number): Turn | undefined {
    const watched = this.#watched.get(name);
    if (watched === undefined || this.#clock.uptime() - watched.sinceMs > ms) return undefined;
    return watched.handover.turn;
  }

  close(): void {
    this.#isClosed = true;
    for (const { timer } of this.#watched.values()) timer.cancel();
    this.#watched.clear();
  }

  async #look(name: string, handover: Handover): Promise<void> {
    const { target, value } = handover;
    const look = { target, fraction: this.#random.fraction(), timeoutMs: this.#timeoutMs };
    if (await this.#quorum.isTaken(look)) return;
    if (this.#isClosed || handover.isMoot()) return;
    const { votes } = await this.#quorum.release(target, value, this.#timeoutMs);
    if (votes.some(hasCalled)) this.watch(name, handover);
  }
}

/** Whether a release handed the lock on at a node. */
export function hasCalled(vote: { readonly called?: boolean } | object): boolean {
  return 'called' in vote && vote.called === true;
}
