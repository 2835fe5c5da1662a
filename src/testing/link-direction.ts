import type { Timeline } from './timeline.ts';

/** Schedules something after a delay in true time; the far end may get to it later. */
export type Carrier = (delayMs: number, happen: () => void) => void;

/**
 * One direction of one connection. Messages arrive in the order they were sent, as TCP has it, unless they may
 * overtake. A cut direction *holds* its messages until it is restored; a closed one loses them.
 */
export class LinkDirection {
  readonly #carry: Carrier;
  readonly #timeline: Timeline;
  #lastArrivalMs = 0;
  #held: (() => void)[] | undefined;
  #isClosed = false;

  constructor(timeline: Timeline, carry: Carrier) {
    this.#timeline = timeline;
    this.#carry = carry;
  }

  /**
   * @param overtakes whether it may arrive before earlier messages
   */
  send(latencyMs: number, arrive: () => void, overtakes = false): void {
    const { nowMs } = this.#timeline;
    const arrivalMs = overtakes ? nowMs + latencyMs : Math.max(nowMs + latencyMs, this.#lastArrivalMs);
    this.#lastArrivalMs = Math.max(arrivalMs, this.#lastArrivalMs);
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
