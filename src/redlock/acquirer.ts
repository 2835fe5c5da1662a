import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClosedError, SelfDeadlockError, UpgradeError } from '../base/errors.ts';
import type { Attempt } from '../lock/attempt.ts';
import { Keeper, type KeeperTerms } from '../lock/keeper.ts';
import { heirOf, type Lock } from '../lock/lock.ts';
import type { Contention } from '../quorum/contention.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';
import type { Contenders } from './contenders.ts';
import { Holdings } from './holdings.ts';
import { interruptible } from './interruptible.ts';
import {
  type AcquireOptions,
  checkSignal,
  maxHoldOf,
  type Settings,
  type TryAcquireOptions,
  ttlOf,
  type UsingOptions,
  waitTimeOf,
} from './options.ts';
import { failureOf, type Wish } from './wish.ts';

/** A lock of some kind that can be asked for again and again. */
export interface Demand {
  /** What it is about, as errors name it. */
  readonly resources: readonly string[];
  /** The keys at which somebody waits for it. */
  readonly target: LockKeys;
  /** Tries once. */
  attempt(ttl: number, contention?: Contention): Promise<Attempt>;
}

/** What is needed to acquire. */
export interface AcquirerSettings {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly quorum: Quorum;
  readonly contenders: Contenders;
  /** Aborts, with a {@link ClosedError}, when the Redlock closes. */
  readonly closing: AbortSignal;
}

/** Acquires locks of any kind: what `acquire`, `tryAcquire` and `using` have in common, whatever is asked for. */
export class Acquirer {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #quorum: Quorum;
  readonly #contenders: Contenders;
  readonly #closing: AbortSignal;
  readonly #holdings = new Holdings();

  constructor({ settings, clock, quorum, contenders, closing }: AcquirerSettings) {
    this.#settings = settings;
    this.#clock = clock;
    this.#quorum = quorum;
    this.#contenders = contenders;
    this.#closing = closing;
  }

  /** Waits for other holders, up to waitTime; see `Redlock.acquire` for what it throws. */
  async acquire(demand: Demand, options: AcquireOptions): Promise<Lock> {
    checkSignal(options.signal);
    const waitTime = waitTimeOf(this.#settings, options);
    const wish = this.#wish(demand, options, waitTime, options.signal);
    this.#checkDeadlock(demand, waitTime);
    try {
      if (!this.#quorum.isConnected) await this.connected(wish.signal);
      this.checkOpen(wish.resources);
      options.signal?.throwIfAborted();
      if (waitTime > 0) return await this.#contenders.acquire(wish, demand.target);
      return await this.#tryOnce(wish, (failure) => {
        throw failure;
      });
    } catch (error) {
      throw this.unlessClosed(error, wish.resources);
    }
  }

  /** One attempt; null if somebody else holds it. */
  async tryAcquire(demand: Demand, options: TryAcquireOptions): Promise<Lock | null> {
    const wish = this.#wish(demand, options, 0, undefined);
    try {
      if (!this.#quorum.isConnected) await this.connected(undefined);
      return await this.#tryOnce(wish, () => null);
    } catch (error) {
      throw this.unlessClosed(error, wish.resources);
    }
  }

  /** Runs a routine under a lock that is kept alive meanwhile. */
  async use<Result>(
    demand: Demand,
    { maxHold, reentrant = false, ...options }: UsingOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const terms = { maxHold: maxHoldOf({ maxHold }) };
    checkRoutine(routine);
    if (typeof reentrant !== 'boolean') {
      throw new TypeError(`reentrant must be a boolean: got ${describe(reentrant)}`);
    }
    const { target } = demand;
    checkSignal(options.signal);
    waitTimeOf(this.#settings, options);
    ttlOf(this.#settings, options);
    options.signal?.throwIfAborted();
    const outer = reentrant ? this.#holdings.covering(target) : undefined;
    if (outer !== undefined) return await routine(outer);
    const lock = await this.acquire(demand, options);
    const keeper = new Keeper(lock, this.#clock, terms);
    try {
      return await this.#holdings.during(lock, target, routine);
    } finally {
      keeper.stop();
      await lock.release();
    }
  }

  /** Keeps locks alive while something is done, and gives them back. */
  async keep<Result>(
    locks: readonly Lock[],
    terms: KeeperTerms,
    routine: () => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const keepers = locks.map((lock) => new Keeper(lock, this.#clock, terms));
    try {
      return await routine();
    } finally {
      for (const keeper of keepers) keeper.stop();
      await Promise.all(locks.map((lock) => lock.release()));
    }
  }

  /**
   * A lock that somebody has gives way to another one on the same key, in one step: nobody comes between. It is given back
   * whatever comes of it.
   */
  async exchange(lock: Lock, demand: Demand, options: TryAcquireOptions): Promise<Lock> {
    const wish = this.#wish(demand, options, 0, undefined);
    lock.assertHeld();
    try {
      // Somebody in this process may be about to have it next, and nodes may know it by that name.
      const heir = await heirOf(lock);
      lock.assertHeld();
      const taking = wish.attempt({ waiter: undefined, previous: (heir ?? lock).value });
      void heir?.release();
      void lock.release();
      return await this.#tryOnce({ ...wish, attempt: () => taking }, (failure) => {
        throw failure;
      });
    } catch (error) {
      throw this.unlessClosed(error, wish.resources);
    }
  }

  /** @throws {ClosedError} */
  checkOpen(resources: readonly string[]): void {
    if (this.#closing.aborted) throw new ClosedError({ resources });
  }

  /** Waits for first connections, for no longer than connectTimeout. */
  async connected(signal: AbortSignal | undefined): Promise<void> {
    const connected = this.#quorum.connected(this.#settings.connectTimeout);
    await interruptible(connected, this.#signals(signal), () => {
      // A connection is nobody's to give back.
    });
  }

  #wish(
    { resources, target, attempt }: Demand,
    options: TryAcquireOptions,
    waitTime: number,
    signal: AbortSignal | undefined,
  ): Wish {
    const ttl = ttlOf(this.#settings, options);
    signal?.throwIfAborted();
    this.checkOpen(resources);
    return {
      resources,
      ttl,
      waitTime,
      signal,
      permits: target.size?.permits,
      attempt: (contention) => attempt(ttl, contention),
      nodesAnswer: (withinMs) => this.#quorum.answers(withinMs),
    };
  }

  /** Whoever waits for a lock that the code around holds waits for itself. */
  #checkDeadlock({ resources, target }: Demand, waitTime: number): void {
    const own = this.#holdings.touching(target);
    if (own === undefined) return;
    if (own.isShared && target.sharers === undefined) throw new UpgradeError({ resources });
    if (waitTime > 0) throw new SelfDeadlockError({ resources });
  }

  /** One attempt. If it is cancelled it rejects at once, and gives back what it may still get. */
  async #tryOnce<Held>(wish: Wish, held: (failure: Error) => Held): Promise<Lock | Held> {
    const startedAtMs = this.#clock.monotonic();
    const attempt = await interruptible(wish.attempt(), this.#signals(wish.signal), (late) => {
      if (late.outcome === 'acquired') void late.lock.release();
    });
    if (attempt.outcome === 'acquired') return attempt.lock;
    const failure = failureOf(attempt, wish, this.#clock.monotonic() - startedAtMs);
    if (attempt.outcome === 'held') return held(failure);
    throw failure;
  }

  #signals(signal: AbortSignal | undefined): readonly AbortSignal[] {
    return signal === undefined ? [this.#closing] : [signal, this.#closing];
  }

  /** Whatever fails because of close() fails with a ClosedError that names the resources. */
  unlessClosed(error: unknown, resources: readonly string[]): unknown {
    return error === this.#closing.reason ? new ClosedError({ resources }) : error;
  }
}

/** @throws {TypeError} not a function */
export function checkRoutine(routine: unknown): void {
  if (typeof routine !== 'function') {
    throw new TypeError(`routine must be a function: got ${describe(routine)}`);
  }
}
