import type { Lock } from '../lock/lock.ts';
import type { Acquirer } from './acquirer.ts';
import {
  type AcquireOptions,
  checkNames,
  PERMIT_NAMES,
  type PermitCount,
  permitsOf,
  TRY_PERMIT_NAMES,
  type TryAcquireOptions,
  USING_PERMIT_NAMES,
  type UsingOptions,
} from './options.ts';
import type { Slots } from './slots.ts';

/** Settings of one acquisition of permits. */
export interface PermitOptions extends AcquireOptions, PermitCount {}

/** Settings of one attempt to get permits. */
export interface TryPermitOptions extends TryAcquireOptions, PermitCount {}

/** Settings of one `using` of permits. */
export interface UsingPermitOptions extends Omit<UsingOptions, 'reentrant'>, PermitCount {}

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

  /** Made by `Redlock.semaphore`. */
  constructor(resource: string, permits: number, acquirer: Acquirer, slots: Slots) {
    this.resource = resource;
    this.permits = permits;
    this.#acquirer = acquirer;
    this.#slots = slots;
  }

  /**
   * Gets a permit, or several as one lock: all or nothing, so that nobody holds some and waits for others. Who wants
   * several may be passed by those who want fewer.
   *
   * @throws {OtherSizeError} others use the semaphore with another number of permits
   * @throws as `Redlock.acquire`
   */
  async acquire(options: PermitOptions = {}): Promise<Lock> {
    checkNames('acquire option', options, PERMIT_NAMES);
    const { permits, ...rest } = options;
    return this.#acquirer.acquire(this.#demand({ permits }), rest);
  }

  /** As {@link acquire}, without waiting; null if there are not so many. */
  async tryAcquire(options: TryPermitOptions = {}): Promise<Lock | null> {
    checkNames('tryAcquire option', options, TRY_PERMIT_NAMES);
    const { permits, ...rest } = options;
    return this.#acquirer.tryAcquire(this.#demand({ permits }), rest);
  }

  /** As `Redlock.using`, with permits. */
  async using<Result>(
    options: UsingPermitOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    checkNames('using option', options, USING_PERMIT_NAMES);
    const { permits, ...rest } = options;
    return this.#acquirer.use(this.#demand({ permits }), rest, routine);
  }

  #demand(count: PermitCount) {
    return this.#slots.demand(permitsOf(count, this.permits));
  }
}
