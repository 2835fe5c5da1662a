import type { Clock } from '../base/clock.ts';
import { ClosedError } from '../base/errors.ts';
import { AutoExtend, type AutoExtendTerms } from '../lock/auto-extend.ts';
import { askToStop, type Lock } from '../lock/lock.ts';

/** A routine that runs, and what it runs under. */
interface Running {
  readonly locks: readonly Lock[];
  /** They keep its locks alive. None: the locks are somebody else's. */
  readonly autoExtends: readonly AutoExtend[];
}

/**
 * The routines of `using` that run. Nobody can stop a routine, so a lock that one runs under is not given back before that
 * has settled: not by close() either.
 */
export class Routines {
  readonly #clock: Clock;
  readonly #running = new Set<Running>();
  #isClosing = false;
  /** Hear that none is left. */
  readonly #idle: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs one under locks of its own, which are kept alive meanwhile and given back after it. */
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

  /** Runs one under locks that are somebody else's: nothing is extended, and nothing given back. */
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
      // close() would have given back what `acquire` had got, and left it to this routine.
      const unused = this.#isClosing ? locks.filter((lock) => !this.#isUsed(lock)) : [];
      await Promise.all(unused.map((lock) => lock.release()));
      this.#ended(running);
    }
  }

  /** The locks that routines run under. */
  get locks(): ReadonlySet<Lock> {
    return new Set([...this.#running].flatMap(({ locks }) => locks));
  }

  /** Aborts the signals of all of them. Their locks are kept alive as before. */
  askToStop(): void {
    this.#isClosing = true;
    for (const lock of this.locks) askToStop(lock, new ClosedError({ resources: lock.resources }));
  }

  /** Resolves when all have settled and their locks were given back, or after so many milliseconds. */
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

  /** Keeps no lock alive any more: what is held still ends with its validity. */
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
