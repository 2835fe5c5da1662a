import { type Clock, elapsedMs, type Instant } from '../base/clock.ts';

/** What Redis's own expiry may be off by, in milliseconds, whatever the ttl. */
const EXPIRY_PRECISION_MS = 2;

/**
 * What is taken off a ttl because the nodes' clocks and ours run at different rates, in milliseconds:
 * ⌈ttl × driftFactor⌉ + 2, as in the Redis documentation, "Distributed Locks with Redis".
 */
export function driftMs(ttl: number, driftFactor: number): number {
  return Math.ceil(ttl * driftFactor) + EXPIRY_PRECISION_MS;
}

/** How long a lock is good for once `elapsed` of its ttl is gone, in milliseconds. Not positive: it is not. */
export function validityMs(ttl: number, elapsed: number, driftFactor: number): number {
  return ttl - elapsed - driftMs(ttl, driftFactor);
}

/** A stretch of time in which a lock is good, counted from before its request was sent. */
export class Validity {
  readonly #clock: Clock;
  readonly #startedAt: Instant;
  readonly #ttl: number;
  readonly #driftFactor: number;

  constructor(clock: Clock, startedAt: Instant, ttl: number, driftFactor: number) {
    this.#clock = clock;
    this.#startedAt = startedAt;
    this.#ttl = ttl;
    this.#driftFactor = driftFactor;
  }

  /** Milliseconds left, by whichever clock says the least; not positive once it has ended. */
  remainingMs(): number {
    return validityMs(this.#ttl, elapsedMs(this.#clock, this.#startedAt), this.#driftFactor);
  }
}
