import { lazySignal } from '../lock/lazy-signal.ts';
import type { Lock } from '../lock/lock.ts';
import type { ReleaseReport } from '../lock/release-report.ts';

/** Several permits of a semaphore as one: held as long as every one of them is. */
export class Permits {
  /** The permits, each with a fencing token of its own. */
  readonly all: readonly Lock[];
  #controller: AbortController | undefined;

  /** Made by a semaphore. */
  constructor(all: readonly Lock[]) {
    this.all = all;
  }

  /** Aborts as soon as one of them is held no more, with the reason of that one. Right whenever it is read. */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      const controller = new AbortController();
      this.#controller = controller;
      const look = () => {
        const lost = this.all.find(({ signal }) => signal.aborted);
        if (lost !== undefined) controller.abort(lost.signal.reason);
      };
      lazySignal(controller, look);
      for (const { signal } of this.all) signal.addEventListener('abort', look, { once: true });
      look();
    }
    return this.#controller.signal;
  }

  /** Milliseconds for which no other caller can have any of them; 0 once one is over. */
  remainingValidity(): number {
    return Math.min(...this.all.map((lock) => lock.remainingValidity()));
  }

  /**
   * Throws unless all of them are held at this very moment.
   *
   * @throws {LockLostError | LockReleasedError} of the first one that is not
   */
  assertHeld(): void {
    for (const lock of this.all) lock.assertHeld();
  }

  /**
   * Extends all of them to `ttl` milliseconds from now, as `Lock.extend` does. Resolves with the remaining validity.
   *
   * @throws {LockLostError | LockReleasedError | ExtendFailedError} of one that could not be extended; others may be
   */
  async extend(ttl?: number): Promise<number> {
    await Promise.all(this.all.map((lock) => lock.extend(ttl)));
    return this.remainingValidity();
  }

  /** Releases all of them. Never throws, and can be called twice. */
  release(): Promise<readonly ReleaseReport[]> {
    return Promise.all(this.all.map((lock) => lock.release()));
  }

  /** Releases them at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }
}
