import { throwIfAborted } from '../base/abort-signal.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { type CallMessage, type Draft, traced, usings } from '../base/diagnostics.ts';
import { UpgradeError } from '../base/errors.ts';
import type { AutoExtendTerms } from '../lock/auto-extend.ts';
import { isLock, type Lock, tokenOf } from '../lock/lock.ts';
import { modeOf } from '../wire/operation.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import {
  type AcquireOptions,
  checkAttempts,
  checkNames,
  checkOnOutage,
  checkSignal,
  KEEP_NAMES,
  maxHoldOf,
  type Settings,
  ttlOf,
  USING_NAMES,
  type UsingOptions,
  waitTimeOf,
} from './options.ts';
import { type Routine, Routines } from './routines.ts';

/** The arguments of a `using`, checked and told apart. */
interface Call<Result> {
  readonly options: UsingOptions;
  readonly routine: Routine<Result>;
}

/** The options of a `using`, checked. */
interface Checked {
  readonly terms: AutoExtendTerms;
  readonly acquiring: AcquireOptions;
}

/** What most have in common. */
const FOR_EVER: AutoExtendTerms = { maxHold: Number.POSITIVE_INFINITY };

/**
 * Tells apart the arguments of a `using`: options and a routine, or a routine alone.
 *
 * @param what the call, as errors name it
 * @throws {TypeError} options of a wrong type, or a routine that is not a function
 */
export function callOf<Result>(
  what: string,
  first: UsingOptions | Routine<Result> | undefined,
  second: Routine<Result> | undefined,
): Call<Result> {
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
  readonly #clock: Clock;
  readonly #acquirer: Acquirer;

  constructor(settings: Settings, clock: Clock, acquirer: Acquirer) {
    this.routines = new Routines(clock);
    this.#settings = settings;
    this.#clock = clock;
    this.#acquirer = acquirer;
  }

  /** Runs a routine under a lock: the one passed as `within`, or else one that is acquired and extended meanwhile. */
  use<Result>(spec: LockSpec, { options, routine }: Call<Result>): Promise<Result> {
    const checked = this.#check(spec, options);
    const outer = this.#shown(spec, options.within);
    if (!usings.hasSubscribers) return this.#use(spec, checked, outer, routine);
    const message: Draft<CallMessage> = { resources: spec.resources, mode: modeOf(spec.target) };
    return traced(usings, message, this.#clock, async () => {
      return await this.#use(spec, checked, outer, (lock) => {
        message.token = tokenOf(lock);
        return routine(lock);
      });
    });
  }

  // Not async, since there may be very many at a time.
  #use<Result>(
    spec: LockSpec,
    { terms, acquiring }: Checked,
    outer: Lock | undefined,
    routine: Routine<Result>,
  ): Promise<Result> {
    if (outer !== undefined) return this.routines.runWithin(outer, routine);
    return this.#acquirer.acquire(spec, acquiring).then((lock) => this.routines.run(lock, terms, routine));
  }

  /** Runs a routine under a lock that the caller has: it is extended meanwhile, and released after the routine. */
  keep<Result>(lock: Lock, { options, routine }: Call<Result>): Promise<Result> {
    checkNames('option of using a lock that is held', options, KEEP_NAMES);
    const terms = termsOf(options);
    if (this.#acquirer.targetOf(lock) === undefined) {
      throw new TypeError('lock must be a lock of this Redlock: got a lock of another Redlock');
    }
    this.#acquirer.checkOpen(lock.resources);
    lock.assertHeld();
    return this.routines.run(lock, terms, routine);
  }

  /** Checks all options, whether they will matter or not, and that the Redlock is open. */
  #check({ resources }: LockSpec, { maxHold, within: _, ...acquiring }: UsingOptions): Checked {
    const terms = termsOf({ maxHold });
    checkSignal(acquiring.signal);
    if (acquiring.attempts !== undefined) checkAttempts(acquiring.attempts);
    waitTimeOf(this.#settings, acquiring);
    if (acquiring.onOutage !== undefined) checkOnOutage(acquiring.onOutage);
    ttlOf(this.#settings, acquiring);
    throwIfAborted(acquiring.signal);
    this.#acquirer.checkOpen(resources);
    return { terms, acquiring };
  }

  /**
   * The lock passed as `within`, if the routine may run under it; undefined: acquire another.
   *
   * A lock that is held no more is an error where it is one that the routine needs. What the caller has read under it
   * may be out of date. A new lock has a new token, and a write with that token would succeed all the same.
   *
   * @throws {LockLostError | LockReleasedError} it is held no more
   * @throws {UpgradeError} it is a read lock, and the routine needs it alone
   * @throws {TypeError} it is not a lock
   */
  #shown({ resources, target }: LockSpec, within: UsingOptions['within']): Lock | undefined {
    if (within === undefined || within === null) return undefined;
    if (!isLock(within)) {
      throw new TypeError(`within must be a lock that is held, or null: got ${describe(within)}`);
    }
    const shown = new Set(this.#acquirer.targetOf(within)?.queues);
    // Locks exclude each other where they have a queue in common. Of a semaphore any permit will do.
    const isShown = (queue: string) => shown.has(queue);
    if (!target.queues.some(isShown)) return undefined;
    within.assertHeld();
    if (target.sharers === undefined && within.isShared) throw new UpgradeError({ resources });
    return target.queues.every(isShown) ? within : undefined;
  }
}

function termsOf(options: Pick<UsingOptions, 'maxHold'>): AutoExtendTerms {
  const maxHold = maxHoldOf(options);
  return maxHold === FOR_EVER.maxHold ? FOR_EVER : { maxHold };
}
