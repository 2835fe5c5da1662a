import type { Timeline } from './timeline.ts';

/** The face of one clock: it runs at a rate of its own and can be stepped. All in milliseconds. */
export class ClockFace {
  readonly #timeline: Timeline;
  #sinceMs: number;
  #shownMs: number;
  #rate: number;

  /** @param rate how fast it runs; 1 is true, 0 stands still */
  constructor(timeline: Timeline, shownMs: number, rate = 1) {
    this.#timeline = timeline;
    this.#sinceMs = timeline.nowMs;
    this.#shownMs = shownMs;
    this.#rate = rate;
  }

  read(): number {
    return this.#shownMs + (this.#timeline.nowMs - this.#sinceMs) * this.#rate;
  }

  /** How fast it runs; a change leaves what it shows as it is. */
  get rate(): number {
    return this.#rate;
  }

  set rate(rate: number) {
    this.#shownMs = this.read();
    this.#sinceMs = this.#timeline.nowMs;
    this.#rate = rate;
  }

  /** Sets it forward, or backward by a negative number. */
  step(ms: number): void {
    this.#shownMs += ms;
  }
}
