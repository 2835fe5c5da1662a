import { type AbortSignalLike, onAbort, reasonOf } from '../base/abort-signal.ts';
import type { Clock } from '../base/clock.ts';
import { LockHeldError, WaitTimeoutError } from '../base/errors.ts';
import { AutoExtend } from '../lock/auto-extend.ts';
import type { Lease } from '../lock/lease.ts';
import { type Lock, leaseOf } from '../lock/lock.ts';
import type { Acquirer, LockSpec } from './acquirer.ts';
import { type AcquireOptions, type Settings, waitTimeOf } from './options.ts';
import { Permits } from './permits.ts';
import type { Slots } from './slots.ts';

/** What a batch acquire needs of its Redlock. */
export interface BatchAcquireSettings {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly acquirer: Acquirer;
  /** The lock that a call holds while it acquires its permits one by one. */
  readonly mutex: LockSpec;
}

/** The call itself ends the extensions, one way or the other. */
const UNBOUNDED = { maxHold: Number.POSITIVE_INFINITY };

/**
 * Acquires several permits of a semaphore, all or none. They come one by one, each in its turn, and the call extends
 * those that have come until the last one has. Only one call at a time does so, under a mutex of its own, so that no
 * two wait for each other. A caller that wants a single permit does not need the mutex.
 */
export class BatchAcquire {
  readonly #settings: BatchAcquireSettings;
  readonly #slots: Slots;

  constructor(settings: BatchAcquireSettings, slots: Slots) {
    this.#settings = settings;
    this.#slots = slots;
  }

  /** Acquires, and waits up to waitTime in all; see `Redlock.acquire` for what it throws. */
  async acquire(count: number, options: AcquireOptions): Promise<Permits> {
    const { settings, clock, acquirer, mutex } = this.#settings;
    const waitTime = waitTimeOf(settings, options);
    const startedAtMs = clock.monotonic();
    const elapsedMs = () => clock.monotonic() - startedAtMs;
    const next = (spec: LockSpec, signal = options.signal) =>
      acquirer.acquire(spec, {
        ...options,
        ...(signal === undefined ? {} : { signal }),
        waitTime: Math.max(0, waitTime - elapsedMs()),
      });
    try {
      const mutexLock = await next(mutex);
      const autoExtend = new AutoExtend(mutexLock, clock, UNBOUNDED);
      try {
        return await this.#acquireAll(count, next, options.signal);
      } finally {
        autoExtend.stop();
        // The call does not wait for the nodes' answers: it extends the permits no more.
        void mutexLock.release();
      }
    } catch (error) {
      // The caller gets its signal's own reason.
      if (options.signal?.aborted && error === options.signal.reason) throw error;
      // The last attempt had what was left of the time, or did not wait; the caller has waited for all of waitTime.
      const isLate = error instanceof WaitTimeoutError || (error instanceof LockHeldError && waitTime > 0);
      if (!isLate) throw error;
      const { resources, votes, ownHold } = error;
      throw new WaitTimeoutError({ resources, votes, elapsedMs: elapsedMs(), waitTime, ownHold });
    }
  }

  async #acquireAll(
    count: number,
    next: (spec: LockSpec, signal: AbortSignal) => Promise<Lock>,
    signal: AbortSignalLike | undefined,
  ): Promise<Permits> {
    const { clock } = this.#settings;
    const end = new AbortController();
    const stopListening = signal && onAbort(signal, () => end.abort(reasonOf(signal)));
    if (signal?.aborted === true) end.abort(reasonOf(signal));
    const acquired: { readonly lock: Lock; readonly autoExtend: AutoExtend }[] = [];
    const arrivals = Array.from({ length: count }, async () => {
      const isOwn = (lease: Lease) => acquired.some(({ lock }) => leaseOf(lock) === lease);
      const lock = await next({ ...this.#slots.spec(), isOwn }, end.signal);
      acquired.push({ lock, autoExtend: new AutoExtend(lock, clock, UNBOUNDED) });
      return lock;
    });
    try {
      const permits = new Permits(await Promise.all(arrivals));
      permits.assertHeld();
      return permits;
    } catch (error) {
      // All or none: the call stops waiting for the others. Their holders may never release them.
      end.abort(error);
      await Promise.allSettled(arrivals);
      for (const { lock } of acquired) void lock.release();
      throw error;
    } finally {
      stopListening?.();
      for (const { autoExtend } of acquired) autoExtend.stop();
    }
  }
}
