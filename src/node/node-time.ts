/** A reading of a node's TIME, between the two moments of our monotonic clock that enclose it. */
interface Sample {
  readonly timeUs: number;
  readonly sentAtMs: number;
  readonly receivedAtMs: number;
}

/** A node's wall clock as its answers show it: every script answers with the TIME it ran at. */
export class NodeTime {
  readonly #driftFactor: number;
  #last: Sample | undefined;

  /** @param driftFactor largest relative error between the node's clock and ours */
  constructor(driftFactor: number) {
    this.#driftFactor = driftFactor;
  }

  /** Takes note of a reading. Both moments are milliseconds of the monotonic clock. */
  note(timeUs: number, sentAtMs: number, receivedAtMs: number): void {
    this.#last = { timeUs, sentAtMs, receivedAtMs };
  }

  /**
   * The moment in the node's time, in microseconds, that lies `withinMs` after `nowMs`, or later: the time
   * since a reading is counted from when it was asked for, and with the full drift. Undefined before the
   * first reading.
   */
  deadlineUs(nowMs: number, withinMs: number): number | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    const elapsedMs = (nowMs - last.sentAtMs) * (1 + this.#driftFactor) + withinMs;
    return last.timeUs + Math.ceil(elapsedMs * 1_000);
  }

  /** The best guess of the node's time now, in microseconds; undefined before the first reading. */
  estimateUs(nowMs: number): number | undefined {
    const last = this.#last;
    if (last === undefined) return undefined;
    return last.timeUs + (nowMs - (last.sentAtMs + last.receivedAtMs) / 2) * 1_000;
  }
}
