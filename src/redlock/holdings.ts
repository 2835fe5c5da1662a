import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lock } from '../lock/lock.ts';
import type { LockKeys } from '../wire/operation.ts';

/** A lock that a routine runs under, and what holds around that. */
interface Holding {
  readonly lock: Lock;
  readonly keys: readonly string[];
  readonly outer: Holding | undefined;
}

/**
 * What the code that is running holds, as far as anybody can tell: the locks of the `using` that it runs in. A lock that
 * was had by `acquire` is not known here, since nothing says which of the code that follows belongs to it.
 */
export class Holdings {
  readonly #storage = new AsyncLocalStorage<Holding>();

  /** Runs a routine that holds a lock over these keys, and everything that it starts. */
  during<Result>(lock: Lock, { keys }: LockKeys, routine: (lock: Lock) => Result): Result {
    return this.#storage.run({ lock, keys, outer: this.#storage.getStore() }, routine, lock);
  }

  /** A lock that is held here over one of these keys, the innermost first. */
  touching({ keys }: LockKeys): Lock | undefined {
    return this.#find((held) => held.keys.some((key) => keys.includes(key)));
  }

  /** A lock that is held here over all of these keys, and that is as good as what is wanted. */
  covering({ keys, sharers }: LockKeys): Lock | undefined {
    return this.#find(
      (held) =>
        (sharers !== undefined || !held.lock.isShared) && keys.every((key) => held.keys.includes(key)),
    );
  }

  #find(isWanted: (held: Holding) => boolean): Lock | undefined {
    for (let held = this.#storage.getStore(); held !== undefined; held = held.outer) {
      if (isWanted(held) && held.lock.remainingValidity() > 0) return held.lock;
    }
    return undefined;
  }
}
