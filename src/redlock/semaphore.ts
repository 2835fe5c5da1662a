import type { Lock } from '../lock/lock.ts';
import { type Acquirer, checkRoutine } from './acquirer.ts';
import type { Gathering } from './gathering.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkCount,
  checkNames,
  maxHoldOf,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  USING_PERMIT_NAMES,
  type UsingOptions,
} from './options.ts';
import type { Permits } from './permits.ts';
import type { Slots } from './slots.ts';

/** Settings of one `using` of permits. */
export interface UsingPermitOptions extends Omit<UsingOptions, 'reentrant'> {}

/**
 * Permits that no more than `permits` have at any moment. Each is a lock over one of so many slots, with a validity and a
 * fencing token of its own; counting permits on every node would let in more, since their majorities need not agree.
 * All programs must give the same number: others are told, and get none.
 */
export class Semaphore {
  /** What it is named by. A lock over the same resource has nothing to do with it. */
  readonly resource: string;
  /** How many permits there are. */
  readonly permits: number;
  readonly #acquirer: Acquirer;
  readonly #slots: Slots;
  readonly #gathering: Gathering;

  /** Made by `Redlock.semaphore`. */
  constructor(resource: string, permits: number, acquirer: Acquirer, slots: Slots, gathering: Gathering) {
    this.resource = resource;
    this.permits = permits;
    this.#acquirer = acquirer;
    this.#slots = slots;
    this.#gathering = gathering;
  }

  /**
   * Gets a permit. Whoever asked first gets the next one that is free.
   *
   * @throws {OtherSizeError} others use the semaphore with another number of permits
   * @throws as `Redlock.acquire`
   */
  async acquire(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquire option', options, ACQUIRE_NAMES);
    return this.#acquirer.acquire(this.#slots.spec(), options);
  }

  /** As {@link acquire}, without waiting; null if there is no permit. */
  async tryAcquire(options: TryAcquireOptions = {}): Promise<Lock | null> {
    checkNames('tryAcquire option', options, TRY_ACQUIRE_NAMES);
    return this.#acquirer.tryAcquire(this.#slots.spec(), options);
  }

  /**
   * Gets several permits: all or none. They come one by one, and those that have come are kept until the last one has;
   * only one caller at a time does so, so that no two wait for each other.
   *
   * @param count how many, from 1 to the number that the semaphore has
   * @throws {LockLostError} one was lost before the last one came
   * @throws as {@link acquire}
   */
  async acquireMany(count: number, options: AcquireOptions = {}): Promise<Permits> {
    checkCount(count, this.permits);
    checkNames('acquireMany option', options, ACQUIRE_NAMES);
    return this.#gathering.acquire(count, options);
  }

  /** As `Redlock.using`, with a permit. */
  async using<Result>(
    options: UsingPermitOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const { maxHold, ...rest } = this.#checkUsing(options, routine);
    const lock = await this.#acquirer.acquire(this.#slots.spec(), rest);
    return this.#acquirer.keep([lock], { maxHold }, () => routine(lock));
  }

  /** As {@link using}, with several permits. */
  async usingMany<Result>(
    count: number,
    options: UsingPermitOptions,
    routine: (permits: Permits) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    checkCount(count, this.permits);
    const { maxHold, ...rest } = this.#checkUsing(options, routine);
    const permits = await this.#gathering.acquire(count, rest);
    return this.#acquirer.keep(permits.all, { maxHold }, () => routine(permits));
  }

  #checkUsing(options: UsingPermitOptions, routine: unknown) {
    checkNames('using option', options, USING_PERMIT_NAMES);
    checkRoutine(routine);
    return { ...options, maxHold: maxHoldOf(options) };
  }
}
