/*
 * For how long may a holder believe in its lock? The naive answer is the ttl, from the moment of the grant. But a
 * node may have started its clock when the request arrived, long before the answer did, and its clock may run faster.
 * So validity counts from before the request was sent, and the drift allowance is taken off.
 */

import type { Clock } from '../base/clock.ts';
import { elapsedMs, type Instant, type Leaps } from '../base/sound-clock.ts';

/** The precision of Redis's own expiry, in milliseconds, whatever the ttl. */
const EXPIRY_PRECISION_MS = 2;

/**
 * The drift allowance: taken off a ttl because the nodes' clocks and this machine's run at different rates, in
 * milliseconds. It is ⌈ttl × driftFactor⌉ + 2, as in the Redis documentation, "Distributed Locks with Redis".
 */
export function driftMs(ttl: number, driftFactor: number): number {
  return Math.ceil(ttl * driftFactor) + EXPIRY_PRECISION_MS;
}

/** How long a lock is valid once `elapsed` of its ttl is gone, in milliseconds. Not positive: it is not. */
export function validityMs(ttl: number, elapsed: number, driftFactor: number): number {
  return ttl - elapsed - driftMs(ttl, driftFactor);
}

/**
 * The time in which a lock is valid. There is one for every held lock: what all locks of a Redlock share is passed
 * in.
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

  /** Milliseconds left, by the clock that says the least, the nodes' included; not positive once it has ended. */
  remainingMs({ clock, driftFactor }: { readonly clock: Clock; readonly driftFactor: number }): number {
    return this.#ttl - elapsedMs(clock, this) - driftMs(this.#ttl, driftFactor);
  }
}
