import type { Clock } from '../base/clock.ts';
import { ClosedError } from '../base/errors.ts';
import { AutoExtend, type AutoExtendTerms } from '../lock/auto-extend.ts';
import { askToStop, type Lock } from '../lock/lock.ts';

/** A running routine and the lock that it runs under. */
interface Running {
  readonly lock: Lock;
  /** It extends the lock. Undefined where the lock belongs to another routine or to the caller. */
  readonly autoExtend: AutoExtend | undefined;
}

/**
 * The running routines of `using`. The library can't stop a routine, so it releases a lock only after the routine that
 * runs under it has settled. close() does the same.
 */
export class Routines {
  readonly #clock: Clock;
  readonly #running = new Set<Running>();
  #isClosing = false;
  /** Called when no routine is left. */
  readonly #idle: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs a routine under a lock of its own, which is extended meanwhile and released after it. */
  async run<Result>(
    lock: Lock,
    terms: AutoExtendTerms,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const autoExtend = new AutoExtend(lock, this.#clock, terms);
    const running = { lock, autoExtend };
    this.#running.add(running);
    try {
      return await routine(lock);
    } finally {
      autoExtend.stop();
      await lock.release();
      this.#ended(running);
    }
  }

  /** Runs a routine under a lock of its caller, which is neither extended nor released. */
  async runWithin<Result>(lock: Lock, routine: () => Result | PromiseLike<Result>): Promise<Result> {
    const running = { lock, autoExtend: undefined };
    this.#running.add(running);
    try {
      return await routine();
    } finally {
      this.#running.delete(running);
      // A lock of `acquire` that was left to this routine: close() has skipped it.
      if (this.#isClosing && !this.locks.has(lock)) await lock.release();
      this.#ended(running);
    }
  }

  /** The locks that routines run under. */
  get locks(): ReadonlySet<Lock> {
    return new Set([...this.#running].map(({ lock }) => lock));
  }

  /** Aborts the signals of all of them. Their locks are extended as before. */
  askToStop(): void {
    this.#isClosing = true;
    for (const lock of this.locks) askToStop(lock, new ClosedError({ resources: lock.resources }));
  }

  /** Resolves when all have settled and their locks are released, or after `withinMs`. */
  settled(withinMs: number): Promise<void> {
    if (this.#running.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#clock.after(withinMs, resolve);
      this.#idle.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Extends no lock any more: a held lock still ends with its validity. */
  abandon(): void {
    for (const { autoExtend } of this.#running) autoExtend?.stop();
  }

  #ended(running: Running): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    for (const tell of this.#idle.splice(0)) tell();
  }
}
