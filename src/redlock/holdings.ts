import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lock } from '../lock/lock.ts';

/** A lock that a routine runs under, and what holds around that. */
interface Holding {
  readonly lock: Lock;
  readonly outer: Holding | undefined;
}

/**
 * What the code that is running holds, as far as anybody can tell: the locks of the `using` that it runs in. A lock that
 * was had by `acquire` is not known here, since nothing says which of the code that follows belongs to it.
 */
export class Holdings {
  readonly #storage = new AsyncLocalStorage<Holding>();

  /** Runs a routine that holds a lock, and everything that it starts. */
  during<Result>(lock: Lock, routine: () => Result): Result {
    return this.#storage.run({ lock, outer: this.#storage.getStore() }, routine);
  }

  /** A lock that is held here over one of these resources, the innermost first. */
  touching(resources: readonly string[]): Lock | undefined {
    return this.#find((lock) => lock.resources.some((resource) => resources.includes(resource)));
  }

  /** A lock that is held here over all of these resources, and that is as good as what is wanted. */
  covering(resources: readonly string[], isShared: boolean): Lock | undefined {
    return this.#find(
      (lock) =>
        (isShared || !lock.isShared) && resources.every((resource) => lock.resources.includes(resource)),
    );
  }

  #find(isWanted: (lock: Lock) => boolean): Lock | undefined {
    for (let holding = this.#storage.getStore(); holding !== undefined; holding = holding.outer) {
      if (isWanted(holding.lock) && holding.lock.remainingValidity() > 0) return holding.lock;
    }
    return undefined;
  }
}
