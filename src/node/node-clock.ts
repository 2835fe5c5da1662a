/** A reading of a node's TIME, between the two moments of our own clock that enclose it. */
export interface TimeReading {
  readonly timeUs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** What Redis's own expiry may be off by; a node's clock may be as well. */
const TOLERANCE_MS = 2;

/** How far a node's clock went wrong between two readings. All in milliseconds. */
export interface Divergence {
  /** At the least; ahead positive, behind negative. */
  readonly byMs: number;
  /** How far it may be ahead, if it is, at the most: an answer takes its time. */
  readonly mostAheadMs: number;
  /** How long the time between the two readings was by our own clock, at the most. */
  readonly withinMs: number;
}

/** A reading, and how far our own uptime was ahead by then: see {@link NodeClock.note}. */
interface Known extends TimeReading {
  readonly jumpedMs: number;
}

/**
 * A node's wall clock as its answers show it: every script answers with the TIME it ran at. Redis expires keys by
 * this clock, so a node whose clock steps or runs at another rate than ours keeps locks too short or too long.
 */
export class NodeClock {
  readonly #driftFactor: number;
  #last: TimeReading | undefined;
  #aheadUs: number | undefined;
  /** Of all readings since the clock last went wrong the one that says, by what drift allows, that it is least ahead now. */
  #least: Known | undefined;
  /** … and the one that says that it is most ahead. */
  #most: Known | undefined;

  /** @param driftFactor largest relative error between the node's clock and ours */
  constructor(driftFactor: number) {
    this.#driftFactor = driftFactor;
  }

  /**
   * Takes note of a reading. Returns how far the clock went wrong since earlier ones, if beyond what is allowed. It is
   * measured anew from then on.
   *
   * @param jumpedMs how far our uptime is ahead of our monotonic clock. It is if the host was suspended, or if the uptime is
   *   wrong: a node that agrees with either of the two is not to blame
   */
  note(reading: TimeReading, jumpedMs = 0): Divergence | undefined {
    // The server's TIME is checked already; a clock of this process that fails must not spoil all readings to come.
    if (!Number.isFinite(reading.sentAtMs) || !Number.isFinite(reading.receivedAtMs)) return undefined;
    const known: Known = { ...reading, jumpedMs };
    const divergence = this.#divergenceOf(known);
    this.#last = reading;
    this.#aheadUs = reading.timeUs - ((reading.sentAtMs + reading.receivedAtMs) / 2) * 1_000;
    if (divergence !== undefined || this.#least === undefined || this.#most === undefined) {
      this.#least = known;
      this.#most = known;
      return divergence;
    }
    if (this.#mostAheadMs(known) <= this.#mostAheadMs(this.#least)) this.#least = known;
    if (this.#leastAheadMs(known) >= this.#leastAheadMs(this.#most)) this.#most = known;
    return undefined;
  }

  /** Forgets what was read: another server process answers from now on. */
  reset(): void {
    this.#last = undefined;
    this.#aheadUs = undefined;
    this.#least = undefined;
    this.#most = undefined;
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

  #divergenceOf(to: Known): Divergence | undefined {
    if (this.#least === undefined || this.#most === undefined) return undefined;
    const since = spanOf(this.#least, to);
    if (since.nodeMs > since.longestMs * (1 + this.#driftFactor) + TOLERANCE_MS) {
      const { nodeMs, longestMs, shortestMs } = since;
      return { byMs: nodeMs - longestMs, mostAheadMs: nodeMs - shortestMs, withinMs: longestMs };
    }
    const span = spanOf(this.#most, to);
    const { nodeMs, longestMs } = span;
    const shortestMs = span.shortestMs - (to.jumpedMs - this.#most.jumpedMs);
    if (nodeMs < shortestMs - Math.abs(shortestMs) * this.#driftFactor - TOLERANCE_MS) {
      return { byMs: nodeMs - shortestMs, mostAheadMs: 0, withinMs: longestMs };
    }
    return undefined;
  }

  /** How far the node may have been ahead of our clock at a reading, less what drift may have added since. */
  #mostAheadMs({ timeUs, sentAtMs }: Known): number {
    return timeUs / 1_000 - sentAtMs * (1 + this.#driftFactor);
  }

  /** How far it must have been, and what drift may have taken since. */
  #leastAheadMs({ timeUs, receivedAtMs, jumpedMs }: Known): number {
    return timeUs / 1_000 - (receivedAtMs - jumpedMs) * (1 - this.#driftFactor);
  }
}

/** What lies between two readings, by the node's clock and by ours. */
function spanOf(from: Known, to: Known) {
  return {
    nodeMs: (to.timeUs - from.timeUs) / 1_000,
    longestMs: to.receivedAtMs - from.sentAtMs,
    // Negative for readings that were under way at the same time: either may have been the first.
    shortestMs: to.sentAtMs - from.receivedAtMs,
  };
}
