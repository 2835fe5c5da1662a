/** Work that no caller waits for, but that close() has to. */
export class Background {
  readonly #works = new Set<Promise<unknown>>();

  /** Takes note of it until it has settled, however that is. */
  readonly add = (work: Promise<unknown>): void => {
    const done = (): void => {
      this.#works.delete(tracked);
    };
    const tracked: Promise<void> = work.then(done, done);
    this.#works.add(tracked);
  };

  /** Resolves when there is none, what it led to included. */
  async done(): Promise<void> {
    while (this.#works.size > 0) await Promise.all(this.#works);
  }
}
