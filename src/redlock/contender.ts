import { microtasksDone } from '../base/microtasks.ts';
import type { Lock } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Contention } from '../quorum/contention.ts';
import type { Waiter } from '../wire/operation.ts';
import { Alarm } from './alarm.ts';
import type { Caller, CallerEvents } from './caller.ts';
import { Calls } from './calls.ts';
import { hasCalled } from './handover-watch.ts';
import { Line } from './line.ts';
import type { Arena, Matter, Release, Served } from './matter.ts';
import { Place } from './place.ts';
import { Sleep } from './sleep.ts';
import { type Successors, Tenure } from './tenure.ts';
import type { Turn } from './turn.ts';
import type { Called } from './wake-ups.ts';
import { isWorthATry, type LostAttempt, type Wish, type Won } from './wish.ts';

/**
 * Whoever hands the lock on to another process steps back for so many milliseconds before it asks again: it would be
 * refused, and that keeps the nodes from serving the one that was called. It keeps its place in the queue.
 */
const STEP_BACK_MS = 1;

/**
 * Speaks for all callers of this process who want the same lock: they wait in line, and the first one's attempts are
 * the only ones that are made. It is *attempting*, *asleep* (until enough nodes call, the holder's keys should have
 * expired, or it doubts that it would be called), or *served*: a caller holds the lock. Where locks are held for a short
 * time, the next one's is asked for meanwhile, see {@link Tenure}; otherwise it is handed on with the release, in the same
 * call to the nodes.
 */
export class Contender implements CallerEvents, Called, Successors {
  readonly #arena: Arena;
  readonly #matter: Matter;
  readonly #line: Line;
  /** Made when somebody waits: most callers get the lock at once. */
  #calls: Calls | undefined;
  #isAttempting = false;
  readonly #tenure: Tenure;
  /** As well. */
  #place: Place | undefined;
  #hasOpened = false;
  #alarm: Alarm | undefined;
  readonly #sleep: Sleep;

  /**
   * @param served the lock that a caller of this process has, if one does
   * @param turn the last turn of this process, if it was a moment ago
   */
  constructor(arena: Arena, matter: Matter, served: Served | undefined, turn: Turn | undefined) {
    this.#arena = arena;
    this.#matter = matter;
    this.#line = new Line(arena.clock, this);
    this.#sleep = new Sleep(arena.clock, arena.random);
    this.#tenure = new Tenure(arena, this, served, turn);
  }

  get turn(): Turn {
    return this.#tenure.turn;
  }

  /** How many callers wait. */
  get waiting(): number {
    return this.#line.length;
  }

  /**
   * Gets a lock for a caller, who waits in line behind earlier ones.
   *
   * @param stepsBack whether it was handed on to another process just now, which is likely to keep it for a while
   */
  acquire(wish: Wish, stepsBack = false): Promise<Lock> {
    const caller = this.#line.join(wish);
    if (this.#isAttempting || this.#line.length > 1 || this.#tenure.isHeld) {
      caller.limit();
      void this.#arena.wakeUps.open();
      if (!this.#isAttempting && this.#line.length === 1) void this.#lookAhead();
    } else if (stepsBack && wish.waitTime > STEP_BACK_MS) {
      caller.limit();
      this.#wakeWithin(STEP_BACK_MS);
    } else {
      this.#ask();
    }
    return caller.lock;
  }

  /**
   * A lock is given back: by `release`, and whoever is next in line here takes it over in the same call, unless it is the
   * turn of other processes.
   */
  giveBack(lock: Lock, release: Release): Promise<BallotResult> {
    // An older lock that was lost is nothing to hand on.
    if (this.#tenure.holder !== undefined && this.#tenure.holder !== lock) return release();
    this.turn.givenBack();
    const given = this.#tenure.giveToHeir(release);
    if (given !== undefined) return given;
    const next = this.#line.first;
    this.#tenure.holder = undefined;
    if (this.#isAttempting || next === undefined) {
      const released = release();
      this.#endIfIdle();
      return released;
    }
    if (this.turn.includes(next.askedAtMs)) {
      this.turn.goOn();
      this.#attempt(lock.value);
      return release();
    }
    const released = release();
    void this.#endTurn(released);
    return released;
  }

  async #endTurn(released: Promise<BallotResult>): Promise<void> {
    const stepsBack = this.turn.isFarFromNext;
    if (stepsBack) this.#wakeWithin(STEP_BACK_MS);
    else this.#attempt(undefined);
    const { votes } = await released;
    const hasHandedOn = votes.some(hasCalled);
    if (!hasHandedOn) this.turn.ended(undefined);
    // Nobody is to be left alone with the nodes.
    if (stepsBack && !hasHandedOn) this.#wakeWithin(0);
  }

  /** Everybody who waits is told so. */
  close(reason: unknown): void {
    this.#line.crash(reason);
    this.#alarm?.cancel();
    if (!this.#isAttempting) this.#goOn();
  }

  /** Asks for the lock on behalf of who is first. Nobody here has it, or whoever had it has lost it. */
  #ask(): void {
    if (this.#tenure.hasHeir) this.#tenure.passOn();
    else this.#attempt(undefined);
  }

  get first(): Caller | undefined {
    return this.#line.first;
  }

  contention(previous: string | undefined): Contention {
    const { first } = this.#line;
    if (first === undefined || !this.#arena.wakeUps.isOpen) return { waiter: undefined, previous };
    this.#place ??= new Place(this.#arena, this.#matter, this);
    return this.#place.contention(first, previous);
  }

  asked(answer: Won | LostAttempt, { waiter }: Contention): void {
    this.#place?.asked(answer, waiter);
  }

  awaitHeir(): void {
    this.#begin();
  }

  /** Asks for the lock, or does as if: what was heard before is of no use any more. */
  #begin(): void {
    this.#alarm?.cancel();
    this.#isAttempting = true;
    this.#calls?.forget();
    this.#sleep.asks();
  }

  heirAnswered(): void {
    this.#isAttempting = false;
  }

  failed(caller: Caller, answer: LostAttempt, { waiter }: Contention): void {
    void this.#lost(caller, answer, waiter);
  }

  goOnWithout(): void {
    if (this.#line.length === 0) this.#goOn();
    else this.#attempt(undefined);
  }

  #attempt(previous: string | undefined): void {
    const caller = this.#line.first;
    if (caller === undefined) return;
    this.#begin();
    const contention = { ...this.contention(previous), by: this };
    caller.wish.attempt(contention).then(
      (attempt) => {
        if (attempt.outcome === 'acquired') {
          this.#place?.asked(attempt, contention.waiter);
          if (previous === undefined) this.turn.begin();
          this.serve(caller, attempt.lock);
        } else {
          void this.#lost(caller, attempt, contention.waiter);
        }
      },
      (error: unknown) => {
        this.#isAttempting = false;
        this.#line.drop(caller);
        caller.crash(error);
        this.#goOn();
      },
    );
  }

  serve(caller: Caller, lock: Lock): void {
    this.#isAttempting = false;
    this.#sleep.heartened();
    this.#line.drop(caller);
    if (this.#matter.having === 'alone') this.#tenure.begin(lock, caller.wish);
    if (!caller.grant(lock)) void lock.release();
    else if (this.#line.length > 0 || this.turn.comesBack) void this.#lookAhead();
    if (this.#line.length === 0) this.#place?.end(this.#matter.leaveLater);
    this.#endIfIdle();
  }

  /** Whoever has got the lock does something with it before nodes are asked for the next one's. */
  async #lookAhead(): Promise<void> {
    await microtasksDone();
    if (this.#isAttempting) return;
    if (this.#line.length > 0) this.#rest();
    else this.#tenure.prepare();
  }

  async #lost(caller: Caller, attempt: LostAttempt, waiter: Waiter | undefined): Promise<void> {
    this.#sleep.lost(attempt);
    this.#place?.asked(attempt, waiter);
    this.#calls ??= new Calls(this.#arena.nodeCount);
    this.#calls.refused(attempt.votes);
    const isWorthIt = attempt.outcome === 'held' || (await isWorthATry(attempt, caller.wish));
    this.#isAttempting = false;
    if (!isWorthIt) this.#line.fail(attempt);
    else if (caller.isLate) caller.fail(attempt);
    if (!caller.isWaiting) this.#line.drop(caller);
    this.#goOn();
  }

  /** After an attempt or the loss of a caller. */
  #goOn(): void {
    const next = this.#line.first;
    next?.limit();
    if (next === undefined) {
      this.#place?.end(this.#matter.leave);
      this.#endIfIdle();
    } else if (!this.#tenure.hasHeir && (this.#calls?.areEnough === true || next.isLate)) {
      this.#attempt(undefined);
    } else {
      this.#rest();
    }
  }

  /** Sleeps for as long as nothing can have changed. */
  #rest(): void {
    const { wakeUps } = this.#arena;
    if (this.#tenure.isHeld) {
      this.#tenure.prepare();
      if (this.#line.length === 0) this.#endIfIdle();
      this.#wakeWithin(this.#tenure.lostInMs);
    } else if (this.#tenure.hasHeir) this.#ask();
    else if (this.#sleep.lastLost.outcome !== 'held') this.#wakeWithin(this.#sleep.pauseMs);
    else if (!wakeUps.isOpen && !this.#hasOpened) this.#open();
    else if (!wakeUps.isOpen) this.#wakeWithin(this.#sleep.pauseMs);
    else if (this.#place?.isTaken === true) this.#wakeWithin(this.#sleep.untilDoubtMs(wakeUps.sleepers));
    // The attempt was made before nodes could be heard: they do not know yet that somebody waits.
    else this.#attempt(undefined);
  }

  /** The first wait in this process: from now on nodes can call. Then they must be told that somebody waits. */
  #open(): void {
    this.#hasOpened = true;
    this.#isAttempting = true;
    void this.#arena.wakeUps.open().then(() => {
      this.#isAttempting = false;
      if (this.#line.length > 0 && this.#arena.wakeUps.isOpen) this.#attempt(undefined);
      else this.#goOn();
    });
  }

  called(node: number): void {
    this.#calls ??= new Calls(this.#arena.nodeCount);
    this.#calls.hear(node);
    this.#sleep.stir();
    if (this.#isAttempting || this.#line.length === 0 || this.#tenure.isHeld) return;
    if (this.#calls.areEnough) {
      this.#sleep.heartened();
      this.#ask();
    } else if (this.#calls.maySplit) {
      this.#wakeWithin(this.#sleep.miscallMs);
    }
  }

  missed(): void {
    this.#sleep.missed();
    this.#wakeWithin(this.#sleep.untilDoubtMs(0));
  }

  #wakeWithin(delayMs: number): void {
    if (!this.#isAttempting && this.#line.length > 0) this.#setAlarm(delayMs, true);
  }

  #setAlarm(delayMs: number, keepAlive: boolean): void {
    this.#alarm ??= new Alarm(this.#arena.clock, () => this.#wakeUp());
    this.#alarm.within(delayMs, keepAlive);
  }

  #wakeUp(): void {
    if (this.#line.length === 0 && !this.#tenure.hasHeir) this.#endIfIdle();
    else if (this.#tenure.isHeld) this.#rest();
    else if (this.#place !== undefined && this.#sleep.isSound) void this.#doubt(this.#place);
    else this.#ask();
  }

  /** It has heard nothing for a while: one node is asked whether that may be right. If not, all are. */
  async #doubt(place: Place): Promise<void> {
    const isRight = await this.#sleep.isReassured(place);
    if (this.#isAttempting || this.#line.length === 0) return;
    if (isRight || this.#tenure.isHeld) this.#rest();
    else this.#ask();
  }

  left(caller: Caller): void {
    this.#line.drop(caller);
    if (this.#isAttempting || this.#line.length > 0) return;
    this.#alarm?.cancel();
    this.#goOn();
  }

  /**
   * A caller's waitTime is over. The first in line tries once more, to be sure of what it says; for the others that was
   * said a moment ago, and so it was where somebody in this process has the lock, and its keys were asked for already.
   */
  late(caller: Caller): void {
    if (caller === this.#line.first && (!this.#tenure.hasHeir || this.#isAttempting)) {
      if (!this.#isAttempting) this.#attempt(undefined);
      return;
    }
    this.#line.drop(caller);
    caller.fail({ outcome: 'held', votes: this.#sleep.lastLost.votes });
    if (this.#line.length === 0) this.#goOn();
  }

  #endIfIdle(): void {
    if (this.#line.length > 0 || this.#isAttempting) return;
    this.#alarm?.cancel();
    this.#place?.end(this.#matter.leave);
    if (this.#tenure.isToBeContinued) {
      // The holder may never give the lock back.
      this.#setAlarm(this.#tenure.lostInMs, false);
      return;
    }
    const holder = this.#tenure.isHeld ? this.#tenure.holder : undefined;
    this.#matter.idle(holder && { holder, turn: this.turn });
  }
}
