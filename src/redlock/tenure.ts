import type { Clock } from '../base/clock.ts';
import { microtasksDone } from '../base/microtasks.ts';
import { type Lock, protectedMs } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Contention } from '../quorum/contention.ts';
import type { Caller } from './caller.ts';
import { Heir, mayInherit } from './heir.ts';
import type { Arena, Release, Served } from './matter.ts';
import { Turn } from './turn.ts';
import type { LostAttempt, Wish, Won } from './wish.ts';

/** Those who wait for a lock that this process has: what a tenure needs of their contender. */
export interface Successors {
  readonly first: Caller | undefined;
  /** What is asked for goes on from this lock value: for the first of them, or for one that is yet to come. */
  contention(previous: string): Contention;
  /** It was asked for. */
  asked(answer: Won | LostAttempt, contention: Contention): void;
  /** Nobody has the lock until it is known what came of an heir: nothing else is to be attempted. */
  awaitHeir(): void;
  /** It is known. */
  heirAnswered(): void;
  /** The lock is a caller's. */
  serve(caller: Caller, lock: Lock): void;
  /** Nobody has the lock, and whoever is first has just asked for it in vain. */
  failed(caller: Caller, answer: LostAttempt, contention: Contention): void;
  /** Nobody has the lock. */
  goOnWithout(): void;
}

/** What this process has of a lock: who holds it, whose it is next, and how long that may go on. */
export class Tenure {
  holder: Lock | undefined;
  readonly turn: Turn;
  readonly #clock: Clock;
  readonly #successors: Successors;
  /** Of the holder. */
  #heir: Heir | undefined;
  #isAwaited = false;
  /** Releases that are put off until it is known what came of the heir. */
  readonly #putOff: (() => void)[] = [];
  /** Nobody holds it, but the heir's keys stay in this process for a moment, for a caller that is likely to come. */
  #isKept = false;
  /** What the last one who got the lock wanted. */
  #lastWish: Wish | undefined;

  /**
   * @param served the lock that a caller of this process has, if one does
   * @param turn the last turn of this process, if it was a moment ago
   */
  constructor(arena: Arena, successors: Successors, served: Served | undefined, turn: Turn | undefined) {
    this.#clock = arena.clock;
    this.#successors = successors;
    this.holder = served?.holder;
    this.turn = served?.turn ?? turn ?? new Turn(arena.clock, arena.habits);
  }

  /** Where it has an heir nodes can't tell others any more until when somebody may count on a lock. */
  get isHeld(): boolean {
    if (this.holder === undefined) return false;
    return this.holder.remainingValidity() > 0 || (this.#heir !== undefined && protectedMs(this.holder) > 0);
  }

  get hasHeir(): boolean {
    return this.#heir !== undefined;
  }

  /** Whether it is to be kept in mind although nobody waits. */
  get isToBeContinued(): boolean {
    return this.hasHeir || (this.turn.comesBack && this.isHeld);
  }

  /** Milliseconds after which nobody holds it, unless the holder extends it. */
  get lostInMs(): number {
    if (this.holder === undefined) return 0;
    return (this.#heir === undefined ? this.holder.remainingValidity() : protectedMs(this.holder)) + 1;
  }

  /** A caller gets it. */
  begin(lock: Lock, wish: Wish): void {
    this.holder = lock;
    this.#lastWish = wish;
    this.turn.served();
  }

  /** Asks for the next one's lock while somebody has it, where that is likely to be of use. */
  prepare(): void {
    const { holder } = this;
    const { first } = this.#successors;
    const wish = first?.wish ?? (this.turn.comesBack ? this.#lastWish : undefined);
    if (holder === undefined || wish === undefined || this.#heir !== undefined || !this.isHeld) return;
    if (!this.turn.includes(first?.askedAtMs ?? this.#clock.uptime())) return;
    if (!mayInherit(holder, wish, this.turn.expectedMs)) return;
    const contention = this.#successors.contention(holder.value);
    const heir = new Heir(holder, wish, contention, this.#clock, (answer) => {
      if (answer?.outcome === 'acquired') this.#successors.asked(answer, contention);
      if (this.#isAwaited) this.#answered(heir, answer, contention);
    });
    this.#heir = heir;
  }

  /** The holder gives its lock back, and has left an heir. Undefined: there is none. */
  giveToHeir(release: Release): Promise<BallotResult> | undefined {
    const heir = this.#heir;
    if (heir === undefined) return undefined;
    const isFree = this.#successors.first === undefined;
    if (isFree && this.turn.comesBack && this.turn.includes(this.#clock.uptime()))
      return this.#keep(heir, release);
    // Goes first, for what is asked of the nodes then.
    const released = this.#releaseTo(heir, release);
    this.passOn();
    return released;
  }

  /** Where the heir has the keys there is nothing to give back: that is seen a moment later, at one command less a node. */
  #releaseTo(heir: Heir, release: Release): Promise<BallotResult> {
    if (heir.isAnswered) return release(heir.taken);
    return new Promise((resolve) => {
      this.#putOff.push(() => resolve(release(heir.taken)));
    });
  }

  /** Nobody has the lock any more: the heir's turn, if there is one. Nothing is done if not. */
  passOn(): void {
    const heir = this.#heir;
    if (heir === undefined) return;
    if (heir.isAnswered) this.#inherit(heir);
    else this.#await();
  }

  /**
   * Others wait, but its turn is not over, and whoever gives the lock back is likely to ask again as soon as it has done
   * so: until then, and no longer, the lock stays in this process.
   */
  async #keep(heir: Heir, release: Release): Promise<BallotResult> {
    this.#isKept = true;
    if (heir.isAnswered) this.holder = undefined;
    else this.#await();
    const result = await this.#releaseTo(heir, release);
    void microtasksDone().then(() => {
      this.#isKept = false;
      const isUnused = this.#heir === heir && this.#successors.first === undefined;
      if (isUnused && heir.isAnswered) this.#inherit(heir);
    });
    return result;
  }

  #await(): void {
    this.holder = undefined;
    this.#isAwaited = true;
    this.#successors.awaitHeir();
  }

  #answered(heir: Heir, answer: Won | LostAttempt | undefined, contention: Contention): void {
    this.#isAwaited = false;
    for (const giveBack of this.#putOff.splice(0)) giveBack();
    const { first } = this.#successors;
    if (first !== undefined && answer !== undefined && answer.outcome !== 'acquired') {
      this.#heir = undefined;
      this.#successors.failed(first, answer, contention);
      return;
    }
    this.#successors.heirAnswered();
    if (first !== undefined || !this.#isKept || heir.lock === undefined) this.#inherit(heir);
  }

  /** Nobody has the lock, and what came of its heir is known. */
  #inherit(heir: Heir): void {
    const { lock } = heir;
    const { first } = this.#successors;
    this.#heir = undefined;
    if (lock === undefined) {
      this.holder = undefined;
      this.#successors.goOnWithout();
    } else if (first !== undefined && heir.suits(first.wish) && this.turn.includes(first.askedAtMs)) {
      this.turn.goOn();
      this.#successors.serve(first, lock);
    } else {
      // It has the keys, for as long as the one before was extended in its name, and gives them back or hands them on.
      this.holder = lock;
      void lock.release();
    }
  }
}
