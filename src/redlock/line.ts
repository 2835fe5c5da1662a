import type { Clock } from '../base/clock.ts';
import { Caller, type CallerEvents } from './caller.ts';
import type { LostAttempt, Wish } from './wish.ts';

/** The callers of one process who want the same lock, in the order in which they asked. */
export class Line {
  readonly #clock: Clock;
  readonly #events: CallerEvents;
  readonly #callers: Caller[] = [];

  constructor(clock: Clock, events: CallerEvents) {
    this.#clock = clock;
    this.#events = events;
  }

  get length(): number {
    return this.#callers.length;
  }

  get first(): Caller | undefined {
    return this.#callers[0];
  }

  join(wish: Wish): Caller {
    const caller = new Caller(wish, this.#clock, this.#events);
    this.#callers.push(caller);
    return caller;
  }

  drop(caller: Caller): void {
    const place = this.#callers.indexOf(caller);
    if (place !== -1) this.#callers.splice(place, 1);
  }

  /** Nobody will get the lock. */
  fail(attempt: LostAttempt): void {
    for (const caller of this.#callers.splice(0)) caller.fail(attempt);
  }

  /** Everybody is told so. */
  crash(reason: unknown): void {
    for (const caller of this.#callers.splice(0)) caller.crash(reason);
  }
}
