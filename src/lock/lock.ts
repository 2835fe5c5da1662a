import type { Timer } from '../base/clock.ts';
import {
  type AcquireMessage,
  acquiring,
  type Draft,
  type ExtendMessage,
  extending,
  type HoldMessage,
  lost,
  type ReleaseMessage,
  releasing,
  traced,
} from '../base/diagnostics.ts';
import {
  LockHandedOverError,
  LockLostError,
  LockReleasedError,
  type QuorlockError,
  withCallersStack,
} from '../base/errors.ts';
import { afterElapsed } from '../base/sound-clock.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';
import { lazySignal } from './lazy-signal.ts';
import { GIVEN_AWAY, type Lease, type ReleaseReport } from './lease.ts';

/** The lease that a lock is a handle on; the handle may be over, and the lease another caller's. */
export let leaseOf: (lock: Lock) => Lease;

/** Whether something is a lock of this library, however it behaves otherwise. */
export let isLock: (value: unknown) => value is Lock;

/** The keys of a lock that this quorum granted; undefined for another Redlock's lock, or anything else. */
export let targetOf: (lock: unknown, quorum: Quorum) => LockKeys | undefined;

/** Aborts the signal of a lock that stays held, unless it has aborted: its caller is to stop, and release it. */
export let askToStop: (lock: Lock, reason: unknown) => void;

let endLock: (lock: object, why: () => QuorlockError) => void;

/** Extends a lock, as its method does, and says what each node said. */
export let extendLock: (lock: Lock, ttl: number) => Promise<readonly NodeVote[]>;

/**
 * Notes the message of the call that got a lock, for those to come about it. If a listener waits for losses, the lock
 * looks when its validity should have ended: the caller may have forgotten it by then.
 */
export let followLock: (lock: Lock, acquire: AcquireMessage) => void;

/** The fencing token of a lock; undefined without fencing. */
export let tokenOf: (lock: Lock) => number | undefined;

/** The calls that got the locks, as far as a listener heard them, and when by the monotonic clock. */
const calls = new WeakMap<Lock, { readonly acquire: AcquireMessage; readonly atMs: number }>();

/** Declares a lock lost before its validity has ended, and its lease with it. Does nothing to a lock that is over. */
export let loseLock: (lock: Lock, why: () => QuorlockError) => void;

/**
 * What other Redlock libraries have at a lock, or hand to a routine in its place, and what to use. Their values would be
 * undefined, and a routine that looks whether its lock is `aborted` would never stop.
 */
const ELSEWHERE: Readonly<Record<string, string>> = {
  aborted: 'lock.signal.aborted',
  reason: 'lock.signal.reason',
  error: 'lock.signal.reason',
  onabort: 'lock.signal.onabort',
  throwIfAborted: 'lock.assertHeld()',
  addEventListener: 'lock.signal.addEventListener()',
  removeEventListener: 'lock.signal.removeEventListener()',
  expiration: 'lock.remainingValidity(), which is in milliseconds from now',
  unlock: 'lock.release()',
};

/** A lock as plain data, which JSON can carry. All durations are in milliseconds. */
export interface LockJSON {
  readonly resources: readonly string[];
  readonly value: string;
  /** The fencing token; null where the Redlock was made with `fencing: false`. */
  readonly token: number | null;
  /** The highest token that the nodes know of this lock; null as above. */
  readonly counter: number | null;
  readonly ttl: number;
  /** What was left of the validity when this was written; 0 once the lock was over. */
  readonly validity: number;
  /** Whether others may hold it at the same time: a read lock. */
  readonly isShared: boolean;
  /** Of a semaphore's permit: its slot, and how many permits there are; null for any other lock. */
  readonly permit: { readonly slot: number; readonly of: number } | null;
  /** Whether its holder has handed it over, and holds it no more. Only then can another process adopt it. */
  readonly isHandedOver: boolean;
}

/**
 * An acquired lock. It is *held* until its holder has *released* it or *handed it over* to another process, or it is
 * *lost*. Then its validity ended, or a majority of nodes said that it is gone. None of these can be undone.
 *
 * It is a caller's handle on a {@link Lease}. Callers of this process that wait for the same lock have one lease in
 * turn, each with a fencing token of its own. A lock that is over never speaks for the next one.
 */
export class Lock {
  /** The names of the resources: sorted, without duplicates. */
  readonly resources: readonly string[];
  /**
   * The string that owns the keys on the nodes. It is the lease's. Callers of this process that have the lock one
   * after the other, without a call to the nodes in between, have the same value. The fencing token is each caller's
   * own.
   */
  readonly value: string;
  /** The ttl that the caller asked for, in milliseconds; the default of extend(). */
  readonly ttl: number;
  readonly #lease: Lease;
  /** How many tokens of the lease come after its own. A small number takes no memory of its own. */
  readonly #after: number;
  #why: (() => QuorlockError) | undefined;
  #release: Promise<ReleaseReport> | undefined;
  #controller: AbortController | undefined;
  #expiry: Timer | undefined;

  /** Takes the lease over. @internal */
  constructor(lease: Lease, ttl: number) {
    this.resources = lease.resources;
    this.value = lease.value;
    this.ttl = ttl;
    this.#lease = lease;
    this.#after = lease.lastToken - lease.handTo(this, endLock);
  }

  /** Whether others may hold it at the same time: a read lock. */
  get isShared(): boolean {
    return this.#lease.mode === 'shared';
  }

  /**
   * The fencing token, a positive integer below 2^53: unique to this acquisition and higher than that of every earlier
   * one of these resources. Hand it to what the lock protects, and have that refuse a lower one than it has seen.
   *
   * Read locks that are held together may have the same token. It is above that of every earlier write lock, and
   * below that of every later one. A permit's token counts for its slot alone.
   *
   * @throws {TypeError} the Redlock was made with `fencing: false`
   */
  get token(): number {
    const token = tokenOf(this);
    if (token !== undefined) return token;
    throw new TypeError('this lock has no fencing token: its Redlock was made with fencing: false');
  }

  /**
   * Aborts as soon as the lock is held no more; its reason is a {@link LockLostError}, {@link LockReleasedError} or
   * {@link LockHandedOverError}.
   * Inside `using` it aborts a little *before* the validity ends, if the lock can't be extended. It also aborts, with a
   * {@link ClosedError}, if the Redlock is being closed while a routine runs under the lock. The lock then stays held
   * until the routine has settled, for closeTimeout at the most. It is right whenever it is read, also before any timer had a
   * chance to run.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      lazySignal(this.#controller, () => this.#look());
      this.#look();
      if (this.#why === undefined) this.#watch();
      else this.#controller.abort(this.#why());
    }
    return this.#controller.signal;
  }

  /** Milliseconds for which no other can hold the lock, elapsed time and drift taken off; 0 once it is over. */
  remainingValidity(): number {
    return this.#look() === undefined ? this.#lease.remainingMs() : 0;
  }

  /**
   * Throws unless the lock is held at this very moment.
   *
   * @throws {LockLostError} its validity has ended or a majority gave it away
   * @throws {LockReleasedError} it has been released
   * @throws {LockHandedOverError} it has been handed over
   */
  assertHeld(): void {
    const why = this.#look();
    if (why !== undefined) throw why();
  }

  /**
   * Extends the lock to `ttl` milliseconds from now; never shortens it. If no majority agrees the lock stays valid for
   * what it has left.
   *
   * @param ttl milliseconds, by default those it was acquired with; a positive integer, at most maxTtl
   * @returns the lock itself
   * @throws {LockLostError} the lock is lost, or a majority of nodes said so now
   * @throws {LockReleasedError | LockHandedOverError} release() or handOver() was called before
   * @throws {ExtendFailedError} too few nodes answered in time; trying again may succeed
   */
  async extend(ttl: number = this.ttl): Promise<this> {
    this.#lease.deps.checkTtl(ttl);
    await extendLock(this, ttl);
    return this;
  }

  /**
   * Releases the lock: on every node, or by a hand-over to the next caller of this process that waits for it. Resolves
   * when a majority of nodes has confirmed it, or can't any more; the others do it in the background. Never throws, even
   * if the lock has expired or was lost, or if nodes fail: those are asked again until the keys have expired anyway. A
   * second call returns the same report.
   */
  release(): Promise<ReleaseReport> {
    if (this.#why === undefined && this.#lease.look() === undefined)
      this.#end(() => new LockReleasedError({ resources: this.resources }));
    // A listener of the signal may have released it, and the lease may be another caller's by now.
    this.#release ??= releasing.hasSubscribers
      ? this.#tracedRelease(() => this.#lease.release())
      : this.#lease.release();
    return this.#release;
  }

  /**
   * Hands the lock over to another process. This handle is over at once: its signal aborts with a
   * {@link LockHandedOverError}, it is extended no more, and release() leaves the nodes alone. The keys stay on the nodes
   * until their ttl ends, and no caller of this process has the lock next. The other process passes what this returns,
   * by way of JSON or as it is, to `Redlock.adopt` before the validity has ended.
   *
   * @returns the lock as plain data. Send it to one process: of several that adopt it, one at the most gets it. (Of a read
   *   lock two may, if a driver of this process sends a command twice: readers may be several.)
   * @throws {LockLostError | LockReleasedError | LockHandedOverError} the lock is held no more
   */
  handOver(): LockJSON {
    this.assertHeld();
    this.#release = GIVEN_AWAY;
    const json = this.toJSON();
    if (releasing.hasSubscribers) void this.#tracedRelease(() => GIVEN_AWAY);
    this.#lease.giveAway(() => new LockHandedOverError({ resources: this.resources }));
    return json;
  }

  /**
   * The lock as plain data, as for a log; `JSON.stringify` calls this. It changes nothing. While this handle holds the
   * lock no process can adopt what this returns: use {@link handOver}.
   */
  toJSON(): LockJSON {
    const { lastToken, target } = this.#lease;
    const isHandedOver = this.#release === GIVEN_AWAY;
    return {
      resources: this.resources,
      value: this.value,
      token: tokenOf(this) ?? null,
      counter: lastToken || null,
      ttl: this.ttl,
      validity: isHandedOver ? this.#lease.remainingMs() : this.remainingValidity(),
      isShared: this.isShared,
      permit: target.permit ?? null,
      isHandedOver,
    };
  }

  /** Releases the lock at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /** Looks whether the validity has ended. Returns why the lock is over, if it is. */
  #look(): (() => QuorlockError) | undefined {
    // A lease that is over tells its holder.
    if (this.#why === undefined) this.#lease.look();
    return this.#why;
  }

  /** @param byLease whether that is the lease's doing, not its holder's */
  #end(why: () => QuorlockError, byLease = false): void {
    if (this.#why !== undefined) return;
    this.#why = why;
    this.#expiry?.cancel();
    if (byLease && (lost.hasSubscribers || releasing.hasSubscribers)) this.#tellEnd(why());
    this.#controller?.abort(why());
  }

  async #extend(ttl: number): Promise<readonly NodeVote[]> {
    const check = () => this.assertHeld();
    check();
    try {
      return await this.#lease.extend(ttl, check);
    } catch (error) {
      throw withCallersStack(error);
    } finally {
      // Another caller may have the lease by now.
      check();
    }
  }

  #tracedExtend(ttl: number): Promise<readonly NodeVote[]> {
    const message: Draft<ExtendMessage> = { ...this.#message(), ttl };
    return traced(extending, message, this.#lease.deps.clock, async () => {
      message.votes = await this.#extend(ttl);
      return message.votes;
    });
  }

  #tracedRelease(release: () => Promise<ReleaseReport>): Promise<ReleaseReport> {
    const message: ReleaseMessage = this.#message();
    return traced(releasing, message, this.#lease.deps.clock, async () => {
      const report = await release();
      Object.assign(message, report);
      return report;
    });
  }

  #message(): HoldMessage {
    const { mode, deps } = this.#lease;
    const call = calls.get(this);
    return {
      resources: this.resources,
      mode,
      token: tokenOf(this),
      acquire: call?.acquire,
      heldMs: call && deps.clock.monotonic() - call.atMs,
    };
  }

  /** Publishes that it is over: after the acquire, which a listener may hear of in a moment. */
  #tellEnd(why: QuorlockError): void {
    if (calls.has(this) || !acquiring.hasSubscribers) this.#publishEnd(why);
    else this.#lease.deps.clock.after(0, () => this.#publishEnd(why), { keepAlive: false });
  }

  /** Publishes that it is over, which its holder has not brought about. */
  #publishEnd(why: QuorlockError): void {
    if (why instanceof LockLostError) {
      if (lost.hasSubscribers) lost.publish({ ...this.#message(), error: why });
    } else if (releasing.hasSubscribers) {
      this.#release ??= this.#tracedRelease(() => this.#lease.releaseOnNodes());
    }
  }

  /** Looks when the validity should have ended. After an extension it only looks again. */
  #watch(): void {
    this.#expiry?.cancel();
    this.#expiry = afterElapsed(this.#lease.deps.clock, Math.max(0, this.#lease.remainingMs()), () => {
      if (this.#look() === undefined) this.#watch();
    });
  }

  static {
    for (const [name, instead] of Object.entries(ELSEWHERE)) {
      const get = () => {
        throw new TypeError(`a lock has no ${name}: use ${instead}`);
      };
      Object.defineProperty(Lock.prototype, name, { get });
    }
    endLock = (lock, why) => {
      if (#lease in lock) lock.#end(why, true);
    };
    extendLock = (lock, ttl) => (extending.hasSubscribers ? lock.#tracedExtend(ttl) : lock.#extend(ttl));
    followLock = (lock, acquire) => {
      calls.set(lock, { acquire, atMs: lock.#lease.deps.clock.monotonic() });
      // A look that finds its validity ended publishes that.
      if (lost.hasSubscribers && lock.#look() === undefined) lock.#watch();
    };
    tokenOf = (lock) => {
      const { lastToken } = lock.#lease;
      return lastToken === 0 ? undefined : lastToken - lock.#after;
    };
    leaseOf = (lock) => lock.#lease;
    isLock = (value): value is Lock => typeof value === 'object' && value !== null && #lease in value;
    targetOf = (lock, quorum) =>
      isLock(lock) && lock.#lease.deps.quorum === quorum ? lock.#lease.target : undefined;
    askToStop = (lock, reason) => {
      if (!lock.signal.aborted) lock.#controller?.abort(reason);
    };
    loseLock = (lock, why) => {
      if (lock.#look() === undefined) lock.#lease.lose(why);
    };
  }
}
