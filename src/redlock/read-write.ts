import { describe } from '../base/describe.ts';
import { isLock, type Lock } from '../lock/lock.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkNames,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  type UsingOptions,
} from './options.ts';
import type { Routine } from './routines.ts';
import { callOf, type Usings } from './usings.ts';

/**
 * Locks over one resource that readers share and a writer has alone. A write lock is the same lock as that of
 * `acquire`, so the two exclude each other. A read lock excludes both, and programs that know nothing of readers as
 * well. A reader never passes a writer that waits already, so a writer can't starve; one that was killed or hangs keeps no
 * readers out.
 */
export class ReadWriteLock {
  /** The name of the resource. */
  readonly resource: string;
  readonly #acquirer: Acquirer;
  readonly #usings: Usings;
  readonly #reading: LockSpec;
  readonly #writing: LockSpec;

  /** Made by `Redlock.readWrite`. @internal */
  constructor(resource: string, acquirer: Acquirer, usings: Usings, reading: LockSpec, writing: LockSpec) {
    this.resource = resource;
    this.#acquirer = acquirer;
    this.#usings = usings;
    this.#reading = reading;
    this.#writing = writing;
  }

  /**
   * Locks for reading, together with any number of other readers. Waits while a writer holds it, and behind writers
   * that wait already.
   *
   * @throws as `Redlock.acquire`
   */
  async acquireRead(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquireRead option', options, ACQUIRE_NAMES);
    return await this.#acquirer.acquire(this.#reading, options);
  }

  /**
   * Locks for writing, alone.
   *
   * @throws as `Redlock.acquire`
   */
  async acquireWrite(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquireWrite option', options, ACQUIRE_NAMES);
    return await this.#acquirer.acquire(this.#writing, options);
  }

  /** As `Redlock.using`, with a lock for reading. A write lock passed as `within` will do as well. */
  usingRead<Result>(routine: Routine<Result>): Promise<Result>;
  usingRead<Result>(options: UsingOptions | undefined, routine: Routine<Result>): Promise<Result>;
  async usingRead<Result>(
    options: UsingOptions | Routine<Result> | undefined,
    routine?: Routine<Result>,
  ): Promise<Result> {
    return await this.#usings.use(this.#reading, callOf('usingRead', options, routine));
  }

  /**
   * As `Redlock.using`, with a lock for writing.
   *
   * @throws {UpgradeError} the lock passed as `within` is a read lock: it can't be upgraded
   */
  usingWrite<Result>(routine: Routine<Result>): Promise<Result>;
  usingWrite<Result>(options: UsingOptions | undefined, routine: Routine<Result>): Promise<Result>;
  async usingWrite<Result>(
    options: UsingOptions | Routine<Result> | undefined,
    routine?: Routine<Result>,
  ): Promise<Result> {
    return await this.#usings.use(this.#writing, callOf('usingWrite', options, routine));
  }

  /**
   * Exchanges a write lock for a read lock. The write lock is released whatever comes of it. No writer comes between,
   * and readers that wait may go on. The read lock is a new one, with a token of its own; release it as any other.
   *
   * @param lock a write lock of this resource that is held
   * @throws {LockLostError | LockReleasedError} the write lock is held no more
   * @throws {NoQuorumError | LockHeldError | LockExpiredError} a majority did not agree in time
   * @throws {TypeError} the lock is not a write lock of this resource
   */
  async downgrade(lock: Lock, options: TryAcquireOptions = {}): Promise<Lock> {
    checkNames('downgrade option', options, TRY_ACQUIRE_NAMES);
    const target = this.#acquirer.targetOf(lock);
    const isOurs = target?.keys.length === 1 && target.keys[0] === this.#writing.target.keys[0];
    if (!isOurs || lock.isShared) {
      const found = isOurs ? 'a read lock' : strangerOf(lock, target);
      throw new TypeError(`lock must be a write lock of ${describe(this.resource)}: got ${found}`);
    }
    return await this.#acquirer.downgrade(lock, this.#reading, options);
  }
}

function strangerOf(lock: unknown, target: LockKeys | undefined): string {
  if (target === undefined) return isLock(lock) ? 'a lock of another Redlock' : describe(lock);
  if (target.permit !== undefined) return "a semaphore's permit";
  return `a lock of ${target.keys.length === 1 ? 'another resource' : 'several resources'}`;
}
