import type { Clock } from '../base/clock.ts';

/** Ballots that are held at the same time at most: that keeps every node's calls full, and more would not be faster. */
const MOST_AT_ONCE = 384;

/** As many as that are held at first. */
const FIRST_AT_ONCE = 128;

/** As many as that may always be held. */
const FEWEST_AT_ONCE = 64;

/** So many more after every round of them, … */
const GROWTH = 8;

/** … and half as many after a slow one. A ballot that takes more of its nodes' time than this share shows that too many are held. */
const SLOW = 3 / 4;

/** What goes first where ballots have to wait: what keeps a lock, then what gives one back, then what takes or looks at one. */
const URGENCIES = ['keep', 'give back', 'take'] as const;

/** How urgent a ballot is. */
export type Urgency = (typeof URGENCIES)[number];

interface Waiting {
  readonly begin: () => void;
  next: Waiting | undefined;
}

/** Ballots that wait, first come first served, however many they are. */
class Line {
  #first: Waiting | undefined;
  #last: Waiting | undefined;

  join(begin: () => void): void {
    const waiting: Waiting = { begin, next: undefined };
    if (this.#last === undefined) this.#first = waiting;
    else this.#last.next = waiting;
    this.#last = waiting;
  }

  /** False: nobody waits. */
  beginFirst(): boolean {
    const first = this.#first;
    if (first === undefined) return false;
    this.#first = first.next;
    if (first === this.#last) this.#last = undefined;
    first.begin();
    return true;
  }
}

/**
 * The pace at which a quorum holds ballots, so that a program may ask for any number of them at once: nodes are asked for
 * as many as they, and this process, do well within the time they have, and the others wait here, where no time runs for
 * them. How many that are shows: a few more after every round of them, and half as many after a slow one, after TCP's
 * congestion avoidance (RFC 5681, section 3.1).
 */
export class Pace {
  readonly #clock: Clock;
  readonly #lines = new Map(URGENCIES.map((urgency): [Urgency, Line] => [urgency, new Line()]));
  #atOnce = FIRST_AT_ONCE;
  #held = 0;
  #slowedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Holds a ballot: at once, within this very call, or when it is its turn.
   *
   * @param timeoutMs the time that its nodes have
   */
  run<Result>(urgency: Urgency, timeoutMs: number, hold: () => Promise<Result>): Promise<Result> {
    if (this.#hasRoom) {
      this.#held += 1;
      return this.#run(timeoutMs, hold);
    }
    const turn = new Promise<void>((resolve) => this.#lines.get(urgency)?.join(resolve));
    return turn.then(() => this.#run(timeoutMs, hold));
  }

  get #hasRoom(): boolean {
    return this.#held + 1 <= this.#atOnce;
  }

  #run<Result>(timeoutMs: number, hold: () => Promise<Result>): Promise<Result> {
    const sinceMs = this.#clock.monotonic();
    const ballot = hold();
    const end = () => this.#ended(sinceMs, timeoutMs);
    ballot.then(end, end);
    return ballot;
  }

  #ended(sinceMs: number, timeoutMs: number): void {
    const now = this.#clock.monotonic();
    if (now - sinceMs <= timeoutMs * SLOW) {
      this.#atOnce = Math.min(MOST_AT_ONCE, this.#atOnce + GROWTH / this.#atOnce);
    } else if (sinceMs >= this.#slowedAtMs) {
      this.#slowedAtMs = now;
      this.#atOnce = Math.max(FEWEST_AT_ONCE, this.#atOnce / 2);
    }
    this.#held -= 1;
    while (this.#hasRoom && this.#beginNext()) this.#held += 1;
  }

  #beginNext(): boolean {
    for (const line of this.#lines.values()) if (line.beginFirst()) return true;
    return false;
  }
}
