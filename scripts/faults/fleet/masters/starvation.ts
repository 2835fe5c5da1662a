import { nap } from '../../../support/time.ts';

/** A turn is as long as a process may have to wait for a processor on a machine that is far too busy. */
const STANDS_MS = 120;
const RUNS_MS = 4;

/**
 * A process that gets a few per cent of a processor, in slices, as a scheduler would give them: stopped and let go on,
 * over and over. Competing for a real processor would starve everything else on the machine as well.
 */
export class Starvation {
  readonly #ending = new AbortController();
  readonly #work: Promise<void>;

  constructor(stop: () => void, goOn: () => void) {
    this.#work = this.#run(stop, goOn);
  }

  /** Resolves when the process runs as it did. */
  end(): Promise<void> {
    this.#ending.abort();
    return this.#work;
  }

  async #run(stop: () => void, goOn: () => void): Promise<void> {
    const { signal } = this.#ending;
    while (!signal.aborted) {
      stop();
      await nap(STANDS_MS, signal);
      goOn();
      await nap(RUNS_MS, signal);
    }
  }
}
