import { onAbort, reasonOf } from '../base/abort-signal.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Instant } from '../base/sound-clock.ts';
import type { Lock } from '../lock/lock.ts';
import { type AcquireRequest, type FailedAttempt, failureOf } from './acquire-request.ts';

export interface WaiterEvents {
  /** Its signal has aborted, and its caller has the error. */
  left(waiter: Waiter): void;
  /** Its waitTime is over. Its caller does not know yet. */
  late(waiter: Waiter): void;
}

interface Settle {
  resolve(lock: Lock): void;
  reject(error: unknown): void;
}

/** In place of the timer of a waitTime that is over. */
const OVER: Timer = { cancel: () => undefined };

/** One call of acquire(), with its ttl, waitTime and signal. It *waits* until it has a lock or an error. */
export class Waiter {
  readonly request: AcquireRequest;
  /** Settles as the call does. */
  readonly lock: Promise<Lock>;
  readonly calledAt: Instant;
  /** The time of the call in microseconds of the nodes' time, once it was needed: its place in their queues. */
  score: number | undefined;
  readonly #clock: Clock;
  readonly #events: WaiterEvents;
  readonly #stopListening: (() => void) | undefined;
  #settle: Settle | undefined;
  #limit: Timer | undefined;

  constructor(request: AcquireRequest, calledAt: Instant, clock: Clock, events: WaiterEvents) {
    this.request = request;
    this.calledAt = calledAt;
    this.#clock = clock;
    this.#events = events;
    this.lock = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    const { signal } = request;
    if (signal !== undefined) {
      this.#stopListening = onAbort(signal, () => {
        this.crash(reasonOf(signal));
        events.left(this);
      });
    }
  }

  get isWaiting(): boolean {
    return this.#settle !== undefined;
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.calledAt.monotonic;
  }

  /** Whether its waitTime is over, by its timer or by the clock: one of them may be a little ahead. */
  get isLate(): boolean {
    return this.#limit === OVER || this.elapsedMs >= this.request.waitTime;
  }

  /** Starts the timer of waitTime: a call that gets its lock at once needs none. */
  limit(): void {
    if (this.#limit !== undefined || !this.isWaiting) return;
    const tooLate = () => {
      this.#limit = OVER;
      this.#events.late(this);
    };
    this.#limit = this.#clock.after(this.request.waitTime - this.elapsedMs, tooLate);
  }

  grant(lock: Lock): void {
    this.#end()?.resolve(lock);
  }

  fail(attempt: FailedAttempt): void {
    this.crash(failureOf(attempt, this.request, this.elapsedMs));
  }

  /** Ends the call with an error that is not about an attempt. */
  crash(error: unknown): void {
    this.#end()?.reject(error);
  }

  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#limit?.cancel();
    this.#stopListening?.();
    return settle;
  }
}
