import { type Clock, elapsedMs, type Instant } from '../base/clock.ts';
import type { Leaps } from '../base/leaps.ts';

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

/**
 * A stretch of time in which a lock is good, counted from before its request was sent. There is one for every lock that
 * is held: it has the moment in itself, and is told what all locks of a Redlock have in common.
 */
export class Validity implements Instant {
  readonly monotonic: number;
  readonly wall: number;
  readonly uptime: number;
  readonly leaps: Leaps | undefined;
  readonly #ttl: number;

  constructor({ monotonic, wall, uptime, leaps }: Instant, ttl: number) {
    this.monotonic = monotonic;
    this.wall = wall;
    this.uptime = uptime;
    this.leaps = leaps;
    this.#ttl = ttl;
  }

  /** Milliseconds left, by whichever clock says the least, the nodes' included; not positive once it has ended. */
  remainingMs({ clock, driftFactor }: { readonly clock: Clock; readonly driftFactor: number }): number {
    return validityMs(this.#ttl, elapsedMs(clock, this), driftFactor);
  }
}
