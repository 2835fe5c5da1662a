/*
 * Nodes expire keys by their wall clocks, which are set and drift. The naive answer is to trust them. Then a clock
 * that steps ahead gives a held lock away, unnoticed. So every answer carries the node's TIME, which is compared with
 * this machine's monotonic clock.
 */

/** A reading of a node's TIME, between the two moments of the monotonic clock that enclose it. */
export interface TimeReading {
  readonly timeUs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** The precision of Redis's own expiry; a node's clock may be off by as much. */
const TOLERANCE_MS = 2;

/** How far a node's clock went wrong between two readings. All in milliseconds. */
export interface Divergence {
  /** At the least; ahead positive, behind negative. */
  readonly byMs: number;
  /** How far it may be ahead, if it is, at the most: an answer takes its time. */
  readonly mostAheadMs: number;
  /** The time between the two readings by the monotonic clock, at the most. */
  readonly withinMs: number;
}

/** A reading, and how far the host's uptime was ahead by then: see {@link NodeClock.note}. */
interface Known extends TimeReading {
  readonly jumpedMs: number;
}

/**
 * A node's wall clock as its answers show it. Where it steps, or runs at another rate, locks are kept too short or
 * too long.
 */
export class NodeClock {
  readonly #driftFactor: number;
  #last: TimeReading | undefined;
  #aheadUs: number | undefined;
  /** Of all readings since the clock last went wrong, the one that gives the lower bound of how far it is ahead now. */
  #least: Known | undefined;
  /** … and the one that gives the upper bound. */
  #most: Known | undefined;

  /** @param driftFactor largest relative error between the node's clock and this machine's */
  constructor(driftFactor: number) {
    this.#driftFactor = driftFactor;
  }

  /**
   * Notes a reading. Returns how far the clock went wrong beyond the allowance; the measurement begins anew then.
   * @param jumpedMs how far this host's uptime is ahead of its monotonic clock: a node that agrees with one of them
   * is not to blame
   */
  note(reading: TimeReading, jumpedMs = 0): Divergence | undefined {
    // The server's TIME is checked already; a failing clock of this process must not spoil all readings to come.
    if (!Number.isFinite(reading.sentAtMs) || !Number.isFinite(reading.receivedAtMs)) return undefined;
    const { timeUs, sentAtMs, receivedAtMs } = reading;
    const known: Known = { timeUs, sentAtMs, receivedAtMs, jumpedMs };
    const divergence = this.#divergenceOf(known);
    this.#last = known;
    this.#aheadUs = timeUs - ((sentAtMs + receivedAtMs) / 2) * 1_000;
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
   * The node's time, in microseconds, that lies `withinMs` after `nowMs` or later: with the full drift, from when the
   * client asked for the last reading. Undefined before the first.
   */
  deadlineUs(nowMs: number, withinMs: number): number | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const elapsedMs = (nowMs - last.sentAtMs) * (1 + this.#driftFactor) + withinMs;
    return last.timeUs + Math.ceil(elapsedMs * 1_000);
  }

  /** How far the node's time is ahead of the monotonic clock, in microseconds, at best guess; undefined: unknown. */
  get aheadUs(): number | undefined {
    return this.#aheadUs;
  }

  #divergenceOf(to: Known): Divergence | undefined {
    const least = this.#least;
    const most = this.#most;
    if (least === undefined || most === undefined) return undefined;
    // At least the time from the first reading's arrival to the second one's departure has passed. It is negative for
    // readings that were in flight at the same time: either may have been the first.
    const passedMs = (to.timeUs - least.timeUs) / 1_000;
    const longestMs = to.receivedAtMs - least.sentAtMs;
    if (passedMs > longestMs * (1 + this.#driftFactor) + TOLERANCE_MS) {
      const shortestMs = to.sentAtMs - least.receivedAtMs;
      return { byMs: passedMs - longestMs, mostAheadMs: passedMs - shortestMs, withinMs: longestMs };
    }
    const nodeMs = (to.timeUs - most.timeUs) / 1_000;
    const shortestMs = to.sentAtMs - most.receivedAtMs - (to.jumpedMs - most.jumpedMs);
    if (nodeMs < shortestMs - Math.abs(shortestMs) * this.#driftFactor - TOLERANCE_MS) {
      return { byMs: nodeMs - shortestMs, mostAheadMs: 0, withinMs: to.receivedAtMs - most.sentAtMs };
    }
    return undefined;
  }

  /** How far the node was ahead at a reading, at the most, less what drift may have added since. */
  #mostAheadMs({ timeUs, sentAtMs }: Known): number {
    return timeUs / 1_000 - sentAtMs * (1 + this.#driftFactor);
  }

  /** How far it was ahead, at the least, and what drift may have taken since. */
  #leastAheadMs({ timeUs, receivedAtMs, jumpedMs }: Known): number {
    return timeUs / 1_000 - (receivedAtMs - jumpedMs) * (1 - this.#driftFactor);
  }
}
