/** The time of one node as {@link TokenClock} needs it. */
export interface TimeEstimate {
  /** The best guess of the node's time at a moment of the monotonic clock, in microseconds. */
  estimateUs(nowMs: number): number | undefined;
}

/**
 * Proposes fencing tokens: microseconds of the nodes' own time, each above the last. It is a hybrid logical clock
 * (Kulkarni et al., "Logical Physical Clocks", 2014) over the median of what the nodes say the time is. The wall
 * clock of this machine plays no part.
 */
export class TokenClock {
  readonly #nodes: readonly TimeEstimate[];
  #last = 0;

  constructor(nodes: readonly TimeEstimate[]) {
    this.#nodes = nodes;
  }

  /** The next proposal. Before any node has told its time, the nodes' own lower bound decides. */
  next(nowMs: number): number {
    this.#last = Math.max(this.#last + 1, this.timeUs(nowMs));
    return this.#last;
  }

  /** What the nodes' time is at a moment of the monotonic clock, in whole microseconds; 0 before any has told it. */
  timeUs(nowMs: number): number {
    const times: number[] = [];
    for (const node of this.#nodes) {
      const time = node.estimateUs(nowMs);
      if (time !== undefined) times.push(time);
    }
    times.sort((a, b) => a - b);
    return Math.floor(times[Math.floor(times.length / 2)] ?? 0);
  }
}
