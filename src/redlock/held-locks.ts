import type { Lock } from '../lock/lock.ts';

/** Below this many locks it is not worth looking for expired ones. */
const SMALLEST_SWEEP = 1_024;

/**
 * The locks that are held, so that close() can release them. A lock that its holder forgot stays until it has
 * expired and the set has doubled since it was last swept: memory follows the number of live locks.
 */
export class HeldLocks {
  readonly #locks = new Set<Lock>();
  #sweepAt = SMALLEST_SWEEP;

  add(lock: Lock): void {
    this.#locks.add(lock);
    if (this.#locks.size < this.#sweepAt) return;
    // Looking at an expired lock makes it report its end, which takes it out of the set.
    for (const held of this.#locks) held.remainingValidity();
    this.#sweepAt = Math.max(SMALLEST_SWEEP, this.#locks.size * 2);
  }

  delete(lock: Lock): void {
    this.#locks.delete(lock);
  }

  all(): readonly Lock[] {
    return [...this.#locks];
  }
}
