import { describe } from '../base/describe.ts';
import { Lock, leaseOf } from '../lock/lock.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkNames,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  USING_NAMES,
  type UsingOptions,
} from './options.ts';

/**
 * Locks over one resource that readers share and a writer has alone. A write lock is the same as what `acquire` gives, so
 * that they exclude each other; a read lock excludes both, and programs that know nothing of readers as well. Whoever
 * waits to write is not passed by readers who ask later, so that it can't starve.
 */
export class ReadWriteLock {
  /** What is locked. */
  readonly resource: string;
  readonly #acquirer: Acquirer;
  readonly #reading: LockSpec;
  readonly #writing: LockSpec;

  /** Made by `Redlock.readWrite`. */
  constructor(resource: string, acquirer: Acquirer, reading: LockSpec, writing: LockSpec) {
    this.resource = resource;
    this.#acquirer = acquirer;
    this.#reading = reading;
    this.#writing = writing;
  }

  /**
   * Locks for reading, together with any number of others. Waits while somebody writes, and behind whoever waits to.
   *
   * @throws as `Redlock.acquire`
   */
  async acquireRead(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquireRead option', options, ACQUIRE_NAMES);
    return this.#acquirer.acquire(this.#reading, options);
  }

  /**
   * Locks for writing, alone.
   *
   * @throws {UpgradeError} the call is made inside of `usingRead` of the same resource: a read lock can't be upgraded
   * @throws as `Redlock.acquire`
   */
  async acquireWrite(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquireWrite option', options, ACQUIRE_NAMES);
    return this.#acquirer.acquire(this.#writing, options);
  }

  /** As `Redlock.using`, with a lock for reading. */
  async usingRead<Result>(
    options: UsingOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    checkNames('usingRead option', options, USING_NAMES);
    return this.#acquirer.use(this.#reading, options, routine);
  }

  /** As `Redlock.using`, with a lock for writing. */
  async usingWrite<Result>(
    options: UsingOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    checkNames('usingWrite option', options, USING_NAMES);
    return this.#acquirer.use(this.#writing, options, routine);
  }

  /**
   * Makes a read lock of a write lock, which is given back whatever comes of it. Nobody writes in between, and readers
   * who wait may go on. The read lock is a new one, with a token of its own; give it back as any other.
   *
   * @param lock a write lock of this resource that is held
   * @throws {LockLostError | LockReleasedError} the write lock is held no more
   * @throws {NoQuorumError | LockHeldError | LockExpiredError} a majority did not agree in time
   * @throws {TypeError} the lock is not a write lock of this resource
   */
  async downgrade(lock: Lock, options: TryAcquireOptions = {}): Promise<Lock> {
    checkNames('downgrade option', options, TRY_ACQUIRE_NAMES);
    const isOurs = lock instanceof Lock && lock.resources.length === 1 && lock.resources[0] === this.resource;
    const isPermit = isOurs && leaseOf(lock).target.size !== undefined;
    if (!isOurs || lock.isShared || isPermit) {
      const other = isOurs && (isPermit ? "a semaphore's permit" : 'a read lock');
      throw new TypeError(
        `lock must be a write lock of ${describe(this.resource)}: got ${other || describe(lock)}`,
      );
    }
    return this.#acquirer.exchange(lock, this.#reading, options);
  }
}
