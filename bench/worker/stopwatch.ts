import { setTimeout as delay } from 'node:timers/promises';

const NS_A_MS = 1_000_000;

/** Milliseconds since a moment that several processes of one machine agreed on. */
export class Stopwatch {
  readonly #startAt: bigint;

  constructor(startAt: bigint) {
    this.#startAt = startAt;
  }

  /** Negative before the start. */
  get ms(): number {
    return Number(process.hrtime.bigint() - this.#startAt) / NS_A_MS;
  }

  /** Resolves at that time, or at once if it is over. */
  async until(ms: number): Promise<void> {
    const left = ms - this.ms;
    if (left > 0) await delay(left);
  }
}
