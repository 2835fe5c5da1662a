import type { Lock } from '../lock/lock.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import type { Inspection } from './inspection.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkNames,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  type UsingOptions,
} from './options.ts';
import type { Queue } from './queue.ts';
import type { Routine } from './routines.ts';
import type { Slots } from './slots.ts';
import { callOf, type Usings } from './usings.ts';

export interface SemaphoreDeps {
  readonly acquirer: Acquirer;
  readonly usings: Usings;
  readonly slots: Slots;
  keysOf(slot: number): LockKeys;
  /** What the nodes know of a lock with these keys, and of those that wait for it. */
  inspect(target: LockKeys): Promise<Inspection>;
  waiting(target: LockKeys): Promise<Queue>;
}

/**
 * At most `permits` permits are held at any moment. Each permit is a lock over one of `permits` slots, with a
 * validity and a fencing token of its own. Counting permits on every node would let in more, since their majorities
 * need not agree. While programs give different numbers, the largest one counts.
 */
export class Semaphore {
  /** The name of the semaphore. A lock over a resource of the same name has nothing to do with it. */
  readonly resource: string;
  /** How many permits there are. */
  readonly permits: number;
  readonly #acquirer: Acquirer;
  readonly #usings: Usings;
  readonly #spec: LockSpec;
  readonly #deps: SemaphoreDeps;

  /** Made by `Redlock.semaphore`. @internal */
  constructor(resource: string, permits: number, deps: SemaphoreDeps) {
    const { acquirer, usings, slots, keysOf } = deps;
    this.resource = resource;
    this.permits = permits;
    this.#acquirer = acquirer;
    this.#usings = usings;
    this.#deps = deps;
    this.#spec = {
      resources: [resource],
      target: keysOf(0),
      attempt: (ttl, contend) => slots.attempt({ resource, permits, ttl, keysOf }, contend),
    };
  }

  /**
   * Gets a permit. The caller that called first gets the next free one.
   *
   * @throws as `Redlock.acquire`
   */
  async acquire(options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquire option', options, ACQUIRE_NAMES);
    return await this.#acquirer.acquire(this.#spec, options);
  }

  /** As {@link acquire}, without waiting; null if no permit is free. */
  async tryAcquire(options: TryAcquireOptions = {}): Promise<Lock | null> {
    checkNames('tryAcquire option', options, TRY_ACQUIRE_NAMES);
    return await this.#acquirer.tryAcquire(this.#spec, options);
  }

  /** As `Redlock.using`, with a permit: one that is passed as `within`, or one more. */
  using<Result>(routine: Routine<Result>): Promise<Result>;
  using<Result>(options: UsingOptions | undefined, routine: Routine<Result>): Promise<Result>;
  async using<Result>(
    options: UsingOptions | Routine<Result> | undefined,
    routine?: Routine<Result>,
  ): Promise<Result> {
    return await this.#usings.use(this.#spec, callOf('using', options, routine));
  }

  /**
   * Asks every node which holder each permit has: one inspection a permit, in the order of their numbers. Changes
   * nothing.
   *
   * @throws {ClosedError} the Redlock was closed
   */
  inspect(): Promise<readonly Inspection[]> {
    const { inspect, keysOf } = this.#deps;
    // As a lock on its own: what the nodes say of a permit depends on all slots.
    const slots = Array.from({ length: this.permits }, (_, slot) => ({ ...keysOf(slot), permit: undefined }));
    return Promise.all(slots.map(inspect));
  }

  /** As `Redlock.waiting`, of those that wait for a permit. */
  waiting(): Promise<Queue> {
    return this.#deps.waiting(this.#deps.keysOf(0));
  }
}
