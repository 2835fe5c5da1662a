/*
 * How long may a node take to answer? A fixed time is too short for a far node, which then never votes, or so long
 * that a hung one delays each call. So the time is measured for each node, as TCP measures its round trips (RFC
 * 6298).
 */

/** The least time that a node has to answer, however fast it has been, unless nodeTimeout says otherwise. */
export const SHORTEST_TIMEOUT_MS = 50;

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
  #notedAtMs = Number.NEGATIVE_INFINITY;

  constructor(leastMs: number) {
    this.#leastMs = leastMs;
    this.timeoutMs = leastMs;
  }

  /** The smoothed round trip, in milliseconds. */
  get roundTripMs(): number {
    return this.#trip.ms;
  }

  note(keys: number, sentAtMs: number, nowMs: number): void {
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
