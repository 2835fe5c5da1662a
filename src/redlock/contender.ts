import type { Clock, Timer } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Attempt } from '../lock/attempt.ts';
import type { Lock } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Contention } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/tally.ts';
import { Caller, type CallerEvents } from './caller.ts';
import { hasCalled } from './handover-watch.ts';
import { afterSilenceMs, miscallMs, pauseMs, sleepMs } from './patience.ts';
import { Turn } from './turn.ts';
import type { Callable, WakeUps } from './wake-ups.ts';
import { isWorthATry, type LostAttempt, type Wish } from './wish.ts';

/**
 * Whoever hands the lock on to another process steps back for so many milliseconds before it asks again: it would be
 * refused, and that keeps the nodes from serving the one that was called. It keeps its place in the queue.
 */
const STEP_BACK_MS = 1;

type Won = Extract<Attempt, { readonly outcome: 'acquired' }>;

/** What contenders of one Redlock share. */
export interface Arena {
  readonly clock: Clock;
  readonly random: Random;
  readonly wakeUps: WakeUps;
  readonly nodeCount: number;
  /** The nodes' time at a moment of the monotonic clock, in microseconds. */
  timeUs(nowMs: number): number;
}

/** A lock that a caller has, in a turn. */
export interface Served {
  readonly holder: Lock;
  readonly turn: Turn;
}

/** What a contender is for. */
export interface Matter {
  /** `alone`: a caller that has the lock keeps the others of this process waiting, and hands it on to the next one. */
  readonly having: 'alone' | 'a share' | 'permits';
  /** Takes a waiter out of these nodes' queues, at once. */
  leave(member: string, nodes: ReadonlySet<number>): void;
  /** As leave, with the next call. */
  leaveLater(member: string, nodes: ReadonlySet<number>): void;
  /** Nobody waits here any more, and this lock, if it is one, is held. */
  idle(served: Served | undefined): void;
}

/**
 * Speaks for all callers of this process who want the same lock: they wait in line, and the first one's attempts are
 * the only ones that are made. It is *attempting*, *asleep* (until enough nodes call, the holder's keys should have
 * expired, or it doubts that it would be called), or *served*: a caller holds the lock, and hands it on to the next one
 * with its release, in the same call to the nodes.
 */
export class Contender implements CallerEvents {
  readonly #arena: Arena;
  readonly #matter: Matter;
  readonly #line: Caller[] = [];
  #called: Set<number> | undefined;
  /** Nodes at which somebody else held the lock, when last heard of. */
  #refusing: Set<number> | undefined;
  #isAttempting = false;
  #holder: Lock | undefined;
  readonly #turn: Turn;
  #callable: Callable | undefined;
  /** Nodes that may have it in their queue. */
  #queuedAt: Set<number> | undefined;
  #hasOpened = false;
  #wake: { readonly timer: Timer; readonly atMs: number } | undefined;
  /** Attempts since the last call or success. */
  #tries = 0;
  #lastLost: LostAttempt = { outcome: 'held', votes: [] };

  /** @param served the lock that a caller of this process has, if one does */
  constructor(arena: Arena, matter: Matter, served: Served | undefined) {
    this.#arena = arena;
    this.#matter = matter;
    this.#holder = served?.holder;
    this.#turn = served?.turn ?? new Turn(arena.clock);
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /** Gets a lock for a caller, who waits in line behind earlier ones. */
  acquire(wish: Wish): Promise<Lock> {
    const caller = new Caller(wish, this.#arena.clock, this);
    this.#line.push(caller);
    if (this.#isAttempting || this.#line.length > 1 || this.#isServed()) {
      caller.limit();
      void this.#arena.wakeUps.open();
      if (!this.#isAttempting && this.#line.length === 1) this.#rest();
    } else {
      this.#attempt(undefined);
    }
    return caller.lock;
  }

  /**
   * A lock is given back: by `release`, and whoever is next in line here takes it over in the same call, unless it is the
   * turn of other processes.
   */
  giveBack(lock: Lock, release: () => Promise<BallotResult>): Promise<BallotResult> {
    // An older lock that was lost is nothing to hand on.
    if (this.#holder !== undefined && this.#holder !== lock) return release();
    this.#holder = undefined;
    const [next] = this.#line;
    if (this.#isAttempting || next === undefined) {
      const released = release();
      this.#endIfIdle();
      return released;
    }
    if (this.#turn.includes(next.askedAtMs)) {
      this.#turn.goOn();
      this.#attempt(lock.value);
      return release();
    }
    const released = release();
    void this.#endTurn(released);
    return released;
  }

  async #endTurn(released: Promise<BallotResult>): Promise<void> {
    const endedAtMs = this.#arena.clock.uptime();
    const stepsBack = this.#turn.isFarFromNext;
    if (stepsBack) this.#wakeWithin(STEP_BACK_MS);
    else this.#attempt(undefined);
    const { votes } = await released;
    const hasHandedOn = votes.some(hasCalled);
    this.#turn.ended(hasHandedOn ? endedAtMs : undefined);
    // Nobody is to be left alone with the nodes.
    if (stepsBack && !hasHandedOn) this.#wakeWithin(0);
  }

  /** Everybody who waits is told so. */
  close(reason: unknown): void {
    for (const caller of this.#line.splice(0)) caller.crash(reason);
    this.#wake?.timer.cancel();
    this.#wake = undefined;
    if (!this.#isAttempting) this.#goOn();
  }

  #isServed(): boolean {
    return this.#holder !== undefined && this.#holder.remainingValidity() > 0;
  }

  #attempt(previous: string | undefined): void {
    const [caller] = this.#line;
    if (caller === undefined) return;
    this.#wake?.timer.cancel();
    this.#wake = undefined;
    this.#isAttempting = true;
    this.#called = undefined;
    const contention = this.#contention(caller, previous);
    caller.wish.attempt(contention).then(
      (attempt) => {
        if (attempt.outcome === 'acquired') this.#won(caller, attempt, previous !== undefined);
        else void this.#lost(caller, attempt, contention.waiter !== undefined);
      },
      (error: unknown) => {
        this.#isAttempting = false;
        this.#drop(caller);
        caller.crash(error);
        this.#goOn();
      },
    );
  }

  #contention(caller: Caller, previous: string | undefined): Contention {
    const { wakeUps, timeUs } = this.#arena;
    if (!wakeUps.isOpen) return { waiter: undefined, previous };
    const called = {
      called: (node: number) => this.#hear(node),
      missed: () => this.#wakeWithin(afterSilenceMs(this.#arena.random)),
    };
    this.#callable ??= wakeUps.enlist(called, this.#matter.having === 'a share');
    caller.since ??= timeUs(caller.askedAtMs);
    return { waiter: { member: this.#callable.member, since: caller.since }, previous };
  }

  #won(caller: Caller, { lock, votes }: Won, isHandedOver: boolean): void {
    this.#isAttempting = false;
    votes.forEach(({ outcome }, node) => {
      if (outcome === 'granted') this.#queuedAt?.delete(node);
      else if (this.#callable !== undefined) this.#enter(node);
    });
    this.#tries = 0;
    if (this.#matter.having === 'alone') this.#holder = lock;
    if (!isHandedOver) this.#turn.begin();
    this.#drop(caller);
    if (!caller.grant(lock)) void lock.release();
    else if (this.#line.length > 0) this.#rest();
    else this.#unlist((member, nodes) => this.#matter.leaveLater(member, nodes));
    this.#endIfIdle();
  }

  async #lost(caller: Caller, attempt: LostAttempt, isQueued: boolean): Promise<void> {
    this.#lastLost = attempt;
    this.#tries += 1;
    const refusing = new Set<number>();
    attempt.votes.forEach(({ outcome }, node) => {
      if (isQueued) this.#enter(node);
      if (outcome === 'held' && this.#called?.has(node) !== true) refusing.add(node);
    });
    this.#refusing = refusing;
    const isWorthIt = attempt.outcome === 'held' || (await isWorthATry(attempt, caller.wish));
    this.#isAttempting = false;
    if (!isWorthIt) for (const waiting of this.#line.splice(0)) waiting.fail(attempt);
    else if (caller.isLate) caller.fail(attempt);
    if (!caller.isWaiting) this.#drop(caller);
    this.#goOn();
  }

  /** After an attempt or the loss of a caller. */
  #goOn(): void {
    const [next] = this.#line;
    next?.limit();
    if (next === undefined) {
      this.#unlist((member, nodes) => this.#matter.leave(member, nodes));
      this.#endIfIdle();
    } else if (this.#isCalled() || next.isLate) {
      this.#attempt(undefined);
    } else {
      this.#rest();
    }
  }

  /** Sleeps for as long as nothing can have changed. */
  #rest(): void {
    const { wakeUps, random } = this.#arena;
    const { outcome, votes } = this.#lastLost;
    if (this.#isServed()) this.#wakeWithin((this.#holder?.remainingValidity() ?? 0) + 1);
    else if (outcome !== 'held') this.#wakeWithin(pauseMs(votes, this.#tries, random));
    else if (!wakeUps.isOpen && !this.#hasOpened) this.#open();
    else if (!wakeUps.isOpen) this.#wakeWithin(pauseMs(votes, this.#tries, random));
    else if (this.#isQueued()) this.#wakeWithin(sleepMs(votes, this.#tries, wakeUps.sleepers, random));
    // The attempt was made before nodes could be heard: they do not know yet that somebody waits.
    else this.#attempt(undefined);
  }

  /** The first wait in this process: from now on nodes can call. Then they must be told that somebody waits. */
  #open(): void {
    this.#hasOpened = true;
    this.#isAttempting = true;
    void this.#arena.wakeUps.open().then(() => {
      this.#isAttempting = false;
      if (this.#line.length === 0) this.#goOn();
      else if (this.#arena.wakeUps.isOpen) this.#attempt(undefined);
      else this.#rest();
    });
  }

  #hear(node: number): void {
    this.#called ??= new Set();
    this.#called.add(node);
    this.#refusing?.delete(node);
    if (this.#isAttempting || this.#line.length === 0 || this.#isServed()) return;
    if (this.#isCalled()) {
      this.#tries = 0;
      this.#attempt(undefined);
    } else if ((this.#refusing?.size ?? 0) < majorityOf(this.#arena.nodeCount)) {
      // Nobody may have been called by a majority.
      this.#wakeWithin(miscallMs(this.#tries, this.#arena.random));
    }
  }

  #isCalled(): boolean {
    return this.#called !== undefined && this.#called.size >= majorityOf(this.#arena.nodeCount);
  }

  #enter(node: number): void {
    this.#queuedAt ??= new Set();
    this.#queuedAt.add(node);
  }

  #isQueued(): boolean {
    return this.#queuedAt !== undefined && this.#queuedAt.size > 0;
  }

  #wakeWithin(delayMs: number): void {
    if (this.#isAttempting || this.#line.length === 0) return;
    const { clock } = this.#arena;
    const atMs = clock.uptime() + delayMs;
    if (this.#wake !== undefined && this.#wake.atMs <= atMs) return;
    this.#wake?.timer.cancel();
    const timer = clock.after(delayMs, () => {
      this.#wake = undefined;
      if (this.#isServed()) this.#rest();
      else this.#attempt(undefined);
    });
    this.#wake = { timer, atMs };
  }

  /** A caller's signal has aborted. */
  left(caller: Caller): void {
    this.#drop(caller);
    if (this.#isAttempting || this.#line.length > 0) return;
    this.#wake?.timer.cancel();
    this.#wake = undefined;
    this.#goOn();
  }

  /**
   * A caller's waitTime is over. The first in line tries once more, to be sure of what it says; for the others that was
   * said a moment ago.
   */
  late(caller: Caller): void {
    if (caller === this.#line[0]) {
      if (!this.#isAttempting) this.#attempt(undefined);
      return;
    }
    this.#drop(caller);
    caller.fail({ outcome: 'held', votes: this.#lastLost.votes });
  }

  #drop(caller: Caller): void {
    const place = this.#line.indexOf(caller);
    if (place !== -1) this.#line.splice(place, 1);
  }

  #unlist(leave: (member: string, nodes: ReadonlySet<number>) => void): void {
    const nodes = this.#queuedAt;
    this.#queuedAt = undefined;
    if (this.#callable !== undefined && nodes !== undefined && nodes.size > 0) {
      leave(this.#callable.member, nodes);
    }
    this.#callable?.end();
    this.#callable = undefined;
  }

  #endIfIdle(): void {
    if (this.#line.length > 0 || this.#isAttempting) return;
    this.#wake?.timer.cancel();
    const holder = this.#isServed() ? this.#holder : undefined;
    this.#matter.idle(holder && { holder, turn: this.#turn });
  }
}
