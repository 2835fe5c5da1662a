/*
 * A routine may run for longer than the ttl. The naive answer is a timer that extends the lock a little before its
 * end. If that extension fails, the lock is over before the routine hears of it. So the first extension comes at half
 * of the ttl, failed ones are tried again, and the signal aborts while some validity is left.
 */

import type { Clock, Timer } from '../base/clock.ts';
import { LockLostError, QuorlockError } from '../base/errors.ts';
import { afterElapsed, elapsedMs, type Instant, instant } from '../base/sound-clock.ts';
import type { NodeVote } from '../base/vote.ts';
import { validityMs } from './lease.ts';
import { type Lock, leaseOf, loseLock } from './lock.ts';

/** An extension is due when this share of the ttl is left: well before a third of it is, … */
const EXTEND_AT = 1 / 2;

/** … and no sooner than this share of the validity that it gives is left, where the drift allowance is large. */
const EXTEND_AT_MOST = 3 / 4;

/** A failed extension is tried again after this share of what is left. */
const TRY_AGAIN_AFTER = 1 / 8;

/** The signal aborts when this share of the ttl is left and no extension has come through, … */
const GIVE_UP_AT = 1 / 20;

/** … or this many milliseconds, whichever is less: time to stop in, while no other can hold the lock. */
const GIVE_UP_AT_MOST_MS = 500;

/** However short the ttl, an auto-extension rests this long between two steps. */
const SHORTEST_REST_MS = 1;

export interface AutoExtendTerms {
  /** Milliseconds from now after which the lock is not extended any longer; Infinity for no bound. */
  readonly maxHold: number;
  /** Extends the lock in its own way. Default: by its ttl. */
  readonly extend?: (() => Promise<unknown>) | undefined;
}

/**
 * Extends a lock while a routine runs. It *rests* until half of the ttl is left, then *extends*; if that fails it rests
 * a little and extends again. It *gives up* when so little is left that the lock's signal has to abort while the lock
 * is still valid. It never overlaps two extensions and leaves no timer behind.
 */
export class AutoExtend {
  readonly #lock: Lock;
  readonly #clock: Clock;
  readonly #maxHold: number;
  /** Undefined where nothing depends on it. */
  readonly #since: Instant | undefined;
  readonly #extendLock: (() => Promise<unknown>) | undefined;
  /** There may be very many auto-extensions, so each has one timer, for the earliest of its steps. */
  #timer: Timer | undefined;
  #stopped = false;
  #lastVotes: readonly NodeVote[] = [];

  constructor(lock: Lock, clock: Clock, { maxHold, extend }: AutoExtendTerms) {
    this.#lock = lock;
    this.#clock = clock;
    this.#maxHold = maxHold;
    this.#extendLock = extend;
    this.#since = maxHold === Number.POSITIVE_INFINITY ? undefined : instant(clock);
    this.#goOn();
  }

  /** Stops at once. An extension in flight ends by itself and changes nothing any more. */
  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /** Plans, after every grant, when to extend next, and when it would be too late. */
  #goOn(): void {
    const remainingMs = this.#lock.remainingValidity();
    if (this.#stopped || remainingMs <= 0) return;
    const { ttl } = this.#lock;
    // A lock that lasts until maxHold needs no extension.
    if (this.#untilLateMs() < this.#untilMaxHoldMs())
      this.#rest(remainingMs - Math.min(ttl * EXTEND_AT, this.#fullValidityMs() * EXTEND_AT_MOST));
    else this.#watch();
  }

  /** Extends after `wantedMs`, unless it has to give up before. */
  #rest(wantedMs: number): void {
    const restMs = Math.max(wantedMs, SHORTEST_REST_MS);
    if (restMs < this.#untilGivingUpMs()) this.#after(restMs, () => void this.#extend());
    else this.#watch();
  }

  #watch(): void {
    this.#after(this.#untilGivingUpMs(), () => this.#giveUp());
  }

  async #extend(): Promise<void> {
    this.#watch();
    try {
      await (this.#extendLock === undefined ? this.#lock.extend() : this.#extendLock());
      this.#goOn();
    } catch (error) {
      if (error instanceof QuorlockError) this.#lastVotes = error.votes;
      const remainingMs = this.#lock.remainingValidity();
      if (!this.#stopped && remainingMs > 0) this.#rest(remainingMs * TRY_AGAIN_AFTER);
    }
  }

  /** The lock's validity after an extension, in milliseconds: its ttl less the drift allowance. */
  #fullValidityMs(): number {
    return validityMs(this.#lock.ttl, 0, leaseOf(this.#lock).deps.driftFactor);
  }

  #untilLateMs(): number {
    const { ttl } = this.#lock;
    return this.#lock.remainingValidity() - Math.min(ttl * GIVE_UP_AT, GIVE_UP_AT_MOST_MS);
  }

  #untilMaxHoldMs(): number {
    return this.#since === undefined ? this.#maxHold : this.#maxHold - elapsedMs(this.#clock, this.#since);
  }

  #untilGivingUpMs(): number {
    return Math.min(this.#untilLateMs(), this.#untilMaxHoldMs());
  }

  #giveUp(): void {
    const leftToHoldMs = this.#untilMaxHoldMs();
    if (this.#untilGivingUpMs() > SHORTEST_REST_MS) {
      // The routine has extended the lock itself.
      this.#goOn();
      return;
    }
    const why =
      leftToHoldMs <= SHORTEST_REST_MS
        ? `it was held for its maxHold of ${this.#maxHold} ms`
        : 'no majority extended it in time';
    this.stop();
    const details = { resources: this.#lock.resources, votes: this.#lastVotes };
    loseLock(this.#lock, () => new LockLostError(why, details));
  }

  #after(delayMs: number, step: () => void): void {
    this.#timer?.cancel();
    this.#timer = afterElapsed(this.#clock, delayMs, step);
  }
}
