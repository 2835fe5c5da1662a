/*
 * A routine may run for longer than the ttl. The naive answer is a timer that extends the lock a little before its
 * end. If that extension fails, the lock is over before the routine hears of it. So the first extension comes at half
 * of the ttl, failed ones are tried again, and the signal aborts while some validity is left.
 */

import { LockLostError, QuorlockError } from '../base/errors.ts';
import type { Planned, SharedTimers } from '../base/shared-timers.ts';
import { elapsedMs, type Instant, instant } from '../base/sound-clock.ts';
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

/** An extension may come sooner by this share of the ttl: many locks have few timers then, … */
const EARLY_BY = 1 / 64;

/** … unless it rests for less than this share. */
const EARLY_FROM = 1 / 8;

const NO_VOTES: readonly NodeVote[] = [];

export interface AutoExtendTerms {
  /** Milliseconds from now after which the lock is not extended any longer; Infinity for no bound. */
  readonly maxHold: number;
  /** Extends the lock in its own way. Default: by its ttl. */
  readonly extend?: (() => Promise<unknown>) | undefined;
}

/**
 * Extends a lock while a routine runs. It *rests* until half of the ttl is left, then *extends*; if that fails it rests
 * a little and extends again. It *gives up* when so little is left that the lock's signal has to abort while the lock
 * is still valid. It never overlaps two extensions and leaves no step behind.
 *
 * There may be very many: each plans the earliest of its steps alone, and has no timer of its own.
 */
export class AutoExtend implements Planned {
  group: Planned['group'];
  readonly lock: Lock;
  readonly #timers: SharedTimers;
  readonly #terms: AutoExtendTerms;
  /** Undefined where nothing depends on it. */
  readonly #since: Instant | undefined;
  #state: 'resting' | 'watching' | 'stopped' = 'resting';
  #lastVotes = NO_VOTES;

  constructor(lock: Lock, timers: SharedTimers, terms: AutoExtendTerms) {
    this.lock = lock;
    this.#timers = timers;
    this.#terms = terms;
    this.#since = terms.maxHold === Number.POSITIVE_INFINITY ? undefined : instant(timers.clock);
    this.#goOn();
  }

  /** Stops at once. An extension in flight ends by itself and changes nothing any more. */
  stop(): void {
    this.#state = 'stopped';
    this.#timers.drop(this);
  }

  /** Takes the step that is due. */
  step(): void {
    if (this.#state === 'resting') void this.#extend();
    else if (this.#state === 'watching') this.#giveUp();
  }

  /** Plans, after every grant, when to extend next, and when it would be too late. */
  #goOn(): void {
    const remainingMs = this.lock.remainingValidity();
    if (this.#state === 'stopped' || remainingMs <= 0) return;
    const { ttl } = this.lock;
    // A lock that lasts until maxHold needs no extension.
    if (this.#untilLateMs() < this.#untilMaxHoldMs())
      this.#rest(remainingMs - Math.min(ttl * EXTEND_AT, this.#fullValidityMs() * EXTEND_AT_MOST));
    else this.#watch();
  }

  #rest(wantedMs: number): void {
    const restMs = Math.max(wantedMs, SHORTEST_REST_MS);
    const { ttl } = this.lock;
    if (restMs >= this.#untilGivingUpMs()) this.#watch();
    else this.#plan('resting', restMs, restMs < ttl * EARLY_FROM ? 0 : ttl * EARLY_BY);
  }

  #watch(): void {
    this.#plan('watching', this.#untilGivingUpMs());
  }

  async #extend(): Promise<void> {
    this.#watch();
    try {
      await (this.#terms.extend === undefined ? this.lock.extend() : this.#terms.extend());
      this.#goOn();
    } catch (error) {
      if (error instanceof QuorlockError) this.#lastVotes = error.votes;
      const remainingMs = this.lock.remainingValidity();
      if (this.#state !== 'stopped' && remainingMs > 0) this.#rest(remainingMs * TRY_AGAIN_AFTER);
    }
  }

  /** The lock's validity after an extension, in milliseconds: its ttl less the drift allowance. */
  #fullValidityMs(): number {
    return validityMs(this.lock.ttl, 0, leaseOf(this.lock).deps.driftFactor);
  }

  #untilLateMs(): number {
    const { ttl } = this.lock;
    return this.lock.remainingValidity() - Math.min(ttl * GIVE_UP_AT, GIVE_UP_AT_MOST_MS);
  }

  #untilMaxHoldMs(): number {
    const { maxHold } = this.#terms;
    return this.#since === undefined ? maxHold : maxHold - elapsedMs(this.#timers.clock, this.#since);
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
        ? `it was held for its maxHold of ${this.#terms.maxHold} ms`
        : 'no majority extended it in time';
    this.stop();
    const details = { resources: this.lock.resources, votes: this.#lastVotes };
    loseLock(this.lock, () => new LockLostError(why, details));
  }

  #plan(state: 'resting' | 'watching', delayMs: number, earlyMs?: number): void {
    this.#state = state;
    this.#timers.plan(this, delayMs, earlyMs);
  }
}
