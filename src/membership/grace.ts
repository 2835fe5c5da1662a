import type { Clock, Timer } from '../base/clock.ts';

/** How long a new deployment waits for the nodes that do not answer yet before the others join one by one. */
const NEW_DEPLOYMENT_GRACE_MS = 3_000;

/** The time that a new-looking deployment gives to nodes that have not been reached, from the first request on. */
export class Grace {
  readonly #clock: Clock;
  readonly #over: () => void;
  #untilMs: number | undefined;
  #timer: Timer | undefined;

  constructor(clock: Clock, over: () => void) {
    this.#clock = clock;
    this.#over = over;
  }

  isLeft(): boolean {
    if (this.#untilMs === undefined) {
      this.#untilMs = this.#clock.uptime() + NEW_DEPLOYMENT_GRACE_MS;
      this.#timer = this.#clock.after(NEW_DEPLOYMENT_GRACE_MS, this.#over, { keepAlive: false });
    }
    return this.#clock.uptime() < this.#untilMs;
  }

  close(): void {
    this.#timer?.cancel();
  }
}
