/** Work that no caller waits for, but that close() waits for. */
export class Background {
  #works = 0;
  readonly #finished: (() => void)[] = [];
  readonly #settled = (): void => {
    this.#works -= 1;
    if (this.#works > 0) return;
    for (const finished of this.#finished.splice(0)) finished();
  };

  readonly add = (work: Promise<unknown>): void => {
    this.#works += 1;
    work.then(this.#settled, this.#settled);
  };

  /** Resolves when no work is left, follow-up work included. */
  async done(): Promise<void> {
    do {
      await this.#allSettled();
      // Follow-up work may begin a few steps later, also where the last work settled right before this call.
      await Promise.resolve().then(() => undefined);
    } while (this.#works > 0);
  }

  #allSettled(): Promise<void> {
    if (this.#works === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#finished.push(resolve);
    });
  }
}
