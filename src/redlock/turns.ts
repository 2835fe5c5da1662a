/** A place in line. */
export interface Turn {
  /** Resolves when it is the caller's turn; undefined if it is at once. */
  readonly begun: Promise<void> | undefined;
  /** Leaves the line, before, in or after the turn; the next one gets theirs. */
  end(): void;
}

/**
 * First come, first served among the callers of this process: for each key one at a time has its turn. Contenders of
 * one process would only keep each other from a majority.
 */
export class Turns {
  /** For each key, what begins the turns that have not ended; the present one first. */
  readonly #lines = new Map<string, (() => void)[]>();

  take(key: string): Turn {
    const line = this.#lines.get(key);
    if (line === undefined) {
      const alone = () => {};
      this.#lines.set(key, [alone]);
      return { begun: undefined, end: () => this.#end(key, alone) };
    }
    let begin = () => {};
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    line.push(begin);
    return { begun, end: () => this.#end(key, begin) };
  }

  /** Everybody in line has their turn at once: there is nothing to wait for each other for. */
  dissolve(key: string): void {
    const line = this.#lines.get(key) ?? [];
    this.#lines.delete(key);
    for (const begin of line) begin();
  }

  #end(key: string, begin: () => void): void {
    // After a dissolution there may be another line already, and this one is not in it.
    const line = this.#lines.get(key) ?? [];
    const place = line.indexOf(begin);
    if (place === -1) return;
    line.splice(place, 1);
    const [next] = line;
    if (next === undefined) this.#lines.delete(key);
    else if (place === 0) next();
  }
}
