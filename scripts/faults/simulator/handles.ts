import { type Lock, LockLostError, LockReleasedError, type ReleaseReport } from '../../../src/index.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import type { Rng } from '../../../src/testing/rng.ts';
import { LONGEST_TTL, MAX_TTL } from './turns.ts';

/** Looks at the locks that callers of one program have: what they say of themselves, and that one that is over stays so. */
export class Handles {
  readonly faults: string[] = [];
  readonly #machine: Machine;
  readonly #isClosed: () => boolean;
  readonly #dice: Rng | undefined;
  readonly #held = new Map<Lock, string>();

  /** @param dice where locks that are over are extended, and nodes are asked what they have. Default: they are not */
  constructor(machine: Machine, isClosed: () => boolean, dice: Rng | undefined) {
    this.#machine = machine;
    this.#isClosed = isClosed;
    this.#dice = dice;
  }

  granted(lock: Lock, caller: string): void {
    if (lock.remainingValidity() <= 0 && !this.#isClosed()) this.#fault(`${caller} got a lock that is over`);
    if (this.#dice !== undefined) this.#held.set(lock, caller);
  }

  /** One that its caller has not given back: nothing else may have ended it but close(), and no other made it longer. */
  inUse(lock: Lock): void {
    const caller = this.#held.get(lock);
    if (caller === undefined) return;
    if (lock.remainingValidity() > LONGEST_TTL)
      this.#fault(`a caller that has released extended the lock of ${caller}`);
    if (!this.#isClosed() && lock.signal.aborted && lock.signal.reason instanceof LockReleasedError)
      this.#fault(`another caller released the lock of ${caller}`);
  }

  over(lock: Lock): void {
    this.#held.delete(lock);
  }

  /** It is over at once. */
  released(lock: Lock, caller: string, report: Promise<ReleaseReport>): void {
    this.over(lock);
    if (lock.remainingValidity() !== 0 || !lock.signal.aborted)
      this.#fault(`${caller} has released, and holds on`);
    if (lock.release() !== report) this.#fault(`${caller} has two reports of one release`);
    const dice = this.#dice;
    if (dice === undefined) return;
    void report.then(({ freed, handedOver }) => {
      if (freed && !handedOver) this.#checkFreed(lock, caller);
    });
    if (dice.chance(0.5)) void this.#poke(lock, caller, dice.chance(0.3) ? dice.between(0, 3) : 0);
  }

  /** When all is over. */
  conclude(): void {
    for (const lock of this.#held.keys()) this.inUse(lock);
  }

  #checkFreed({ resources: [resource], value }: Lock, caller: string): void {
    const { nodes } = this.#machine;
    const left = nodes.filter(({ store }) => store.get(`lock:${resource}`) === value);
    if (left.length > (nodes.length - 1) / 2)
      this.#fault(`${caller} was told that its lock is free, and it is not`);
  }

  /** Changes nothing. */
  async #poke(lock: Lock, caller: string, afterMs: number): Promise<void> {
    if (afterMs > 0) await this.#machine.sleep(afterMs);
    const error: unknown = await lock.extend(MAX_TTL).catch((reason: unknown) => reason);
    if (error instanceof LockReleasedError || error instanceof LockLostError) return;
    this.#fault(`${caller} has released, and extended: ${error}`);
  }

  #fault(what: string): void {
    this.faults.push(`at ${this.#machine.clock.timeline.nowMs.toFixed(3)}: ${what}`);
  }
}
