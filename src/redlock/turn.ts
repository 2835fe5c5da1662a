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

/** What the callers of a process do with locks that others wait for, whatever these protect. */
export interface Habits {
  /** For how long the last one that gave one back had had it, in milliseconds. */
  lastHeldMs: number | undefined;
}

/** A turn of a process: it has the lock, and its callers hand it on to each other, until others are to have theirs. */
export class Turn {
  readonly #clock: Clock;
  readonly #habits: Habits;
  #handovers = 0;
  #startedAtMs = 0;
  /** When the turn before ended with a call to another process; undefined: nobody was called. */
  #handedOnAtMs: number | undefined;
  /** Whether nobody else waited when the turn before ended. */
  #isAlone = false;
  /** For how long others had the lock before this turn. */
  #absenceMs = 0;
  #servedAtMs: number | undefined;
  #lastHeldMs: number | undefined;
  /** Whether callers of this process ask again at once after they have given the lock back. */
  comesBack = false;

  constructor(clock: Clock, habits: Habits) {
    this.#clock = clock;
    this.#habits = habits;
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
    if (this.#servedAtMs === undefined) return;
    this.#lastHeldMs = this.#clock.uptime() - this.#servedAtMs;
    this.#habits.lastHeldMs = this.#lastHeldMs;
    this.#servedAtMs = undefined;
  }

  /**
   * For how long the holder is likely to have the lock, in milliseconds: as long as the one before it, or as long as locks
   * are held in this process. Infinite if nobody knows.
   */
  get expectedMs(): number {
    return this.#lastHeldMs ?? this.#habits.lastHeldMs ?? Number.POSITIVE_INFINITY;
  }

  /** Whether it is more than a lock that nobody has waited for, so that there is something to remember. */
  get isOfMany(): boolean {
    return this.#handovers > 0 || this.#lastHeldMs !== undefined || this.#absenceMs > 0 || this.comesBack;
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
