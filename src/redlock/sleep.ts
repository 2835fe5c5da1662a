import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import { afterSilenceMs, doubtMs, expiryMs, miscallMs, pauseMs } from './patience.ts';
import type { Place } from './place.ts';
import type { LostAttempt } from './wish.ts';

/** What a contender knows that has asked in vain, and for how long it sleeps therefore. */
export class Sleep {
  readonly #clock: Clock;
  readonly #random: Random;
  #last: LostAttempt = { outcome: 'held', votes: [] };
  /** When the keys of whoever has the lock should have expired, for all that was said; monotonic milliseconds. */
  #expiresAtMs = Number.POSITIVE_INFINITY;
  /** Attempts and doubts since the last call or success. */
  #tries = 0;
  /** Some nodes have called since it last asked, … */
  #hasStirred = false;
  /** … or may have done so without being heard. */
  #hasMissed = false;
  #isSound = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The last attempt. */
  get lastLost(): LostAttempt {
    return this.#last;
  }

  /** It asks. */
  asks(): void {
    this.#isSound = false;
    this.#hasStirred = false;
    this.#hasMissed = false;
  }

  /** It has asked in vain. */
  lost(attempt: LostAttempt): void {
    this.#last = attempt;
    this.#tries += 1;
    this.#isSound = attempt.outcome === 'held' && !this.#hasStirred && !this.#hasMissed;
    this.#expiresAtMs = this.#clock.uptime() + expiryMs(attempt.votes, this.#random);
  }

  /** Some node has called. */
  stir(): void {
    this.#isSound = false;
    this.#hasStirred = true;
  }

  /** Calls of some nodes may have been lost. */
  missed(): void {
    this.#isSound = false;
    this.#hasMissed = true;
  }

  /** Enough nodes have called, or it has the lock. */
  heartened(): void {
    this.#tries = 0;
  }

  /** Whether nothing speaks against it that it sleeps on: then one node is enough to be asked. */
  get isSound(): boolean {
    return this.#isSound && this.#clock.uptime() < this.#expiresAtMs;
  }

  /** Asks one node whether there is a reason to sleep on. */
  async isReassured(place: Place): Promise<boolean> {
    const isInQueue = await place.isInQueue();
    if (isInQueue) this.#tries += 1;
    return isInQueue;
  }

  /**
   * Milliseconds for which to sleep where nodes call: until the lock may be free without a call, or it doubts.
   *
   * @param sleepers how many sleep in this process: together they doubt no more often than once in a few milliseconds
   */
  untilDoubtMs(sleepers: number): number {
    if (this.#hasMissed) return afterSilenceMs(this.#random);
    const { votes } = this.#last;
    const untilExpiryMs = Math.max(0, this.#expiresAtMs - this.#clock.uptime());
    return Math.min(untilExpiryMs, doubtMs(votes, this.#tries, sleepers, this.#random));
  }

  /** Milliseconds until it asks again where nodes do not call. */
  get pauseMs(): number {
    return pauseMs(this.#last.votes, this.#tries, this.#random);
  }

  /** Milliseconds for which it waits for more nodes to call, when nobody seems to be called by a majority. */
  get miscallMs(): number {
    return miscallMs(this.#tries, this.#random);
  }
}
