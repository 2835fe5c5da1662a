import type { Random } from '../base/random.ts';
import type { Timeline } from './timeline.ts';

/** How long what is sent takes: drawn evenly from this range, in milliseconds. */
export interface Latency {
  readonly least: number;
  readonly most: number;
}

export function drawLatency({ least, most }: Latency, random: Random): number {
  return least + (most - least) * random.fraction();
}

/** Has something happen after a delay in true time; the far end may have its own idea of when it gets to it. */
export type Carrier = (delayMs: number, happen: () => void) => void;

/**
 * One direction of one connection. What is sent arrives in the order it was sent, as TCP has it. A cut lane *holds*
 * what is on the way until it is mended; a closed one loses it.
 */
export class Lane {
  readonly #carry: Carrier;
  readonly #timeline: Timeline;
  #lastArrivalMs = 0;
  #held: (() => void)[] | undefined;
  #isClosed = false;

  constructor(timeline: Timeline, carry: Carrier) {
    this.#timeline = timeline;
    this.#carry = carry;
  }

  send(latencyMs: number, arrive: () => void): void {
    const { nowMs } = this.#timeline;
    const arrivalMs = Math.max(nowMs + latencyMs, this.#lastArrivalMs);
    this.#lastArrivalMs = arrivalMs;
    this.#carry(arrivalMs - nowMs, () => this.#arrived(arrive));
  }

  cut(): void {
    this.#held ??= [];
  }

  mend(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const arrive of held) this.send(0, arrive);
  }

  close(): void {
    this.#isClosed = true;
    this.#held = undefined;
  }

  #arrived(arrive: () => void): void {
    if (this.#isClosed) return;
    if (this.#held === undefined) arrive();
    else this.#held.push(arrive);
  }
}
