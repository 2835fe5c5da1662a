import { type Clock, elapsedMs, type Timer } from '../base/clock.ts';
import { ExtendFailedError, LockLostError, LockReleasedError, type QuorlockError } from '../base/errors.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Grant, Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/tally.ts';
import type { LockKeys } from '../wire/operation.ts';
import { isDenial, type ReleaseReport, reportOf } from './release-report.ts';
import { truthfulSignal } from './truthful-signal.ts';
import { untilOver } from './until-over.ts';
import { Validity, validityMs } from './validity.ts';

/** What all locks of one Redlock share. */
export interface LockSurroundings {
  readonly quorum: Quorum;
  readonly clock: Clock;
  readonly driftFactor: number;
  /** Checks a ttl that is handed to extend(); throws if it is out of bounds. */
  checkTtl(ttl: number): void;
  /** The time a node has to answer, in milliseconds, for an operation with this ttl. */
  nodeTimeoutFor(ttl: number): number;
  /** The time a node has to answer a release, in milliseconds. */
  readonly releaseTimeout: number;
  /** Aborts when the Redlock closes. */
  readonly closing: AbortSignal;
  /** Gives a lock's keys back on every node. It is held no more; whoever waits in this process may take it over. */
  giveBack(lock: Lock, target: LockKeys): Promise<BallotResult>;
  /** Takes note of work that nobody waits for, but that close() has to. */
  background(work: Promise<unknown>): void;
  /** Hears of a lock that is held no more. */
  ended(lock: Lock, target: LockKeys): void;
}

/** What a lock was granted for. */
export interface LockTerms {
  readonly resources: readonly string[];
  readonly target: LockKeys;
  readonly value: string;
  readonly ttl: number;
  /** Hears of the lock when it is held no more. */
  readonly ended?: (() => void) | undefined;
}

/** Declares a lock lost before its validity has ended; for the keeper. */
export let loseLock: (lock: Lock, why: () => LockLostError) => void;

/** A lock that takes over the keys of one that is held. */
interface Heir {
  /** Undefined: it did not come to that. */
  readonly lock: Promise<Lock | undefined>;
  /** What its keys are to live, in milliseconds. */
  readonly ttl: number;
}

/**
 * Has another lock take over a lock's keys while it is held, for whoever has them next in this process: from now on they
 * are extended in its name.
 */
export let bequeath: (lock: Lock, heir: Heir) => void;

/** The lock that has a lock's keys by now; undefined: nobody was to take them over, or it did not come to that. */
export let heirOf: (lock: Lock) => Promise<Lock | undefined> | undefined;

/**
 * Milliseconds for which somebody may count on a lock, because it said so once: also if it is lost by now, for a clock has
 * jumped. 0 if it was given back.
 */
export let protectedMs: (lock: Lock) => number;

/** Resolves when that has come to 0. */
export let unprotected: (lock: Lock) => Promise<void>;

/** What an extension makes of a lock's validity, in milliseconds: its ttl, without what clocks may be off by. */
export let fullValidityMs: (lock: Lock) => number;

/** Whether a lock is a semaphore's permit. */
export let isPermit: (lock: Lock) => boolean;

/** Whether a lock's keys live as long as they were granted for: an extension may be under way of which nothing is known. */
export let isAsGranted: (lock: Lock) => boolean;

/**
 * A lock that was acquired. It is *held* until it is *released* by its holder or *lost*: its validity ended, or a
 * majority of nodes said that it is gone. Neither can be undone.
 */
export class Lock {
  /** What is locked: sorted, without duplicates. */
  readonly resources: readonly string[];
  /**
   * The string that owns the keys, new for every acquisition. Where the next caller of this process is to have the lock at
   * once, that one's may own them while this lock is held: they protect it all the same.
   */
  readonly value: string;
  /** Milliseconds that the lock was asked for, and that extend() uses if nothing else is said. */
  readonly ttl: number;
  readonly #surroundings: LockSurroundings;
  readonly #target: LockKeys;
  readonly #token: number;
  readonly #ended: (() => void) | undefined;
  #validity: Validity;
  /** Makes the error that says why it is held no more. */
  #end: (() => QuorlockError) | undefined;
  /** Extensions and the release of one lock run one after the other. */
  #queue: Promise<unknown> | undefined;
  #release: Promise<ReleaseReport> | undefined;
  #heir: Heir | undefined;
  /** Hear that it is given back. */
  #releaseListeners: (() => void)[] | undefined;
  #controller: AbortController | undefined;
  #expiry: Timer | undefined;

  constructor(surroundings: LockSurroundings, terms: LockTerms, grant: Grant, validity: Validity) {
    this.resources = terms.resources;
    this.value = terms.value;
    this.ttl = terms.ttl;
    this.#token = grant.token;
    this.#ended = terms.ended;
    this.#surroundings = surroundings;
    this.#target = terms.target;
    this.#validity = validity;
  }

  /** Whether others may hold it at the same time: a read lock. */
  get isShared(): boolean {
    return this.#target.sharers !== undefined;
  }

  /**
   * The fencing token, a positive integer below 2^53: unique to this acquisition and higher than that of every
   * earlier one of these resources. Read locks that are held together may have the same, which is higher than that of
   * every earlier write lock, and lower than that of every later one. A permit's is one of its slots alone. Hand it to what the lock protects, and have that refuse a lower one than it has
   * seen.
   *
   * @throws {TypeError} the Redlock was made with `fencing: false`
   */
  get token(): number {
    if (this.#target.fences.length === 0) {
      throw new TypeError('this lock has no fencing token: its Redlock was made with fencing: false');
    }
    return this.#token;
  }

  /**
   * Aborts as soon as the lock is held no more; its reason is a {@link LockLostError} or
   * {@link LockReleasedError}. Inside `using` it aborts a little *before* the validity ends, if the lock can't be
   * extended. It is right whenever it is read, also before any timer had a chance to run.
   */
  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      truthfulSignal(this.#controller, () => this.#look());
      this.#look();
      if (this.#end === undefined) this.#watch();
      else this.#controller.abort(this.#end());
    }
    return this.#controller.signal;
  }

  /** Milliseconds for which nobody else can hold the lock, elapsed time and drift taken off; 0 once it is over. */
  remainingValidity(): number {
    return this.#look() === undefined ? this.#remainingMs() : 0;
  }

  /**
   * Throws unless the lock is held at this very moment.
   *
   * @throws {LockLostError} its validity has ended or a majority gave it away
   * @throws {LockReleasedError} it has been released
   */
  assertHeld(): void {
    const end = this.#look();
    if (end !== undefined) throw end();
  }

  /**
   * Lets the lock live `ttl` milliseconds from now. It never gets shorter by this. If no majority agrees the lock
   * stays valid for what it has left.
   *
   * @param ttl milliseconds, by default those it was acquired with; a positive integer, at most maxTtl
   * @returns the remaining validity in milliseconds
   * @throws {LockLostError} the lock is lost, or a majority of nodes said so now
   * @throws {LockReleasedError} release() was called before
   * @throws {ExtendFailedError} too few nodes answered in time; trying again may succeed
   */
  extend(ttl: number = this.ttl): Promise<number> {
    return this.#inTurn(() => this.#extend(ttl));
  }

  /**
   * Gives the lock back on every node. Never throws: not if the lock has expired or was lost, not if nodes fail;
   * those are asked again in the background until the keys have expired anyway. A second call returns the same
   * report.
   */
  release(): Promise<ReleaseReport> {
    if (this.#release === undefined) {
      if (this.#look() === undefined) this.#lose(() => new LockReleasedError({ resources: this.resources }));
      // It never rejects.
      this.#release = this.#queue === undefined ? this.#giveBack() : this.#queue.then(() => this.#giveBack());
      this.#queue = this.#release;
      this.#surroundings.background(this.#release);
      for (const listener of this.#releaseListeners ?? []) listener();
    }
    return this.#release;
  }

  /** Releases the lock at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  async #extend(ttl: number): Promise<number> {
    const { quorum, clock, checkTtl, nodeTimeoutFor } = this.#surroundings;
    checkTtl(ttl);
    this.assertHeld();
    const owner = this.#heir === undefined ? this : await this.#ownerFor(this.#heir, ttl);
    const attempt = await quorum.extend(this.#target, owner.value, ttl, owner.#token, nodeTimeoutFor(ttl));
    const { votes } = attempt;
    // An agreement that comes after the old validity has ended comes too late: somebody may have held the lock in
    // between and the signal has told so.
    this.assertHeld();
    if (!attempt.granted) {
      const details = { resources: this.resources, votes, elapsedMs: elapsedMs(clock, attempt.startedAt) };
      const denied = votes.filter(({ outcome }) => isDenial(outcome)).length;
      // An heir that nobody got may own keys all the same, if its answers were too late, and they protect this one.
      const isSure = this.#heir === undefined || owner !== this;
      if (isSure && denied >= majorityOf(votes.length)) {
        this.#lose(() => new LockLostError('a majority of nodes does not know it any more', details));
        this.assertHeld();
      }
      throw new ExtendFailedError({ ...details, remainingValidity: this.remainingValidity() });
    }
    const validity = new Validity(attempt.startedAt, ttl);
    if (validity.remainingMs(this.#surroundings) > this.#remainingMs()) this.#validity = validity;
    return this.remainingValidity();
  }

  /**
   * In whose name to extend. An heir that nobody got may still take over a key: what it asked for is on its way until its
   * deadline. That must not come after an extension which is longer.
   */
  async #ownerFor(heir: Heir, ttl: number): Promise<Lock> {
    const lock = await heir.lock;
    if (lock !== undefined || ttl <= heir.ttl) return lock ?? this;
    const { clock, nodeTimeoutFor } = this.#surroundings;
    // A deadline is by the node's clock, which is known but for the time that an answer took.
    await new Promise<void>((resolve) => {
      clock.after(2 * nodeTimeoutFor(heir.ttl), resolve);
    });
    this.assertHeld();
    return this;
  }

  async #giveBack(): Promise<ReleaseReport> {
    const { giveBack } = this.#surroundings;
    const { votes } = await giveBack(this, this.#target);
    return reportOf(votes);
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const turn = this.#queue === undefined ? task() : this.#queue.then(task);
    this.#queue = turn.catch(() => {
      // Whoever waits for this turn hears of it; the next one goes ahead.
    });
    return turn;
  }

  #remainingMs(): number {
    return this.#validity.remainingMs(this.#surroundings);
  }

  /** Sees whether the validity has ended. Returns why the lock is held no more, if so. */
  #look(): (() => QuorlockError) | undefined {
    if (this.#end === undefined && this.#remainingMs() <= 0) {
      this.#lose(() => new LockLostError('its validity has ended', { resources: this.resources }));
    }
    return this.#end;
  }

  #lose(why: () => QuorlockError): void {
    if (this.#end !== undefined) return;
    this.#end = why;
    // Whoever keeps a lock that is over is not to keep all that came after it.
    this.#heir = undefined;
    this.#expiry?.cancel();
    this.#surroundings.ended(this, this.#target);
    this.#ended?.();
    this.#controller?.abort(why());
  }

  #protectedMs(): number {
    const isOver = this.#release !== undefined || this.#surroundings.closing.aborted;
    return isOver ? 0 : Math.max(0, this.#validity.longestMs(this.#surroundings));
  }

  #unprotected(): Promise<void> {
    const { clock, closing } = this.#surroundings;
    this.#releaseListeners ??= [];
    const leftMs = () => this.#protectedMs();
    return untilOver({ clock, closing, leftMs, onRelease: (look) => this.#releaseListeners?.push(look) });
  }

  /** Wakes up when the validity should have ended, and looks. An extension in between only makes it look again. */
  #watch(): void {
    this.#expiry = this.#surroundings.clock.after(
      Math.max(0, this.#remainingMs()),
      () => {
        if (this.#look() === undefined) this.#watch();
      },
      { keepAlive: false },
    );
  }

  static {
    loseLock = (lock, why) => lock.#lose(why);
    bequeath = (lock, heir) => {
      lock.#heir = heir;
    };
    heirOf = (lock) => lock.#heir?.lock;
    protectedMs = (lock) => lock.#protectedMs();
    unprotected = (lock) => lock.#unprotected();
    fullValidityMs = (lock) => validityMs(lock.ttl, 0, lock.#surroundings.driftFactor);
    isPermit = (lock) => lock.#target.size !== undefined;
    isAsGranted = (lock) => lock.#queue === undefined;
  }
}
