/*
 * Callers of one process want one lock, one after the other. The naive answer is that each acquires and releases.
 * That costs two round trips to every node between two callers, though no other process may want the lock. So a
 * process acquires a lease: one value, one validity, and a block of tokens. Its callers take turns under it without a
 * message. The lease ends early enough for other processes to have their turn.
 *
 * For how long may a holder believe in its lock? The naive answer is the ttl, from the moment of the grant. But a
 * node may have started its clock when the request arrived, long before the answer did, and its clock may run faster.
 * So validity counts from before the request was sent, and the drift allowance is taken off.
 */

import type { Clock } from '../base/clock.ts';
import { handedOn, type LockMode } from '../base/diagnostics.ts';
import { ExtendFailedError, LockLostError, LockReleasedError, type QuorlockError } from '../base/errors.ts';
import { elapsedMs, type Instant } from '../base/sound-clock.ts';
import { isDenial, type NodeVote } from '../base/vote.ts';
import { fenceKeyOf } from '../quorum/fencing-token.ts';
import type { Grant, Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/round.ts';
import { type LockKeys, modeOf } from '../wire/operation.ts';

/** For how long after its begin a lease is handed over. Then other processes have their turn. */
const LONGEST_LEASE_MS = 100;

/** Where many processes wait, the time that the leases of all of them take together: callers keep their order. */
const ROUND_MS = 900;

/** The next caller gets at least this share of its ttl as validity, where a new lock would have as much, … */
const FRESH_OF_TTL = 0.98;

/** … and else this share of what a new lock would have. */
const FRESH_OF_VALIDITY = 0.99;

const NONE: readonly never[] = [];

/** What all leases of one Redlock share. */
export interface LeaseDeps {
  readonly quorum: Quorum;
  readonly clock: Clock;
  readonly driftFactor: number;
  /** Checks the ttl of extend(); throws if it is out of bounds. */
  checkTtl(ttl: number): void;
  /** The time that a node has to answer anything, in milliseconds; undefined: see {@link nodeTimeoutFor}. */
  readonly nodeTimeout: number | undefined;
  /** The time a node has to answer a release, in milliseconds. */
  readonly releaseTimeout: number;
}

/** The longest time that a node may have to answer an operation with this ttl. */
export function nodeTimeoutFor(settings: { readonly nodeTimeout?: number | undefined }, ttl: number): number {
  return settings.nodeTimeout ?? Math.max(1, Math.floor(ttl / 4));
}

export interface LeaseTerms {
  readonly resources: readonly string[];
  readonly target: LockKeys;
  readonly value: string;
  readonly ttl: number;
  /** Called once, when the lease is held no more. */
  readonly ended?: (() => void) | undefined;
}

/** Decides what becomes of a lease that its holder has released. */
export interface Successor {
  /** The holder has released it: the successor hands it over in this process, or has the nodes release it. */
  released(lease: Lease): Promise<ReleaseReport>;
  /** The lease is lost while a caller holds it, or has been released on the nodes. Called once. */
  ended(lease: Lease): void;
  /** Nodes that released it have notified a waiter, of whatever process. */
  notified(lease: Lease): void;
}

/** Tells the caller that has the lease why it is over. */
type Tell = (holder: object, why: () => QuorlockError) => void;

/** Whether the next caller can have a lease: at once, after an extension for its ttl, or not at all. */
type Fitness = 'now' | 'after extension' | 'no';

/**
 * What this process has on the nodes: one lock value, one validity and a block of fencing tokens. Its callers take
 * turns under it: each gets the next token of the block, and no message is sent between two of them.
 *
 *     held → lost       its validity ended, or a majority said that it is gone
 *          → released   the nodes were asked to release it
 *
 * An extension, a loss and the validity are the lease's, and apply to the caller that has it at that moment. A
 * hand-over needs a token that is left, and a validity like that of a new lease. No more than 100 ms may have passed
 * since the lease began, and less where many processes wait. A caller's lock is over, synchronously, before the next one exists.
 */
export class Lease {
  readonly resources: readonly string[];
  /** The string that owns the keys: new for every lease. */
  readonly value: string;
  readonly deps: LeaseDeps;
  /** The highest token of the block, which the nodes' counters have; 0 without fencing. */
  readonly lastToken: number;
  /** Undefined: it has one key, alone. Names alone take a fraction then of what lists of them do. */
  readonly #target: LockKeys | undefined;
  readonly #key: string;
  readonly #queue: string;
  readonly #isFenced: boolean;
  readonly #ended: (() => void) | undefined;
  /** The hand-off budget: how many more callers can have it. */
  #handsLeft: number;
  readonly #beganAtMs: number;
  /** For how many milliseconds it is handed over. */
  readonly #turnMs: number;
  /** Its validity: so long after this moment, which was before the nodes were asked. */
  #validFrom: Instant;
  #validMs: number;
  #why: (() => QuorlockError) | undefined;
  #holder: object | undefined;
  #tell: Tell | undefined;
  /** Decides about the lease once its holder has released it. Undefined: the nodes release it. */
  successor: Successor | undefined;
  /** Extensions and the release run one after the other. */
  #turn: Promise<unknown> | undefined;
  #released: Promise<ReleaseReport> | undefined;

  /** @param block how many callers can have it; the nodes' counters were raised by at least that number */
  constructor(deps: LeaseDeps, terms: LeaseTerms, grant: Grant, block: number) {
    this.resources = terms.resources;
    this.value = terms.value;
    this.deps = deps;
    const { keys, fences, queues, sharers, permit } = terms.target;
    const isAlone = keys.length === 1 && sharers === undefined && permit === undefined;
    this.#target = isAlone ? undefined : terms.target;
    this.#key = keys[0] ?? '';
    this.#queue = queues[0] ?? '';
    this.#isFenced = fences.length > 0;
    this.#ended = terms.ended;
    this.lastToken = grant.token;
    this.#handsLeft = block;
    // A whole number takes no memory of its own.
    this.#beganAtMs = Math.floor(grant.startedAt.uptime);
    this.#validFrom = grant.startedAt;
    this.#validMs = validityMs(terms.ttl, 0, deps.driftFactor);
    let others = 0;
    for (const vote of grant.votes) {
      if (vote.outcome === 'granted' && vote.others !== undefined) others = Math.max(others, vote.others);
    }
    // Permits are handed over beside each other.
    this.#turnMs = permit === undefined ? Math.min(LONGEST_LEASE_MS, ROUND_MS / others) : LONGEST_LEASE_MS;
  }

  /** Its keys on the nodes, for what needs no fences. All targets have their fields in one order: V8 is faster then. */
  get names(): LockKeys {
    return this.#target ?? { keys: [this.#key], fences: NONE, queues: [this.#queue] };
  }

  /** Its keys on the nodes, with their fences: an extension alone needs those. */
  get target(): LockKeys {
    if (this.#target !== undefined) return this.#target;
    return {
      keys: [this.#key],
      fences: this.#isFenced ? [fenceKeyOf(this.#key)] : NONE,
      queues: [this.#queue],
    };
  }

  get mode(): LockMode {
    return this.#target === undefined ? 'exclusive' : modeOf(this.#target);
  }

  /** Whether it is neither lost nor released. Looks whether the validity has ended. */
  get isHeld(): boolean {
    return this.look() === undefined;
  }

  /**
   * Gives it to the next caller, and returns that caller's fencing token, 0 without fencing. `tell` is called once
   * with the lock `holder` if the lease is over before that is released. (It is no closure: there may be very many
   * leases.)
   */
  handTo(holder: object, tell: Tell): number {
    const isFirst = this.#tell === undefined;
    this.#tell = tell;
    if (this.#why === undefined) this.#holder = holder;
    else tell(holder, this.#why);
    this.#handsLeft -= 1;
    const token = this.lastToken === 0 ? 0 : this.lastToken - this.#handsLeft;
    if (!isFirst && handedOn.hasSubscribers) {
      const { resources, mode } = this;
      handedOn.publish({ resources, mode, token: token === 0 ? undefined : token });
    }
    return token;
  }

  /** The fencing token of the caller that has it; undefined without fencing, and between two callers. */
  get token(): number | undefined {
    const isTaken = this.#holder !== undefined && this.lastToken !== 0;
    return isTaken ? this.lastToken - this.#handsLeft : undefined;
  }

  /** Whether another caller can have it at all: a token is left, and it is not the turn of other processes yet. */
  get mayBeHandedOver(): boolean {
    return this.isHeld && this.#handsLeft > 0 && this.ageMs < this.#turnMs;
  }

  /** Whether a caller with this ttl can have it next. */
  fitnessFor(ttl: number): Fitness {
    const { driftFactor } = this.deps;
    const remainingMs = this.remainingMs();
    // A caller's ttl bounds for how long others wait if its process dies.
    if (!this.mayBeHandedOver || remainingMs > ttl) return 'no';
    const fullMs = validityMs(ttl, 0, driftFactor);
    const freshMs = fullMs > ttl * FRESH_OF_TTL ? ttl * FRESH_OF_TTL : fullMs * FRESH_OF_VALIDITY;
    return remainingMs >= freshMs ? 'now' : 'after extension';
  }

  /** Milliseconds since its request. */
  get ageMs(): number {
    return this.deps.clock.uptime() - this.#beganAtMs;
  }

  /** Milliseconds of validity left; 0 once it has ended. */
  remainingMs(): number {
    return Math.max(0, this.#validMs - elapsedMs(this.deps.clock, this.#validFrom));
  }

  /** Looks whether the validity has ended. Returns why the lease is over, if it is. */
  look(): (() => QuorlockError) | undefined {
    if (this.#validMs <= elapsedMs(this.deps.clock, this.#validFrom)) {
      this.lose(() => new LockLostError('its validity has ended', { resources: this.resources }));
    }
    return this.#why;
  }

  /** Declares it lost, and tells the caller that has it. */
  lose(why: () => QuorlockError): void {
    if (this.#why === undefined) this.#end(why);
  }

  /**
   * Extends the keys to `ttl` milliseconds from now; never shortens. Runs in turn with other extensions and the
   * release.
   * @param check called when its turn comes; throws if the extension is not wanted any more
   * @throws {LockLostError | LockReleasedError} it is over, or a majority of nodes said so now
   * @throws {ExtendFailedError} too few nodes answered in time
   */
  extend(ttl: number, check?: () => void): Promise<readonly NodeVote[]> {
    return this.#inTurn(async () => {
      check?.();
      return await this.#extend(ttl);
    });
  }

  /** Ends its holder's turn: the successor has it handed over, or released with {@link releaseOnNodes}. */
  release(): Promise<ReleaseReport> {
    this.#holder = undefined;
    return this.successor === undefined ? this.releaseOnNodes() : this.successor.released(this);
  }

  /**
   * Releases it on every node, after an extension that is in flight, and resolves when a majority has confirmed that, or
   * can't any more. Never rejects. Nodes that do not confirm it are asked again in the background.
   */
  releaseOnNodes(): Promise<ReleaseReport> {
    if (this.#released === undefined) {
      this.#released = this.#turn === undefined ? this.#release() : this.#turn.then(() => this.#release());
      this.#turn = this.#released;
      this.deps.quorum.background(this.#released);
      if (this.#why === undefined) this.#end(() => new LockReleasedError({ resources: this.resources }));
    }
    return this.#released;
  }

  /** Ends it in this process alone: the nodes keep it for the one that adopts it, and no caller here has another token. */
  giveAway(why: () => QuorlockError): void {
    this.#released = GIVEN_AWAY;
    this.#end(why);
  }

  async #extend(ttl: number): Promise<readonly NodeVote[]> {
    const { deps, lastToken } = this;
    const { quorum, clock } = deps;
    this.#assertHeld();
    const timeoutMs = nodeTimeoutFor(deps, ttl);
    const grant = await quorum.extend(this.target, this.value, ttl, lastToken, timeoutMs);
    // An agreement after the end of the old validity comes too late. Others may have held the lock in between, and
    // the signal has said so.
    this.#assertHeld();
    if (!grant.granted) {
      const { votes, startedAt } = grant;
      const details = { resources: this.resources, votes, elapsedMs: elapsedMs(clock, startedAt) };
      if (votes.filter(({ outcome }) => isDenial(outcome)).length >= majorityOf(votes.length)) {
        this.lose(() => new LockLostError('a majority of nodes does not know it any more', details));
        this.#assertHeld();
      }
      throw new ExtendFailedError({ ...details, remainingValidity: this.remainingMs() });
    }
    const validMs = validityMs(ttl, 0, deps.driftFactor);
    if (validMs - elapsedMs(clock, grant.startedAt) > this.remainingMs()) {
      this.#validFrom = grant.startedAt;
      this.#validMs = validMs;
    }
    return grant.votes;
  }

  #release(): Promise<ReleaseReport> {
    const { quorum, releaseTimeout } = this.deps;
    return quorum.release(this.names, this.value, releaseTimeout).then(({ decision, votes, notified }) => {
      if (notified === true) this.successor?.notified(this);
      return { freed: decision === 'won', handedOver: false, votes };
    });
  }

  #inTurn<Result>(task: () => Promise<Result>): Promise<Result> {
    const turn = this.#turn === undefined ? task() : this.#turn.then(task);
    this.#turn = turn.catch(() => {
      // The caller of this turn gets the error; the next turn begins.
    });
    return turn;
  }

  #assertHeld(): void {
    const why = this.look();
    if (why !== undefined) throw why();
  }

  #end(why: () => QuorlockError): void {
    this.#why = why;
    const holder = this.#holder;
    this.#holder = undefined;
    if (holder !== undefined) this.#tell?.(holder, why);
    this.#ended?.();
    this.successor?.ended(this);
  }
}

/** The precision of Redis's own expiry, in milliseconds, whatever the ttl. */
const EXPIRY_PRECISION_MS = 2;

/**
 * How long a lock is valid once `elapsed` of its ttl is gone, in milliseconds. Not positive: it is not. The drift
 * allowance is taken off, because the nodes' clocks and this machine's run at different rates. It is
 * ⌈ttl × driftFactor⌉ + 2, as in the Redis documentation, "Distributed Locks with Redis".
 */
export function validityMs(ttl: number, elapsed: number, driftFactor: number): number {
  return ttl - elapsed - Math.ceil(ttl * driftFactor) - EXPIRY_PRECISION_MS;
}

/** The outcome of a release. */
export interface ReleaseReport {
  /**
   * Whether nothing of this lock keeps others out any more. Either a majority of nodes has confirmed that its keys
   * are gone, or the lock was handed over.
   */
  readonly freed: boolean;
  /** Whether the next caller of this process has the lock now, or the process that adopts it. No node was asked then. */
  readonly handedOver: boolean;
  /**
   * The vote of each node. `granted`: released. `missing`: it had expired there. `held`: another client has it by
   * now. `pending`: the node is asked, and its answer changes nothing. `failed`: unknown, and the node is asked again
   * in the background. Empty where the lock was handed over.
   */
  readonly votes: readonly NodeVote[];
}

export const HANDED_OVER: Promise<ReleaseReport> = Promise.resolve({
  freed: true,
  handedOver: true,
  votes: [],
});

/** The report of a lock that was handed over to another process: not the one above, so that they can be told apart. */
export const GIVEN_AWAY: Promise<ReleaseReport> = HANDED_OVER.then((report) => report);
