/** A reading of a node's TIME, between the two moments of our own clock that enclose it. */
export interface TimeReading {
  readonly timeUs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** What Redis's own expiry may be off by; a node's clock may be as well. */
const TOLERANCE_MS = 2;

/** How far a node's clock went wrong between two readings, in milliseconds: ahead positive, behind negative. */
export interface Divergence {
  readonly byMs: number;
}

/**
 * A node's wall clock as its answers show it: every script answers with the TIME it ran at. Redis expires keys by
 * this clock, so a node whose clock steps or runs at another rate than ours keeps locks too short or too long.
 */
export class NodeTime {
  readonly #driftFactor: number;
  readonly #windowMs: number;
  #last: TimeReading | undefined;
  #aheadUs: number | undefined;
  /** The oldest reading of this window and of the one before: slow drift shows over a long span only. */
  #windowStart: TimeReading | undefined;
  #windowBefore: TimeReading | undefined;

  /**
   * @param driftFactor largest relative error between the node's clock and ours
   * @param windowMs over which span a wrong rate must show: the longest ttl
   */
  constructor(driftFactor: number, windowMs: number) {
    this.#driftFactor = driftFactor;
    this.#windowMs = windowMs;
  }

  /** Takes note of a reading. Returns how far the clock went wrong since earlier ones, if beyond what is allowed. */
  note(reading: TimeReading): Divergence | undefined {
    const earlier = [this.#last, this.#windowStart, this.#windowBefore];
    const divergences = earlier.map((start) =>
      start === undefined ? 0 : this.#divergenceMs(start, reading),
    );
    const byMs = divergences.find((divergence) => divergence !== 0);
    const start = byMs === undefined ? (this.#windowStart ?? reading) : reading;
    if (byMs !== undefined) this.#windowBefore = undefined;
    if (reading.receivedAtMs - start.receivedAtMs > this.#windowMs) {
      this.#windowBefore = start;
      this.#windowStart = reading;
    } else {
      this.#windowStart = start;
    }
    this.#last = reading;
    this.#aheadUs = reading.timeUs - ((reading.sentAtMs + reading.receivedAtMs) / 2) * 1_000;
    return byMs === undefined ? undefined : { byMs };
  }

  /** Forgets what was read: another server process answers from now on. */
  reset(): void {
    this.#last = undefined;
    this.#aheadUs = undefined;
    this.#windowStart = undefined;
    this.#windowBefore = undefined;
  }

  /**
   * The moment in the node's time, in microseconds, that lies `withinMs` after `nowMs`, or later: the time
   * since a reading is counted from when it was asked for, and with the full drift. Undefined before the
   * first reading.
   */
  deadlineUs(nowMs: number, withinMs: number): number | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const elapsedMs = (nowMs - last.sentAtMs) * (1 + this.#driftFactor) + withinMs;
    return last.timeUs + Math.ceil(elapsedMs * 1_000);
  }

  /** The best guess of how far the node's time is ahead of our clock, in microseconds; undefined before the first reading. */
  get aheadUs(): number | undefined {
    return this.#aheadUs;
  }

  #divergenceMs(from: TimeReading, to: TimeReading): number {
    const nodeMs = (to.timeUs - from.timeUs) / 1_000;
    const longestMs = to.receivedAtMs - from.sentAtMs;
    // Negative for readings that were under way at the same time: either may have been the first.
    const shortestMs = to.sentAtMs - from.receivedAtMs;
    const most = longestMs * (1 + this.#driftFactor) + TOLERANCE_MS;
    const least = shortestMs - Math.abs(shortestMs) * this.#driftFactor - TOLERANCE_MS;
    if (nodeMs > most) return nodeMs - longestMs;
    if (nodeMs < least) return nodeMs - shortestMs;
    return 0;
  }
}
