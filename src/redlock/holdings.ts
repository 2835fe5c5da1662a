import { AsyncLocalStorage } from 'node:async_hooks';
import type { Lock } from '../lock/lock.ts';
import type { LockKeys } from '../wire/operation.ts';

/** A lock that a routine runs under, and what holds around that. */
interface Holding {
  /** Undefined: the routine has ended. What it began may go on. */
  lock: Lock | undefined;
  readonly keys: readonly string[];
  outer: Holding | undefined;
}

/** The innermost one whose routine has not ended. */
function running(holding: Holding | undefined): Holding | undefined {
  let held = holding;
  while (held !== undefined && held.lock === undefined) held = held.outer;
  return held;
}

/**
 * What the code that is running holds, as far as anybody can tell: the locks of the `using` that it runs in. A lock that
 * was had by `acquire` is not known here, since nothing says which of the code that follows belongs to it.
 */
export class Holdings {
  readonly #storage = new AsyncLocalStorage<Holding>();

  /** Runs a routine that holds a lock over these keys, and everything that it starts. */
  async during<Result>(
    lock: Lock,
    { keys }: LockKeys,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const holding: Holding = { lock, keys, outer: running(this.#storage.getStore()) };
    try {
      return await this.#storage.run(holding, routine, lock);
    } finally {
      // What a routine has begun keeps the whole chain, and may begin the next one: nothing in it is to outlive its use.
      holding.lock = undefined;
      holding.outer = running(holding.outer);
    }
  }

  /** A lock that is held here over one of these keys, the innermost first. */
  touching({ keys }: LockKeys): Lock | undefined {
    return this.#find((held) => held.some((key) => keys.includes(key)));
  }

  /** A lock that is held here over all of these keys, and that is as good as what is wanted. */
  covering({ keys, sharers }: LockKeys): Lock | undefined {
    return this.#find(
      (held, { isShared }) => (sharers !== undefined || !isShared) && keys.every((key) => held.includes(key)),
    );
  }

  #find(isWanted: (keys: readonly string[], lock: Lock) => boolean): Lock | undefined {
    for (let held = this.#storage.getStore(); held !== undefined; held = held.outer) {
      const { lock, keys } = held;
      if (lock !== undefined && isWanted(keys, lock) && lock.remainingValidity() > 0) return lock;
    }
    return undefined;
  }
}
