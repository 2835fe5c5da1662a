import type { Clock } from '../base/clock.ts';
import { ClosedError } from '../base/errors.ts';
import { AutoExtend, type AutoExtendTerms } from '../lock/auto-extend.ts';
import { askToStop, type Lock } from '../lock/lock.ts';

/** A running routine and the locks that it runs under. */
interface Running {
  readonly locks: readonly Lock[];
  /** They extend its locks. Empty where the locks belong to another routine or to the caller. */
  readonly autoExtends: readonly AutoExtend[];
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

  /** Runs a routine under locks of its own. They are extended meanwhile and released after it. */
  async run<Result>(
    locks: readonly Lock[],
    terms: AutoExtendTerms,
    routine: () => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const autoExtends = locks.map((lock) => new AutoExtend(lock, this.#clock, terms));
    const running = { locks, autoExtends };
    this.#running.add(running);
    try {
      return await routine();
    } finally {
      for (const autoExtend of autoExtends) autoExtend.stop();
      await Promise.all(locks.map((lock) => lock.release()));
      this.#ended(running);
    }
  }

  /** Runs a routine under locks of its caller: none is extended, and none released. */
  async runWithin<Result>(
    locks: readonly Lock[],
    routine: () => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const running = { locks, autoExtends: [] };
    this.#running.add(running);
    try {
      return await routine();
    } finally {
      this.#running.delete(running);
      // A lock of `acquire` that was left to this routine: close() has skipped it.
      const unused = this.#isClosing ? locks.filter((lock) => !this.#isUsed(lock)) : [];
      await Promise.all(unused.map((lock) => lock.release()));
      this.#ended(running);
    }
  }

  /** The locks that routines run under. */
  get locks(): ReadonlySet<Lock> {
    return new Set([...this.#running].flatMap(({ locks }) => locks));
  }

  /** Aborts the signals of all of them. Their locks are extended as before. */
  askToStop(): void {
    this.#isClosing = true;
    for (const lock of this.locks) askToStop(lock, new ClosedError({ resources: lock.resources }));
  }

  /** Resolves when all have settled and their locks are released, or after so many milliseconds. */
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
    for (const { autoExtends } of this.#running) for (const autoExtend of autoExtends) autoExtend.stop();
  }

  #isUsed(lock: Lock): boolean {
    for (const { locks } of this.#running) if (locks.includes(lock)) return true;
    return false;
  }

  #ended(running: Running): void {
    this.#running.delete(running);
    if (this.#running.size > 0) return;
    for (const tell of this.#idle.splice(0)) tell();
  }
}
