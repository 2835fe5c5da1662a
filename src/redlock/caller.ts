import type { Clock, Timer } from '../base/clock.ts';
import { onAbort } from '../base/on-abort.ts';
import type { Lock } from '../lock/lock.ts';
import { failureOf, type LostAttempt, type Wish } from './wish.ts';

/** Hears that a caller can't wait as before. */
export interface CallerEvents {
  /** Its signal has aborted; it has been told. */
  left(caller: Caller): void;
  /** Its waitTime is over. It has not been told. */
  late(caller: Caller): void;
}

interface Settle {
  resolve(lock: Lock): void;
  reject(error: unknown): void;
}

/** One call of acquire(), with a ttl, a waitTime and a signal of its own. It *waits* until it has a lock or an error. */
export class Caller {
  readonly wish: Wish;
  /** Settles as the call does. */
  readonly lock: Promise<Lock>;
  /** Monotonic milliseconds, the time of a suspended host included. */
  readonly askedAtMs: number;
  /** The same in microseconds of the nodes' time, once it was needed. It does not change: it is a place in a queue. */
  since: number | undefined;
  readonly #clock: Clock;
  readonly #events: CallerEvents;
  readonly #startedAtMs: number;
  readonly #stopListening: (() => void) | undefined;
  #settle: Settle | undefined;
  #limit: Timer | undefined;

  constructor(wish: Wish, clock: Clock, events: CallerEvents) {
    this.wish = wish;
    this.askedAtMs = clock.uptime();
    this.#clock = clock;
    this.#events = events;
    this.#startedAtMs = clock.monotonic();
    this.lock = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (wish.signal === undefined) return;
    this.#stopListening = onAbort(wish.signal, () => this.#interrupted());
  }

  get isWaiting(): boolean {
    return this.#settle !== undefined;
  }

  get elapsedMs(): number {
    return this.#clock.monotonic() - this.#startedAtMs;
  }

  /** Whether its waitTime is over. */
  get isLate(): boolean {
    return this.elapsedMs >= this.wish.waitTime;
  }

  /** Begins to mind waitTime: a call that gets its lock at once needs no timer. */
  limit(): void {
    if (this.#limit !== undefined || !this.isWaiting) return;
    const tooLate = () => {
      if (this.isWaiting) this.#events.late(this);
    };
    this.#limit = this.#clock.after(Math.max(0, this.wish.waitTime - this.elapsedMs), tooLate);
  }

  /** Gives it the lock. False: it is not there any more. */
  grant(lock: Lock): boolean {
    const settle = this.#end();
    settle?.resolve(lock);
    return settle !== undefined;
  }

  /** Tells it that it will not get the lock. */
  fail(attempt: LostAttempt): void {
    this.#end()?.reject(failureOf(attempt, this.wish, this.elapsedMs));
  }

  /** Ends the call with an error that is not about an attempt. */
  crash(error: unknown): void {
    this.#end()?.reject(error);
  }

  #interrupted(): void {
    this.#end()?.reject(this.wish.signal?.reason);
    this.#events.left(this);
  }

  #end(): Settle | undefined {
    const settle = this.#settle;
    this.#settle = undefined;
    this.#limit?.cancel();
    this.#stopListening?.();
    return settle;
  }
}
