/** Ends a turn; the next in line gets theirs. */
export type EndTurn = () => void;

/**
 * First come, first served among the callers of this process: for each key one at a time has its turn. Contenders of
 * one process would only keep each other from a majority.
 */
export class Turns {
  /** For each key, what begins the turns that have not ended; the present one first. */
  readonly #lines = new Map<string, (() => void)[]>();

  /**
   * The caller's turn: at once if nobody is in line, else a promise of it. A turn that nobody waits for any more must
   * be ended all the same.
   */
  take(key: string): EndTurn | Promise<EndTurn> {
    const line = this.#lines.get(key);
    if (line === undefined) {
      const alone = () => {};
      this.#lines.set(key, [alone]);
      return () => this.#end(key, alone);
    }
    return new Promise((resolve) => {
      const begin = () => resolve(() => this.#end(key, begin));
      line.push(begin);
    });
  }

  /** Everybody in line has their turn at once: there is nothing to wait for each other for. */
  dissolve(key: string): void {
    const line = this.#lines.get(key) ?? [];
    this.#lines.delete(key);
    for (const begin of line) begin();
  }

  #end(key: string, begin: () => void): void {
    const line = this.#lines.get(key);
    // After a dissolution there may be another line already.
    if (line?.[0] !== begin) return;
    line.shift();
    const [next] = line;
    if (next === undefined) this.#lines.delete(key);
    else next();
  }
}
