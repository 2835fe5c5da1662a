import type { Clock, Timer } from '../base/clock.ts';
import { Leaps } from '../base/leaps.ts';
import { platform } from '../base/platform.ts';
import { majorityOf } from './tally.ts';

/**
 * The clocks of this machine, and what the nodes say against them. A host that was stopped from outside (a virtual
 * machine that was paused, or restored from a snapshot) has no clock that counted. Where the clocks of a majority of
 * nodes were set forward, keys there have ended early. Either way the nodes are right: keys expire by their clocks.
 */
export class QuorumClock implements Clock {
  readonly #clock: Clock;
  readonly #listeners = new Set<() => void>();
  #leaps: Leaps;
  #isTelling = false;

  constructor(clock: Clock, size: number) {
    this.#clock = clock;
    this.#leaps = new Leaps(new Array<number>(size).fill(0), majorityOf(size));
  }

  get leaps(): Leaps {
    return this.#leaps;
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  wall(): number {
    return this.#clock.wall();
  }

  uptime(): number {
    return this.#clock.uptime();
  }

  after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer {
    return this.#clock.after(delayMs, callback, options);
  }

  /** Calls `listener`, soon, whenever a node's clock has leapt. Returns a function that stops it. */
  onLeap(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** A node's clock is at most so many milliseconds ahead of what it should be by this machine's clocks. */
  leapt(node: number, ms: number): void {
    this.#leaps = this.#leaps.plus(node, ms);
    if (this.#isTelling) return;
    this.#isTelling = true;
    // The caller has read only the time of an answer yet, not the rest.
    platform.queueMicrotask(() => {
      this.#isTelling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }
}
