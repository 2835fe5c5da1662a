/** Runs a routine again and again on request, but never twice at the same time. */
export class SingleFlight {
  readonly #run: () => Promise<void>;
  #isRunning = false;
  #isWantedAgain = false;

  constructor(run: () => Promise<void>) {
    this.#run = run;
  }

  /** Runs it now, or once more after the present run: that one may have looked too early. */
  request(): void {
    this.#isWantedAgain = true;
    if (!this.#isRunning) void this.#runWhileWanted();
  }

  async #runWhileWanted(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#isWantedAgain) {
        this.#isWantedAgain = false;
        await this.#run();
      }
    } finally {
      this.#isRunning = false;
    }
  }
}
