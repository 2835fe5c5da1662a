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
  /** How far the node was ahead at this reading, at the most, less what drift may have added since. */
  readonly mostAheadMs: number;
  /** How far it was ahead, at the least, and what drift may have taken since. */
  readonly leastAheadMs: number;
}

/**
 * A node's wall clock as its answers show it. Where it steps, or runs at another rate, locks are kept too short or
 * too long.
 */
export class NodeClock {
  readonly #driftFactor: number;
  #last: TimeReading | undefined;
  /** How far the node's time is ahead of the monotonic clock, in microseconds, at best guess; undefined: unknown. */
  aheadUs: number | undefined;
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
    const timeMs = timeUs / 1_000;
    const to: Known = {
      timeUs,
      sentAtMs,
      receivedAtMs,
      jumpedMs,
      mostAheadMs: timeMs - sentAtMs * (1 + this.#driftFactor),
      leastAheadMs: timeMs - (receivedAtMs - jumpedMs) * (1 - this.#driftFactor),
    };
    const least = this.#least;
    const most = this.#most;
    this.#last = to;
    this.aheadUs = timeUs - ((sentAtMs + receivedAtMs) / 2) * 1_000;
    const divergence =
      least === undefined || most === undefined ? undefined : this.#divergenceOf(to, least, most);
    if (divergence !== undefined || least === undefined || to.mostAheadMs <= least.mostAheadMs)
      this.#least = to;
    if (divergence !== undefined || most === undefined || to.leastAheadMs >= most.leastAheadMs)
      this.#most = to;
    return divergence;
  }

  /** Forgets what was read: another server process answers from now on. */
  reset(): void {
    this.#last = undefined;
    this.aheadUs = undefined;
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

  #divergenceOf(to: Known, least: Known, most: Known): Divergence | undefined {
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
}

/*
 * And how long may a node take to answer? A fixed time is too short for a far node, which then never votes, or so long
 * that a hung one delays each call. So the time is measured for each node, as TCP measures its round trips (RFC
 * 6298).
 */

/** The least time that a node has to answer, however fast it has been, unless nodeTimeout says otherwise. */
export const SHORTEST_TIMEOUT_MS = 50;

/** How long a node has that has answered no operation yet (RFC 6298, 2.1): a process that has just started is slow itself. */
const FIRST_TIMEOUT_MS = 1_000;

/** How many milliseconds more it has for each key that it is asked about, until that has been measured. */
const FIRST_KEY_MS = 0.05;

/** Calls over at least this number of keys tell how long a key takes. Calls over fewer tell how long the way is. */
const MANY_KEYS = 64;

/** One answer counts for at most this multiple of what the node had: a single long pause says little of the next. */
const MOST_TIMES = 4;

/** A time that is measured again and again: its smoothed value and variation, by RFC 6298, section 2. */
class Smoothed {
  ms = 0;
  /** What the next one takes at most, as a rule: the retransmission timeout of the RFC. */
  mostMs = 0;
  #variationMs = 0;
  #isKnown = false;

  note(ms: number): void {
    this.#variationMs = this.#isKnown ? (3 * this.#variationMs + Math.abs(this.ms - ms)) / 4 : ms / 2;
    this.ms = this.#isKnown ? (7 * this.ms + ms) / 8 : ms;
    this.mostMs = this.ms + 4 * this.#variationMs;
    this.#isKnown = true;
  }
}

/**
 * How long a node takes to answer, and therefore has: the time of two round trips, since an operation may wait for
 * the call before it. Answers that come too late to be a reply count.
 */
export class ResponseTime {
  /** How long the node has for a few keys, in milliseconds. */
  timeoutMs: number;
  /** How much longer for each of many keys. */
  keyMs = FIRST_KEY_MS;
  readonly #trip = new Smoothed();
  readonly #key = new Smoothed();
  readonly #leastMs: number;
  #hasAnswered = false;
  #notedAtMs = Number.NEGATIVE_INFINITY;

  constructor(leastMs: number) {
    this.#leastMs = leastMs;
    this.timeoutMs = leastMs;
  }

  /** The smoothed round trip, in milliseconds. */
  get roundTripMs(): number {
    return this.#trip.ms;
  }

  /** How long it has for the first call on a connection, which may bring the script along. */
  get firstTimeoutMs(): number {
    return Math.max(2 * this.timeoutMs, this.#hasAnswered ? 0 : FIRST_TIMEOUT_MS);
  }

  /** Notes an answer; one about no keys is a handshake's. */
  note(keys: number, sentAtMs: number, nowMs: number): void {
    if (keys > 0) this.#hasAnswered = true;
    // One measurement a round trip: calls in flight at the same time say the same. A failing clock says nothing.
    if (!(sentAtMs >= this.#notedAtMs) || !Number.isFinite(nowMs)) return;
    this.#notedAtMs = nowMs;
    const tookMs = Math.min(nowMs - sentAtMs, MOST_TIMES * (this.timeoutMs + keys * this.keyMs));
    if (keys < MANY_KEYS) {
      this.#trip.note(tookMs);
      this.timeoutMs = Math.max(this.#leastMs, Math.ceil(this.#trip.ms + this.#trip.mostMs));
    } else {
      this.#key.note(Math.max(0, tookMs - this.#trip.ms) / keys);
      this.keyMs = this.#key.mostMs;
    }
  }
}
