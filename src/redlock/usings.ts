import { throwIfAborted } from '../base/abort-signal.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClosedError, UpgradeError } from '../base/errors.ts';
import { Lock } from '../lock/lock.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import {
  type AcquireOptions,
  checkNames,
  checkSignal,
  maxHoldOf,
  type Settings,
  ttlOf,
  USING_NAMES,
  type UsingOptions,
  waitTimeOf,
} from './options.ts';
import { Permits } from './permits.ts';
import { Routines } from './routines.ts';

/** What runs under a lock, or under several permits. */
export type Routine<Held, Result> = (held: Held) => Result | PromiseLike<Result>;

/** The arguments of a `using`, checked and told apart. */
interface Call<Held, Result> {
  readonly options: UsingOptions;
  readonly routine: Routine<Held, Result>;
}

/**
 * Tells apart the arguments of a `using`: options and a routine, or a routine alone.
 *
 * @param what the call, as errors name it
 * @throws {TypeError} options of a wrong type, or a routine that is not a function
 */
export function callOf<Held, Result>(
  what: string,
  first: UsingOptions | Routine<Held, Result> | undefined,
  second: Routine<Held, Result> | undefined,
): Call<Held, Result> {
  if (typeof first === 'function' && second === undefined) return { options: {}, routine: first };
  const options = first === undefined ? {} : (first as UsingOptions);
  checkNames(`${what} option`, options, USING_NAMES);
  if (typeof second === 'function') return { options, routine: second };
  throw new TypeError(`routine must be a function: got ${describe(second)}`);
}

/** Runs routines under locks of any kind: what all `using` have in common. */
export class Usings {
  readonly routines: Routines;
  readonly #settings: Settings;
  readonly #acquirer: Acquirer;

  constructor(settings: Settings, clock: Clock, acquirer: Acquirer) {
    this.routines = new Routines(clock);
    this.#settings = settings;
    this.#acquirer = acquirer;
  }

  /** Runs a routine under one lock: the one passed as `within`, or else one that is acquired and extended meanwhile. */
  async use<Result>(spec: LockSpec, { options, routine }: Call<Lock, Result>): Promise<Result> {
    const { maxHold, acquiring } = this.#check(spec, options);
    const shown = this.#shown(spec, options.within, 1);
    const [outer] = shown?.all ?? [];
    if (outer !== undefined) return await this.routines.runWithin([outer], () => routine(outer));
    const lock = await this.#acquirer.acquire(spec, acquiring);
    if (this.#acquirer.isClosed) throw await this.#tooLate([lock]);
    return await this.routines.run([lock], { maxHold }, () => routine(lock));
  }

  /** As {@link use}, with several permits. */
  async useMany<Result>(
    spec: LockSpec,
    count: number,
    { options, routine }: Call<Permits, Result>,
    acquire: (options: AcquireOptions) => Promise<Permits>,
  ): Promise<Result> {
    const { maxHold, acquiring } = this.#check(spec, options);
    const shown = this.#shown(spec, options.within, count);
    if (shown !== undefined) return await this.routines.runWithin(shown.all, () => routine(shown));
    const permits = await acquire(acquiring);
    if (this.#acquirer.isClosed) throw await this.#tooLate(permits.all);
    return await this.routines.run(permits.all, { maxHold }, () => routine(permits));
  }

  /** Checks all options, whether they will matter or not, and that the Redlock is open. */
  #check({ resources }: LockSpec, { maxHold, within: _, ...acquiring }: UsingOptions) {
    const checked = maxHoldOf({ maxHold });
    checkSignal(acquiring.signal);
    waitTimeOf(this.#settings, acquiring);
    ttlOf(this.#settings, acquiring);
    throwIfAborted(acquiring.signal);
    this.#acquirer.checkOpen(resources);
    return { maxHold: checked, acquiring };
  }

  /**
   * The locks passed as `within`, if a routine that needs `count` locks may run under them; undefined: acquire others.
   *
   * A lock that is held no more is an error where it is one of those that the routine needs. What the caller has read
   * under it may be out of date. A new lock has a new token, and a write with that token would succeed all the same.
   *
   * @throws {LockLostError | LockReleasedError} it is held no more
   * @throws {UpgradeError} it is a read lock, and the routine needs it alone
   * @throws {TypeError} it is not a lock
   */
  #shown(
    { resources, target }: LockSpec,
    within: UsingOptions['within'],
    count: number,
  ): Permits | undefined {
    if (within === undefined || within === null) return undefined;
    if (!(within instanceof Lock) && !(within instanceof Permits)) {
      throw new TypeError(`within must be a lock that is held, or null: got ${describe(within)}`);
    }
    const shown = within instanceof Permits ? within : new Permits([within]);
    const targets = shown.all.map((lock) => this.#acquirer.targetOf(lock));
    if (targets.some((each) => each === undefined || !touches(each, target))) return undefined;
    shown.assertHeld();
    if (target.sharers === undefined && shown.all.some(({ isShared }) => isShared)) {
      throw new UpgradeError({ resources });
    }
    const isEnough = shown.all.length >= count && targets.every((each) => each && covers(each, target));
    return isEnough ? shown : undefined;
  }

  /** close() came between the acquire and the routine, and has not seen the locks. */
  async #tooLate(locks: readonly Lock[]): Promise<ClosedError> {
    await Promise.all(locks.map((lock) => lock.release()));
    return new ClosedError({ resources: locks[0]?.resources ?? [] });
  }
}

/** Whether two locks exclude each other. */
function touches(shown: LockKeys, wanted: LockKeys): boolean {
  const keys = new Set(shown.keys);
  return wanted.keys.some((key) => keys.has(key));
}

/** Whether the holder of the one lock needs no other to have what the other one is for. */
function covers(shown: LockKeys, wanted: LockKeys): boolean {
  // Any permit will do. One of a semaphore of another size is a permit of another semaphore.
  if (wanted.size !== undefined) return shown.size?.permits === wanted.size.permits;
  const keys = new Set(shown.keys);
  return wanted.keys.every((key) => keys.has(key));
}
