import { type AbortSignalLike, abortable, throwIfAborted } from '../base/abort-signal.ts';
import type { Clock } from '../base/clock.ts';
import { type AcquireMessage, acquiring, type Draft, traced } from '../base/diagnostics.ts';
import { ClosedError, LockLostError, type OwnHold, QuorlockError, withCallersStack } from '../base/errors.ts';
import type { Attempt } from '../lock/attempts.ts';
import { followLock, type Lock, leaseOf, targetOf, tokenOf } from '../lock/lock.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { ContendOptions } from '../quorum/round.ts';
import { type AcquireRequest, failureOf, type Pace } from '../waiting/acquire-request.ts';
import type { WaitQueues } from '../waiting/wait-queues.ts';
import { type CallTime, callTime } from '../waiting/waiter.ts';
import { type LockKeys, modeOf } from '../wire/operation.ts';
import {
  type AcquireOptions,
  type AttemptPlan,
  checkAttempts,
  checkOnOutage,
  checkSignal,
  duration,
  type OnOutage,
  type Settings,
  type TryAcquireOptions,
  ttlOf,
  waitTimeOf,
} from './options.ts';

/** A lock of some kind, which can be acquired again and again. */
export interface LockSpec {
  /** The resources, as errors name them. */
  readonly resources: readonly string[];
  /** The keys at whose queues its waiters wait. */
  readonly target: LockKeys;
  /** Makes one attempt. */
  attempt(ttl: number, contend?: ContendOptions): Promise<Attempt>;
}

/** What an {@link Acquirer} needs of its Redlock. */
export interface AcquirerSettings {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly quorum: Quorum;
  readonly waitQueues: WaitQueues;
  /** Aborts, with a {@link ClosedError}, when the Redlock closes. */
  readonly closing: AbortSignal;
  /** Takes note of work that no caller waits for, but that close() has to. */
  background(work: Promise<unknown>): void;
}

const NOT_TO_ADOPT =
  'a majority of nodes does not know it. Its validity has ended on the way, another process has adopted it, or the ' +
  'two programs do not have the same nodes and keyPrefix';

/** Acquires locks of any kind: what `acquire`, `tryAcquire` and `using` have in common. */
export class Acquirer {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #quorum: Quorum;
  readonly #waitQueues: WaitQueues;
  readonly #closing: AbortSignal;
  readonly #background: AcquirerSettings['background'];

  constructor({ settings, clock, quorum, waitQueues, closing, background }: AcquirerSettings) {
    this.#settings = settings;
    this.#clock = clock;
    this.#quorum = quorum;
    this.#waitQueues = waitQueues;
    this.#closing = closing;
    this.#background = background;
  }

  /** Acquires, and waits for other holders and for nodes up to waitTime; see `Redlock.acquire` for what it throws. */
  acquire(spec: LockSpec, options: AcquireOptions): Promise<Lock> {
    checkSignal(options.signal);
    if (options.attempts !== undefined) checkAttempts(options.attempts);
    const waitTime =
      options.attempts === undefined ? waitTimeOf(this.#settings, options) : Number.POSITIVE_INFINITY;
    const onOutage =
      options.onOutage === undefined ? this.#settings.onOutage : checkOnOutage(options.onOutage);
    const request = this.#request(spec, options, waitTime, options.signal, onOutage);
    if (!acquiring.hasSubscribers) return this.#acquire(request, spec.target);
    return this.#traced(request, spec.target, (asked) => this.#acquire(asked, spec.target));
  }

  async #acquire(request: AcquireRequest, target: LockKeys): Promise<Lock> {
    const { resources, waitTime, signal } = request;
    try {
      let calledAt: CallTime | undefined;
      if (!this.#quorum.isConnected) {
        calledAt = callTime(this.#clock);
        await this.connected(signal, waitTime || Number.POSITIVE_INFINITY);
      }
      this.checkOpen(resources);
      throwIfAborted(signal);
      const asking =
        waitTime > 0 ? this.#waitQueues.acquire(request, target, calledAt) : this.#tryOnce(request, raise);
      const lock = await asking;
      // A close() since the grant has released it.
      this.#closing.throwIfAborted();
      return lock;
    } catch (error) {
      // The caller gets its signal's own reason, which may be an error of another lock.
      if (signal?.aborted && error === signal.reason) throw error;
      throw withCallersStack(this.unlessClosed(error, resources));
    }
  }

  /** Makes one attempt; null if another holder has it. */
  tryAcquire(spec: LockSpec, options: TryAcquireOptions): Promise<Lock | null> {
    const request = this.#request(spec, options, 0, undefined);
    if (!acquiring.hasSubscribers) return this.#tryAcquire(request);
    return this.#traced(request, spec.target, (asked) => this.#tryAcquire(asked));
  }

  async #tryAcquire(request: AcquireRequest): Promise<Lock | null> {
    try {
      if (!this.#quorum.isConnected) await this.connected(undefined);
      const lock = await this.#tryOnce(request, () => null);
      this.#closing.throwIfAborted();
      return lock;
    } catch (error) {
      throw this.unlessClosed(error, request.resources);
    }
  }

  /**
   * Exchanges a caller's lock for another one on the same key, in one step: no other client comes between. The old lock
   * is released whatever comes of it, and its lease is not handed over in this process.
   */
  downgrade(lock: Lock, spec: LockSpec, options: TryAcquireOptions): Promise<Lock> {
    const request = this.#request(spec, options, 0, undefined);
    lock.assertHeld();
    if (!acquiring.hasSubscribers) return this.#downgrade(lock, request);
    return this.#traced(request, spec.target, (asked) => this.#downgrade(lock, asked));
  }

  async #downgrade(lock: Lock, request: AcquireRequest): Promise<Lock> {
    const lease = leaseOf(lock);
    try {
      const taking = request.attempt({ waiter: undefined, previous: lease.value });
      void lease.releaseOnNodes();
      return await this.#tryOnce({ ...request, attempt: () => taking }, raise);
    } catch (error) {
      throw this.unlessClosed(error, request.resources);
    }
  }

  /** Takes over a lock that another process has handed over, in the one attempt of the spec. */
  adopt(spec: LockSpec, options: TryAcquireOptions): Promise<Lock> {
    const request = this.#request(spec, options, 0, undefined);
    if (!acquiring.hasSubscribers) return this.#adopt(request);
    return this.#traced(request, spec.target, (asked) => this.#adopt(asked));
  }

  async #adopt(request: AcquireRequest): Promise<Lock> {
    try {
      if (!this.#quorum.isConnected) await this.connected(undefined);
      return await this.#tryOnce(request, (failure) => {
        throw failure instanceof QuorlockError ? new LockLostError(NOT_TO_ADOPT, failure) : failure;
      });
    } catch (error) {
      throw withCallersStack(this.unlessClosed(error, request.resources));
    }
  }

  /** The keys of a lock of this Redlock; undefined for anything else. */
  targetOf(lock: unknown): LockKeys | undefined {
    return targetOf(lock, this.#quorum);
  }

  /** Whether close() was called. */
  get isClosed(): boolean {
    return this.#closing.aborted;
  }

  /** @throws {ClosedError} */
  checkOpen(resources: readonly string[]): void {
    if (this.isClosed) throw new ClosedError({ resources });
  }

  /** Waits for first connections, for no longer than connectTimeout and `mostMs`. */
  async connected(signal: AbortSignalLike | undefined, mostMs = Number.POSITIVE_INFINITY): Promise<void> {
    const connected = this.#quorum.connected(Math.min(this.#settings.connectTimeout, mostMs));
    await abortable(connected, this.#signals(signal), () => {
      // There is nothing to release: the connection serves the next call.
    });
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
    const ttl = ttlOf(this.#settings, options);
    throwIfAborted(signal);
    this.checkOpen(resources);
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
        this.#background(attempt);
        return attempt;
      },
      // New nodes get their markers first: then it is certain whether they vote.
      endsInOutage: (votes) =>
        this.#quorum.isLost(votes) || (onOutage === 'reject' && this.#quorum.isConnected),
    };
  }

  /** Publishes the course of a call. */
  async #traced<Result extends Lock | null>(
    request: AcquireRequest,
    target: LockKeys,
    call: (request: AcquireRequest) => Promise<Result>,
  ): Promise<Result> {
    const { resources, ttl, waitTime } = request;
    const message: Draft<AcquireMessage> = { resources, mode: modeOf(target), ttl, waitTime, attempts: 0 };
    const attempt: AcquireRequest['attempt'] = (contend) => {
      message.attempts += 1;
      const made = request.attempt(contend);
      // The caller hears of an attempt that failed itself.
      made.then(
        ({ votes }) => {
          message.votes = votes;
        },
        () => undefined,
      );
      return made;
    };
    const lock = await traced(acquiring, message, this.#clock, async () => {
      try {
        const result = await call({ ...request, attempt });
        message.granted = result !== null;
        if (result !== null) message.token = tokenOf(result);
        return result;
      } catch (error) {
        message.granted = false;
        throw error;
      }
    });
    if (lock !== null) followLock(lock, message);
    this.checkOpen(resources);
    return lock;
  }

  /** What this process holds of the lock already, so that a caller that waits for itself learns of it. */
  #ownHold(spec: LockSpec): OwnHold | undefined {
    const { target } = spec;
    const leases = this.#waitQueues.leasesAt(target);
    if (leases.length === 0) return undefined;
    return {
      heldForMs: Math.max(...leases.map(({ ageMs }) => ageMs)),
      permits: target.permit && leases.length,
      isToBeUpgraded:
        target.sharers === undefined && leases.some((lease) => lease.target.sharers !== undefined),
    };
  }

  /** Makes one attempt. If it is cancelled it rejects at once, and releases what it may still get. */
  async #tryOnce<Held>(request: AcquireRequest, held: (failure: Error) => Held): Promise<Lock | Held> {
    const startedAtMs = this.#clock.monotonic();
    const attempt = await abortable(request.attempt(), this.#signals(request.signal), releaseLate);
    if (attempt.outcome === 'acquired') return this.#waitQueues.lockOf(attempt.lease, request.ttl);
    const failure = failureOf(attempt, request, this.#clock.monotonic() - startedAtMs);
    if (attempt.outcome === 'held') return held(failure);
    throw failure;
  }

  #signals(signal: AbortSignalLike | undefined): readonly AbortSignalLike[] {
    return signal === undefined ? [this.#closing] : [signal, this.#closing];
  }

  /** An error of close() becomes a ClosedError that names the resources. */
  unlessClosed(error: unknown, resources: readonly string[]): unknown {
    return error === this.#closing.reason ? new ClosedError({ resources }) : error;
  }
}

function raise(failure: Error): never {
  throw failure;
}

/** The caller of an attempt has left before it was over. */
function releaseLate(attempt: Attempt): void {
  if (attempt.outcome === 'acquired') void attempt.lease.releaseOnNodes();
}

/** Counts the attempts of one call. */
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
    return duration('attempts.pauseMs()', this.#plan.pauseMs(), 0);
  }

  count(attempt: Promise<Attempt>): void {
    this.#left -= 1;
    const { made } = this.#plan;
    // The caller hears of an attempt that failed itself.
    attempt.then(
      ({ votes }) => made?.(votes),
      () => undefined,
    );
  }
}
