import type { Clock, Timer } from '../base/clock.ts';

/** A timer that is only ever moved forward. */
export class Alarm {
  readonly #clock: Clock;
  readonly #ring: () => void;
  #set: { readonly timer: Timer; readonly atMs: number; readonly keepAlive: boolean } | undefined;

  constructor(clock: Clock, ring: () => void) {
    this.#clock = clock;
    this.#ring = ring;
  }

  /**
   * Rings in so many milliseconds, unless it is going to sooner.
   *
   * @param keepAlive whether the process has to stay for it
   */
  within(delayMs: number, keepAlive: boolean): void {
    const atMs = this.#clock.uptime() + delayMs;
    if (this.#set !== undefined && this.#set.atMs <= atMs && this.#set.keepAlive === keepAlive) return;
    this.cancel();
    const timer = this.#clock.after(
      delayMs,
      () => {
        this.#set = undefined;
        this.#ring();
      },
      { keepAlive },
    );
    this.#set = { timer, atMs, keepAlive };
  }

  cancel(): void {
    this.#set?.timer.cancel();
    this.#set = undefined;
  }
}
