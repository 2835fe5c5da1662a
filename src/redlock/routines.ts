import type { Clock } from '../base/clock.ts';
import { ClosedError } from '../base/errors.ts';
import { SharedTimers } from '../base/shared-timers.ts';
import { AutoExtend, type AutoExtendTerms } from '../lock/auto-extend.ts';
import { askToStop, type Lock } from '../lock/lock.ts';

/** What runs under a lock. */
export type Routine<Result> = (lock: Lock) => Result | PromiseLike<Result>;

/** A running routine, and the lock that it runs under. */
interface Running {
  readonly lock: Lock;
  /** Extends the lock no longer. Undefined where the lock belongs to another routine or to the caller. */
  stop?(): void;
}

/**
 * A routine whose lock is its own. There may be very many. So each has one object, and functions that are bound to it.
 * Closures would need a context more, and an async function keeps its arguments until it ends.
 */
class Use extends AutoExtend implements Running {
  readonly #ended: (use: Use) => void;

  constructor(lock: Lock, timers: SharedTimers, terms: AutoExtendTerms, ended: (use: Use) => void) {
    super(lock, timers, terms);
    this.#ended = ended;
  }

  async returned<Result>(result: Result): Promise<Result> {
    await this.end();
    return result;
  }

  async threw(error: unknown): Promise<never> {
    await this.end();
    throw error;
  }

  async end(): Promise<void> {
    this.stop();
    await this.lock.release();
    this.#ended(this);
  }
}

/**
 * The running routines of `using`. The library can't stop a routine, so it releases a lock only after the routine that
 * runs under it has settled. close() does the same.
 */
export class Routines {
  readonly #timers: SharedTimers;
  readonly #running = new Set<Running>();
  #isClosing = false;
  /** Called when no routine is left. */
  readonly #idle: (() => void)[] = [];
  readonly #ended = (running: Running): void => {
    this.#running.delete(running);
    if (this.#running.size === 0) for (const tell of this.#idle.splice(0)) tell();
  };

  constructor(clock: Clock) {
    this.#timers = new SharedTimers(clock);
  }

  /**
   * Runs a routine under a lock of its own, which is extended meanwhile and released after it.
   *
   * @throws {ClosedError} close() came between the acquire and the routine, and has not seen the lock
   */
  run<Result>(lock: Lock, terms: AutoExtendTerms, routine: Routine<Result>): Promise<Result> {
    if (this.#isClosing) return this.#refuse(lock);
    const use = new Use(lock, this.#timers, terms, this.#ended);
    this.#running.add(use);
    let running: Promise<Result>;
    try {
      running = Promise.resolve(routine(lock));
    } catch (error) {
      running = Promise.reject(error);
    }
    return running.then(use.returned.bind(use), use.threw.bind(use));
  }

  async #refuse(lock: Lock): Promise<never> {
    await lock.release();
    throw new ClosedError({ resources: lock.resources });
  }

  /** Runs a routine under a lock of its caller, which is neither extended nor released. */
  async runWithin<Result>(lock: Lock, routine: Routine<Result>): Promise<Result> {
    const running: Running = { lock };
    this.#running.add(running);
    try {
      return await routine(lock);
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
      const timer = this.#timers.clock.after(withinMs, resolve);
      this.#idle.push(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Extends no lock any more: a held lock still ends with its validity. */
  abandon(): void {
    for (const running of this.#running) running.stop?.();
  }
}
