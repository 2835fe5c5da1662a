import { type AbortSignalLike, abortable, throwIfAborted } from '../base/abort-signal.ts';
import { disown, isolated } from '../base/callback.ts';
import { type AcquireMessage, acquiring, type Draft, traced } from '../base/diagnostics.ts';
import { ClosedError, LockLostError, type OwnHold, QuorlockError, withCallersStack } from '../base/errors.ts';
import { type Instant, instant } from '../base/sound-clock.ts';
import type { Attempt } from '../lock/attempts.ts';
import type { LeaseDeps } from '../lock/lease.ts';
import { followLock, type Lock, leaseOf, targetOf, tokenOf } from '../lock/lock.ts';
import type { ContendOptions } from '../quorum/round.ts';
import { type AcquireRequest, failureOf, type Pace, releaseLate } from '../waiting/acquire-request.ts';
import type { WaitQueues } from '../waiting/wait-queues.ts';
import { type LockKeys, modeOf } from '../wire/operation.ts';
import {
  type AcquireOptions,
  type AttemptPlan,
  checkAttempts,
  checkOnOutage,
  checkSignal,
  checkTtl,
  duration,
  type OnOutage,
  type Settings,
  type TryAcquireOptions,
  waitTimeOf,
} from './options.ts';

/** A lock of some kind, which can be acquired again and again. */
export interface LockSpec {
  readonly resources: readonly string[];
  /** The keys at whose queues its waiters wait. */
  readonly target: LockKeys;
  attempt(ttl: number, contend?: ContendOptions): Promise<Attempt>;
}

/** What an {@link Acquirer} needs of its Redlock. */
export interface AcquirerSettings extends Pick<LeaseDeps, 'quorum' | 'clock'> {
  readonly settings: Settings;
  readonly waitQueues: WaitQueues;
  /** Aborts, with a {@link ClosedError}, when the Redlock closes. */
  readonly closing: AbortSignal;
}

const NOT_TO_ADOPT =
  'a majority of nodes does not know it. Its validity has ended on the way, another process has adopted it, or the ' +
  'two programs do not have the same nodes and keyPrefix';

/** Acquires locks of any kind: what `acquire`, `tryAcquire` and `using` have in common. */
export class Acquirer {
  readonly #deps: AcquirerSettings;

  constructor(deps: AcquirerSettings) {
    this.#deps = deps;
  }

  /** Acquires, and waits for other holders and for nodes up to waitTime; see `Redlock.acquire` for what it throws. */
  acquire(spec: LockSpec, options: AcquireOptions): Promise<Lock> {
    // What a caller leaves out needs no check.
    if (options.signal !== undefined) checkSignal(options.signal);
    if (options.attempts !== undefined) checkAttempts(options.attempts);
    const waitTime =
      options.attempts !== undefined
        ? Number.POSITIVE_INFINITY
        : options.waitTime === undefined
          ? this.#deps.settings.waitTime
          : waitTimeOf(this.#deps.settings, options);
    const onOutage =
      options.onOutage === undefined ? this.#deps.settings.onOutage : checkOnOutage(options.onOutage);
    const request = this.#request(spec, options, waitTime, options.signal, onOutage);
    if (!acquiring.hasSubscribers) return this.#acquire(request, spec.target);
    return this.#traced(request, spec.target, (asked) => this.#acquire(asked, spec.target));
  }

  async #acquire(request: AcquireRequest, target: LockKeys): Promise<Lock> {
    const { resources, waitTime, signal } = request;
    try {
      let calledAt: Instant | undefined;
      if (!this.#deps.quorum.isConnected) {
        calledAt = instant(this.#deps.clock);
        await this.connected(signal, waitTime || Number.POSITIVE_INFINITY);
      }
      if (this.#deps.closing.aborted) this.checkOpen(resources);
      if (signal !== undefined) throwIfAborted(signal);
      const asking =
        waitTime > 0 ? this.#deps.waitQueues.acquire(request, target, calledAt) : this.#tryOnce(request);
      const lock = await asking;
      // A close() since the grant has released it.
      if (this.#deps.closing.aborted) throw this.#deps.closing.reason;
      return lock;
    } catch (error) {
      // The caller gets its signal's own reason, which may be an error of another lock.
      if (signal?.aborted && error === signal.reason) throw error;
      throw withCallersStack(this.unlessClosed(error, resources));
    }
  }

  /** Makes one attempt; null if another holder has it. */
  tryAcquire(spec: LockSpec, options: TryAcquireOptions): Promise<Lock | null> {
    return this.#callOnce(spec, options, async (request) => {
      if (!this.#deps.quorum.isConnected) await this.connected(undefined);
      return await this.#tryOnce(request, () => null);
    });
  }

  /**
   * Exchanges a lock for another one on the same key in one step. It is released whatever comes of it, and not handed
   * over here.
   */
  downgrade(lock: Lock, spec: LockSpec, options: TryAcquireOptions): Promise<Lock> {
    const lease = leaseOf(lock);
    lock.assertHeld();
    return this.#callOnce(spec, options, async (request) => {
      const taking = request.attempt({ waiter: undefined, previous: lease.value });
      void lease.releaseOnNodes();
      return await this.#tryOnce({ ...request, attempt: () => taking });
    });
  }

  /** Takes over a lock that another process has handed over, in the one attempt of the spec. */
  adopt(spec: LockSpec, options: TryAcquireOptions): Promise<Lock> {
    return this.#callOnce(spec, options, async (request) => {
      if (!this.#deps.quorum.isConnected) await this.connected(undefined);
      return await this.#tryOnce(request, (failure) => {
        throw failure instanceof QuorlockError ? new LockLostError(NOT_TO_ADOPT, failure) : failure;
      });
    });
  }

  /** A call that does not wait for other holders. */
  #callOnce<Result extends Lock | null>(
    spec: LockSpec,
    options: TryAcquireOptions,
    work: (request: AcquireRequest) => Promise<Result>,
  ): Promise<Result> {
    const call = async (request: AcquireRequest) => {
      try {
        const result = await work(request);
        this.#deps.closing.throwIfAborted();
        return result;
      } catch (error) {
        throw withCallersStack(this.unlessClosed(error, spec.resources));
      }
    };
    const request = this.#request(spec, options, 0, undefined);
    return acquiring.hasSubscribers ? this.#traced(request, spec.target, call) : call(request);
  }

  /** The keys of a lock of this Redlock; undefined for anything else. */
  targetOf(lock: unknown): LockKeys | undefined {
    return targetOf(lock, this.#deps.quorum);
  }

  get isClosed(): boolean {
    return this.#deps.closing.aborted;
  }

  checkOpen(resources: readonly string[]): void {
    if (this.isClosed) throw new ClosedError({ resources });
  }

  /** Waits for first connections, for no longer than connectTimeout and `mostMs`. */
  async connected(signal: AbortSignalLike | undefined, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const connected = this.#deps.quorum.connected(Math.min(this.#deps.settings.connectTimeout, mostMs));
    // There is nothing to release then: the connection serves the next call.
    await abortable(connected, this.#signals(signal), () => undefined);
  }

  #request(
    spec: LockSpec,
    options: TryAcquireOptions & Pick<AcquireOptions, 'attempts'>,
    waitTime: number,
    signal: AbortSignalLike | undefined,
    onOutage: OnOutage = 'reject',
  ): AcquireRequest {
    const { resources } = spec;
    const pace = options.attempts && new CountedAttempts(options.attempts);
    const { settings } = this.#deps;
    const ttl = options.ttl === undefined ? settings.ttl : checkTtl(settings, options.ttl);
    if (signal !== undefined) throwIfAborted(signal);
    if (this.#deps.closing.aborted) this.checkOpen(resources);
    return {
      resources,
      ttl,
      waitTime,
      pace,
      signal,
      permits: spec.target.permit?.of,
      ownHold: () => this.#ownHold(spec),
      attempt: (contend) => {
        const attempt = spec.attempt(ttl, contend);
        pace?.count(attempt);
        this.#deps.quorum.background(attempt);
        return attempt;
      },
      // New nodes get their markers first: then it is certain whether they vote.
      endsInOutage: (votes) =>
        this.#deps.quorum.isLost(votes) || (onOutage === 'reject' && this.#deps.quorum.isConnected),
    };
  }

  async #traced<Result extends Lock | null>(
    request: AcquireRequest,
    target: LockKeys,
    call: (request: AcquireRequest) => Promise<Result>,
  ): Promise<Result> {
    const { resources, ttl, waitTime } = request;
    const message: Draft<AcquireMessage> = { resources, mode: modeOf(target), ttl, waitTime, attempts: 0 };
    const attempt: AcquireRequest['attempt'] = async (contend) => {
      message.attempts += 1;
      const made = await request.attempt(contend);
      message.votes = made.votes;
      return made;
    };
    const lock = await traced(acquiring, message, this.#deps.clock, async () => {
      const result = await call({ ...request, attempt }).finally(() => {
        message.granted = false;
      });
      message.granted = result !== null;
      if (result !== null) message.token = tokenOf(result);
      return result;
    });
    if (lock !== null) followLock(lock, message);
    this.checkOpen(resources);
    return lock;
  }

  /** What this process holds of the lock already, so that a caller that waits for itself learns of it. */
  #ownHold(spec: LockSpec): OwnHold | undefined {
    const { target } = spec;
    const leases = this.#deps.waitQueues.leasesAt(target);
    if (leases.length === 0) return undefined;
    return {
      heldForMs: Math.max(...leases.map(({ ageMs }) => ageMs)),
      permits: target.permit && leases.length,
      isToBeUpgraded: target.sharers === undefined && leases.some(({ mode }) => mode === 'shared'),
    };
  }

  /** Makes one attempt. If it is cancelled it rejects at once, and releases what it may still get. */
  async #tryOnce<Held = never>(
    request: AcquireRequest,
    held?: (failure: Error) => Held,
  ): Promise<Lock | Held> {
    const startedAtMs = this.#deps.clock.monotonic();
    const attempt = await abortable(request.attempt(), this.#signals(request.signal), releaseLate);
    if (attempt.outcome === 'acquired') return this.#deps.waitQueues.lockOf(attempt.lease, request.ttl);
    const failure = failureOf(attempt, request, this.#deps.clock.monotonic() - startedAtMs);
    if (attempt.outcome === 'held' && held !== undefined) return held(failure);
    throw failure;
  }

  #signals(signal: AbortSignalLike | undefined): readonly AbortSignalLike[] {
    return signal === undefined ? [this.#deps.closing] : [signal, this.#deps.closing];
  }

  /** An error of close() becomes a ClosedError that names the resources. */
  unlessClosed(error: unknown, resources: readonly string[]): unknown {
    return error === this.#deps.closing.reason ? new ClosedError({ resources }) : error;
  }
}

class CountedAttempts implements Pace {
  readonly #plan: AttemptPlan;
  #left: number;

  constructor(plan: AttemptPlan) {
    this.#plan = plan;
    this.#left = plan.most;
  }

  get isLeft(): boolean {
    return this.#left > 0;
  }

  get isLast(): boolean {
    return this.#left === 1;
  }

  pauseMs(): number {
    const pauseMs: unknown = this.#plan.pauseMs();
    if (typeof pauseMs === 'object') disown(pauseMs);
    return duration('attempts.pauseMs()', pauseMs, 0);
  }

  count(attempt: Promise<Attempt>): void {
    this.#left -= 1;
    const { made } = this.#plan;
    // The caller hears of an attempt that failed itself.
    attempt.then(
      ({ votes }) => {
        if (made !== undefined) isolated('attempts.made', () => made(votes));
      },
      () => undefined,
    );
  }
}
