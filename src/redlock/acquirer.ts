import { abortable } from '../base/abortable.ts';
import type { Clock } from '../base/clock.ts';
import { describe } from '../base/describe.ts';
import { ClosedError, SelfDeadlockError, UpgradeError } from '../base/errors.ts';
import type { Attempt } from '../lock/attempts.ts';
import { Keeper, type KeeperTerms } from '../lock/keeper.ts';
import { type Lock, leaseOf } from '../lock/lock.ts';
import type { Contention } from '../quorum/contention.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { type AcquireRequest, failureOf } from '../waiting/acquire-request.ts';
import type { WaitQueues } from '../waiting/wait-queues.ts';
import type { LockKeys } from '../wire/operation.ts';
import { Holdings } from './holdings.ts';
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

/** A lock of some kind that can be asked for again and again. */
export interface LockSpec {
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
  readonly waitQueues: WaitQueues;
  /** Aborts, with a {@link ClosedError}, when the Redlock closes. */
  readonly closing: AbortSignal;
}

/** Acquires locks of any kind: what `acquire`, `tryAcquire` and `using` have in common, whatever is asked for. */
export class Acquirer {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #quorum: Quorum;
  readonly #waitQueues: WaitQueues;
  readonly #closing: AbortSignal;
  readonly #holdings = new Holdings();

  constructor({ settings, clock, quorum, waitQueues, closing }: AcquirerSettings) {
    this.#settings = settings;
    this.#clock = clock;
    this.#quorum = quorum;
    this.#waitQueues = waitQueues;
    this.#closing = closing;
  }

  /** Waits for other holders, up to waitTime; see `Redlock.acquire` for what it throws. */
  async acquire(spec: LockSpec, options: AcquireOptions): Promise<Lock> {
    checkSignal(options.signal);
    const waitTime = waitTimeOf(this.#settings, options);
    const request = this.#request(spec, options, waitTime, options.signal);
    this.#checkDeadlock(spec, waitTime);
    try {
      if (!this.#quorum.isConnected) await this.connected(request.signal);
      this.checkOpen(request.resources);
      options.signal?.throwIfAborted();
      if (waitTime > 0) return await this.#waitQueues.acquire(request, spec.target);
      return await this.#tryOnce(request, (failure) => {
        throw failure;
      });
    } catch (error) {
      throw this.unlessClosed(error, request.resources);
    }
  }

  /** One attempt; null if somebody else holds it. */
  async tryAcquire(spec: LockSpec, options: TryAcquireOptions): Promise<Lock | null> {
    const request = this.#request(spec, options, 0, undefined);
    try {
      if (!this.#quorum.isConnected) await this.connected(undefined);
      return await this.#tryOnce(request, () => null);
    } catch (error) {
      throw this.unlessClosed(error, request.resources);
    }
  }

  /** Runs a routine under a lock that is kept alive meanwhile. */
  async use<Result>(
    spec: LockSpec,
    { maxHold, reentrant = false, ...options }: UsingOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    const terms = { maxHold: maxHoldOf({ maxHold }) };
    checkRoutine(routine);
    if (typeof reentrant !== 'boolean') {
      throw new TypeError(`reentrant must be a boolean: got ${describe(reentrant)}`);
    }
    const { target } = spec;
    checkSignal(options.signal);
    waitTimeOf(this.#settings, options);
    ttlOf(this.#settings, options);
    options.signal?.throwIfAborted();
    const outer = reentrant ? this.#holdings.covering(target) : undefined;
    if (outer !== undefined) return await routine(outer);
    const lock = await this.acquire(spec, options);
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
   * A lock that a caller has gives way to another one on the same key, in one step: no other client comes between. It is
   * released whatever comes of it, and not handed over in this process.
   */
  async exchange(lock: Lock, spec: LockSpec, options: TryAcquireOptions): Promise<Lock> {
    const request = this.#request(spec, options, 0, undefined);
    lock.assertHeld();
    const lease = leaseOf(lock);
    try {
      const taking = request.attempt({ waiter: undefined, previous: lease.value });
      void lease.releaseOnNodes();
      return await this.#tryOnce({ ...request, attempt: () => taking }, (failure) => {
        throw failure;
      });
    } catch (error) {
      throw this.unlessClosed(error, request.resources);
    }
  }

  /** @throws {ClosedError} */
  checkOpen(resources: readonly string[]): void {
    if (this.#closing.aborted) throw new ClosedError({ resources });
  }

  /** Waits for first connections, for no longer than connectTimeout. */
  async connected(signal: AbortSignal | undefined): Promise<void> {
    const connected = this.#quorum.connected(this.#settings.connectTimeout);
    await abortable(connected, this.#signals(signal), () => {
      // A connection is nobody's to give back.
    });
  }

  #request(
    { resources, target, attempt }: LockSpec,
    options: TryAcquireOptions,
    waitTime: number,
    signal: AbortSignal | undefined,
  ): AcquireRequest {
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
  #checkDeadlock({ resources, target }: LockSpec, waitTime: number): void {
    const own = this.#holdings.touching(target);
    if (own === undefined) return;
    if (own.isShared && target.sharers === undefined) throw new UpgradeError({ resources });
    if (waitTime > 0) throw new SelfDeadlockError({ resources });
  }

  /** One attempt. If it is cancelled it rejects at once, and gives back what it may still get. */
  async #tryOnce<Held>(request: AcquireRequest, held: (failure: Error) => Held): Promise<Lock | Held> {
    const startedAtMs = this.#clock.monotonic();
    const attempt = await abortable(request.attempt(), this.#signals(request.signal), (late) => {
      if (late.outcome === 'acquired') void late.lease.releaseOnNodes();
    });
    if (attempt.outcome === 'acquired') return this.#waitQueues.lockOf(attempt.lease, request.ttl);
    const failure = failureOf(attempt, request, this.#clock.monotonic() - startedAtMs);
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
