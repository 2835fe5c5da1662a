import { memoryRegister, StaleTokenError } from '../../../src/fencing/index.ts';

/** What came of the writes that a holder made after the next one had begun to write. */
export interface LateWrites {
  /** How many there were: without a guard each of them overwrites what the next holder wrote. */
  readonly sent: number;
  /** How many of them the guard let through. */
  readonly accepted: number;
}

/**
 * What the lock protects, behind the library's own guard. It knows by the order of writes, not by their tokens, which
 * of them come too late, so that it can judge the guard.
 */
export class Resource {
  readonly #register = memoryRegister();
  #isTakenOver = false;
  #sent = 0;
  #accepted = 0;

  get late(): LateWrites {
    return { sent: this.#sent, accepted: this.#accepted };
  }

  /** A write of the first holder. */
  write(token: number): Promise<void> {
    const isLate = this.#isTakenOver;
    if (isLate) this.#sent += 1;
    return this.#register.register('page', token).then(
      () => {
        if (isLate) this.#accepted += 1;
      },
      (error: unknown) => {
        if (!(error instanceof StaleTokenError)) throw error;
      },
    );
  }

  /** The first write of the next holder. */
  takeOver(token: number): Promise<void> {
    this.#isTakenOver = true;
    return this.#register.register('page', token);
  }
}
