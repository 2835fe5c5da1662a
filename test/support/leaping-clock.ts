import type { Clock, Timer } from '../../src/base/clock.ts';

/** The clocks of a program, all of which leap together when they are told to; its timers do not. */
export class LeapingClock implements Clock {
  readonly #clock: Clock;
  #aheadMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  leap(ms: number): void {
    this.#aheadMs += ms;
  }

  monotonic(): number {
    return this.#clock.monotonic() + this.#aheadMs;
  }

  wall(): number {
    return this.#clock.wall() + this.#aheadMs;
  }

  uptime(): number {
    return this.#clock.uptime() + this.#aheadMs;
  }

  after(delayMs: number, callback: () => void, options?: { readonly keepAlive: boolean }): Timer {
    return this.#clock.after(delayMs, callback, options);
  }
}
