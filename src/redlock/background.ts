/** Work that no caller waits for, but that close() has to. */
export class Background {
  #works = 0;
  readonly #finished: (() => void)[] = [];
  readonly #settled = (): void => {
    this.#works -= 1;
    if (this.#works > 0) return;
    for (const finished of this.#finished.splice(0)) finished();
  };

  /** Takes note of it until it has settled, however that is. */
  readonly add = (work: Promise<unknown>): void => {
    this.#works += 1;
    work.then(this.#settled, this.#settled);
  };

  /** Resolves when there is none, what it led to included. */
  async done(): Promise<void> {
    while (this.#works > 0) {
      const finished = new Promise<void>((resolve) => {
        this.#finished.push(resolve);
      });
      // What it led to may begin a few steps later.
      await finished.then(() => undefined).then(() => undefined);
    }
  }
}
