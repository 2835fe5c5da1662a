/**
 * How far each of several clocks has leapt ahead of this machine's since it was first read, all its leaps added up.
 * Never changes: a lock keeps the one of the moment of its request, and compares.
 */
export class Leaps {
  readonly #byClock: readonly number[];
  readonly #quota: number;

  /** @param quota how many clocks must show a time for it to have passed */
  constructor(byClock: readonly number[], quota: number) {
    this.#byClock = byClock;
    this.#quota = quota;
  }

  /** With one more leap of one clock. */
  plus(clock: number, ms: number): Leaps {
    return new Leaps(
      this.#byClock.map((leaptMs, index) => (index === clock ? leaptMs + ms : leaptMs)),
      this.#quota,
    );
  }

  /** The number of milliseconds that at least a quota of the clocks have leapt since an earlier moment. */
  sinceMs(earlier: Leaps): number {
    if (earlier === this) return 0;
    const differences = this.#byClock.map((leaptMs, index) => leaptMs - (earlier.#byClock[index] ?? 0));
    return differences.sort((a, b) => b - a)[this.#quota - 1] ?? 0;
  }
}
