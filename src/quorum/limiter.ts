import type { Clock } from '../base/clock.ts';

/**
 * The most rounds at the same time: so many keep every node's calls full, and more would not be faster. A round over
 * several keys counts as that many.
 */
const MOST_AT_ONCE = 384;

/** The bound at first. */
const FIRST_AT_ONCE = 128;

/** The bound never falls below this. */
const FEWEST_AT_ONCE = 64;

/** The bound grows by this much after as many rounds as it allows, … */
const GROWTH = 8;

/** … and halves after a slow round: one that takes more of its nodes' time than this share. */
const SLOW = 3 / 4;

/** Waiting rounds go in this order: those that keep a lock, those that release one, those that take or look at one. */
const PRIORITIES = ['keep', 'release', 'take'] as const;

/** How urgent a round is. */
export type Priority = (typeof PRIORITIES)[number];

interface Waiting {
  readonly weight: number;
  readonly begin: () => void;
  next: Waiting | undefined;
}

/** Rounds that wait, first come first served, however many they are. */
class Fifo {
  #first: Waiting | undefined;
  #last: Waiting | undefined;

  join(weight: number, begin: () => void): void {
    const waiting: Waiting = { weight, begin, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
  }

  /** The weight of the first one; undefined: none waits. */
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
 * Limits the rounds of a quorum that run at the same time, so that a program may start any number at once. The nodes,
 * and this process, get as many as they finish well within the time they have. The others wait here, where no time runs
 * for them. The bound adapts: a little higher after every full set of rounds, and half as high after a slow one, after
 * TCP's congestion avoidance (RFC 5681, section 3.1).
 */
export class Limiter {
  readonly #clock: Clock;
  readonly #lines = new Map(PRIORITIES.map((priority): [Priority, Fifo] => [priority, new Fifo()]));
  #atOnce = FIRST_AT_ONCE;
  #held = 0;
  #waiting = 0;
  #slowedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Runs a round: at once, within this very call, or when it is its turn.
   *
   * @param timeoutMs the time that its nodes have
   * @param weight the number of its keys
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

  /** Whether a round that is as urgent waits already. */
  #isBehind(priority: Priority): boolean {
    if (this.#waiting === 0) return false;
    for (const [each, line] of this.#lines) {
      if (line.firstWeight !== undefined) return true;
      if (each === priority) return false;
    }
    return false;
  }

  /** One that weighs more than the bound runs alone. */
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
      // A less urgent round does not pass.
      if (!this.#hasRoomFor(weight)) return false;
      this.#held += weight;
      this.#waiting -= 1;
      line.beginFirst();
      return true;
    }
    return false;
  }
}
