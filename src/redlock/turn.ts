import type { Clock } from '../base/clock.ts';

/** So many locks are handed on within the process in one turn, whoever asks; other processes wait for their turn. */
const FREE_HANDOVERS = 7;

/**
 * Callers that had asked when the turn began get their lock in it, or any where the turn before called nobody, but no more of
 * them than this, …
 */
const MOST_HANDOVERS = 31;

/** … and none whose lock would begin this many milliseconds after the turn. */
const LONGEST_TURN_MS = 100;

/** Who had the lock back sooner than that, the last time, does not step back: it might come too late to be called. */
const SHORTEST_ABSENCE_MS = 5;

/** A turn of a process: it has the lock, and its callers hand it on to each other, until others are to have theirs. */
export class Turn {
  readonly #clock: Clock;
  #handovers = 0;
  #startedAtMs = 0;
  /** When the turn before ended with a call to another process; undefined: nobody was called. */
  #handedOnAtMs: number | undefined;
  /** Whether nobody else waited when the turn before ended. */
  #isAlone = false;
  /** For how long others had the lock before this turn. */
  #absenceMs = 0;
  #servedAtMs: number | undefined;
  #lastHeldMs = Number.POSITIVE_INFINITY;
  /** Whether callers of this process ask again at once after they have given the lock back. */
  comesBack = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The lock was got from elsewhere. */
  begin(): void {
    this.#handovers = 0;
    this.#startedAtMs = this.#clock.uptime();
    this.#absenceMs = this.#handedOnAtMs === undefined ? 0 : this.#startedAtMs - this.#handedOnAtMs;
  }

  /** One more caller of this process has it. */
  goOn(): void {
    this.#handovers += 1;
  }

  /** A caller has the lock from now on. */
  served(): void {
    this.#servedAtMs = this.#clock.uptime();
  }

  /** It gives the lock back. */
  givenBack(): void {
    if (this.#servedAtMs !== undefined) this.#lastHeldMs = this.#clock.uptime() - this.#servedAtMs;
    this.#servedAtMs = undefined;
  }

  /** For how long the caller before had the lock, in milliseconds; infinite if nobody knows. */
  get lastHeldMs(): number {
    return this.#lastHeldMs;
  }

  /** Whether it is more than a lock that nobody has waited for, so that there is something to remember. */
  get isOfMany(): boolean {
    const isKnown = this.#lastHeldMs < Number.POSITIVE_INFINITY;
    return this.#handovers > 0 || isKnown || this.#absenceMs > 0 || this.comesBack;
  }

  /** Whether the next caller of this process, who asked at that time, may go before those of others. */
  includes(askedAtMs: number): boolean {
    if (this.#clock.uptime() - this.#startedAtMs >= LONGEST_TURN_MS) return false;
    if (this.#handovers < FREE_HANDOVERS) return true;
    return this.#handovers < MOST_HANDOVERS && (this.#isAlone || askedAtMs <= this.#startedAtMs);
  }

  /** Whether, now that it ends, others will have the lock for long enough that there is no hurry to ask for it again. */
  get isFarFromNext(): boolean {
    return this.#absenceMs >= SHORTEST_ABSENCE_MS;
  }

  /** It ended with a call to another process at that time, or without one. */
  ended(handedOnAtMs: number | undefined): void {
    this.#handedOnAtMs = handedOnAtMs;
    this.#isAlone = handedOnAtMs === undefined;
    if (handedOnAtMs === undefined) this.#absenceMs = 0;
  }
}
