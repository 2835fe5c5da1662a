import type { Clock } from '../base/clock.ts';

/**
 * Rounds that are held at the same time at most: that keeps every node's calls full, and more would not be faster. One over
 * several keys counts as that many.
 */
const MOST_AT_ONCE = 384;

/** As many as that are held at first. */
const FIRST_AT_ONCE = 128;

/** As many as that may always be held. */
const FEWEST_AT_ONCE = 64;

/** So many more after every round of them, … */
const GROWTH = 8;

/** … and half as many after a slow one. A round that takes more of its nodes' time than this share shows that too many are held. */
const SLOW = 3 / 4;

/** What goes first where rounds have to wait: what keeps a lock, then what gives one back, then what takes or looks at one. */
const PRIORITIES = ['keep', 'release', 'take'] as const;

/** How urgent a round is. */
export type Priority = (typeof PRIORITIES)[number];

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
  next: Waiting | undefined;
}

/** Rounds that wait, first come first served, however many they are. */
class Line {
  #first: Waiting | undefined;
  #last: Waiting | undefined;

  join(weight: number, begin: () => void): void {
    const waiting: Waiting = { weight, begin, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
  }

  /** What the first one weighs; undefined: nobody waits. */
  get firstWeight(): number | undefined {
    return this.#first?.weight;
  }

  beginFirst(): void {
    const first = this.#first;
    if (first === undefined) return;
    this.#first = first.next;
    if (first === this.#last) this.#last = undefined;
    first.begin();
  }
}

/**
 * The pace at which a quorum holds rounds, so that a program may ask for any number of them at once: nodes are asked for
 * as many as they, and this process, do well within the time they have, and the others wait here, where no time runs for
 * them. How many that are shows: a few more after every round of them, and half as many after a slow one, after TCP's
 * congestion avoidance (RFC 5681, section 3.1).
 */
export class Limiter {
  readonly #clock: Clock;
  readonly #lines = new Map(PRIORITIES.map((priority): [Priority, Line] => [priority, new Line()]));
  #atOnce = FIRST_AT_ONCE;
  #held = 0;
  #waiting = 0;
  #slowedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Holds a round: at once, within this very call, or when it is its turn.
   *
   * @param timeoutMs the time that its nodes have
   * @param weight over how many keys it is
   */
  run<Result>(
    priority: Priority,
    timeoutMs: number,
    hold: () => Promise<Result>,
    weight = 1,
  ): Promise<Result> {
    if (this.#hasRoomFor(weight) && !this.#isBehind(priority)) {
      this.#held += weight;
      return this.#run(timeoutMs, hold, weight);
    }
    this.#waiting += 1;
    const turn = new Promise<void>((resolve) => this.#lines.get(priority)?.join(weight, resolve));
    return turn.then(() => this.#run(timeoutMs, hold, weight));
  }

  /** Whether somebody waits, for more room, whose round is as urgent. */
  #isBehind(priority: Priority): boolean {
    if (this.#waiting === 0) return false;
    for (const [each, line] of this.#lines) {
      if (line.firstWeight !== undefined) return true;
      if (each === priority) return false;
    }
    return false;
  }

  /** One that weighs more than all that may be held at once is held alone. */
  #hasRoomFor(weight: number): boolean {
    return this.#held + weight <= this.#atOnce || this.#held === 0;
  }

  #run<Result>(timeoutMs: number, hold: () => Promise<Result>, weight: number): Promise<Result> {
    const sinceMs = this.#clock.monotonic();
    const round = hold();
    const end = () => this.#ended(sinceMs, timeoutMs, weight);
    round.then(end, end);
    return round;
  }

  #ended(sinceMs: number, timeoutMs: number, weight: number): void {
    const now = this.#clock.monotonic();
    if (now - sinceMs <= timeoutMs * SLOW) {
      this.#atOnce = Math.min(MOST_AT_ONCE, this.#atOnce + (GROWTH * weight) / this.#atOnce);
    } else if (sinceMs >= this.#slowedAtMs) {
      this.#slowedAtMs = now;
      this.#atOnce = Math.max(FEWEST_AT_ONCE, this.#atOnce / 2);
    }
    this.#held -= weight;
    while (this.#beginNext());
  }

  #beginNext(): boolean {
    for (const line of this.#lines.values()) {
      const weight = line.firstWeight;
      if (weight === undefined) continue;
      // What is less urgent does not pass.
      if (!this.#hasRoomFor(weight)) return false;
      this.#held += weight;
      this.#waiting -= 1;
      line.beginFirst();
      return true;
    }
    return false;
  }
}
