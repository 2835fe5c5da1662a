import {
  type Lock,
  LockHeldError,
  LockLostError,
  QuorlockError,
  type Redlock,
  type ReleaseReport,
} from '../../src/index.ts';
import type { Rng } from '../../src/testing/rng.ts';
import { type Asked, type Desk, Notes } from './record.ts';

/** What a caller wants in one turn. */
export interface Wish extends Omit<Asked, 'caller'> {
  /** Default: by the plain lock. */
  readonly by?: 'read' | 'write' | 'permit';
  /** How many permits the semaphore has. */
  readonly permits?: number;
  /** Default: that of the Redlock. */
  readonly ttl?: number;
  /** Default: for as long as the work takes. */
  readonly maxHold?: number;
  /** The caller gives up so soon; Infinity: it may, and does not. Default: not before its time. */
  readonly patienceMs?: number;
}

/** What it does with the lock that it has: a number of times a pause, an extension or not, and its work. */
export interface Usage {
  readonly steps: number;
  pauseMs(): number;
  /** Whether it does, or with which ttl. */
  extends?(): boolean | number;
  /** Default: it does; in a routine, the library does it. */
  givesBack?(isLost: boolean): boolean;
  /** Whether the caller goes on before its release has come to an end. Default: it does not. */
  readonly isHasty?: boolean;
}

/** How a caller goes about it. */
export interface Habits {
  wish(dice: Rng): Wish;
  usage(dice: Rng, lock: Lock, wish: Wish): Usage;
  restMs(dice: Rng): number;
  /** Beside that: without a majority no lock is granted for long. */
  noQuorumRestMs(dice: Rng): number;
  /** How many write locks become read locks, from 0 to 1. Default: none. */
  downgrades?(wish: Wish): number;
}

/** Where a caller is: its clock, what it does under a lock, and who hears of it. */
export interface Site extends Desk {
  /** Aborts waits when all is to end. Undefined: they come to their own end. */
  readonly stop?: AbortSignal;
  isOver(): boolean;
  sleep(ms: number): Promise<void>;
  /** Default: a check whether the lock is held. @throws {LockLostError} */
  work?(notes: Notes, lock: Lock, dice: Rng): Promise<void>;
  /** Hears before a caller waits, when it has a lock, and when it has done with it. */
  seen?(what: 'waiting' | 'granted' | 'done', caller: string): void;
  /** Looks at the lock that a caller has got, and at the one that it has just given back, or has given to the library. */
  readonly handles?: {
    granted(lock: Lock, caller: string): void;
    over(lock: Lock): void;
    released(lock: Lock, caller: string, report: Promise<ReleaseReport>): void;
  };
  /** Aborts after that time. Default: in real time. */
  timeout?(ms: number): AbortSignal;
}

/** The `Redlock` for one turn, and what is to be done with it after. */
export interface Loan {
  readonly redlock: Redlock;
  giveBack?(): Promise<void>;
}

/** One of many that contend. Whatever it does under a lock it does right after a check. */
export class Caller {
  readonly #name: string;
  readonly #dice: Rng;
  readonly #borrow: () => Loan;
  readonly #habits: Habits;
  readonly #site: Site;

  constructor(name: string, dice: Rng, borrow: () => Loan, habits: Habits, site: Site) {
    this.#name = name;
    this.#dice = dice;
    this.#borrow = borrow;
    this.#habits = habits;
    this.#site = site;
  }

  /** Goes on until all is over, or its Redlock is closed. */
  async run(): Promise<void> {
    while (!this.#site.isOver()) {
      const { redlock, giveBack } = this.#borrow();
      const code = await this.#turn(redlock);
      await giveBack?.();
      if (code === 'QUORLOCK_CLOSED') return;
      if (code === 'QUORLOCK_NO_QUORUM') await this.#site.sleep(this.#habits.noQuorumRestMs(this.#dice));
      const restMs = this.#habits.restMs(this.#dice);
      if (restMs > 0) await this.#site.sleep(restMs);
    }
  }

  /** Why there was no lock, or why it was lost. */
  async #turn(redlock: Redlock): Promise<string | undefined> {
    const wish = this.#habits.wish(this.#dice);
    const { resources, way, use, waitTime, patienceMs } = wish;
    const { stop, seen, timeout = (ms: number) => AbortSignal.timeout(ms) } = this.#site;
    const signals = [
      ...(stop === undefined ? [] : [stop]),
      ...(patienceMs === undefined ? [] : [timeout(patienceMs)]),
    ];
    const signal = signals.length < 2 ? signals[0] : AbortSignal.any(signals);
    const notes = new Notes(this.#site, { caller: this.#name, resources, way, use, waitTime });
    if (waitTime > 0) seen?.('waiting', this.#name);
    try {
      if (way === 'using') {
        const options = optionsOf(wish, signal);
        const routine = async (lock: Lock) => {
          const usage = this.#begin(notes, lock, wish);
          await this.#use(notes, lock, usage).finally(() => notes.done());
          if (usage.givesBack?.(false) === true) this.#release(lock);
          this.#site.handles?.over(lock);
        };
        if (wish.by !== 'permit') await redlock.using([...resources], options, routine);
        else await redlock.semaphore(resources[0] ?? '', wish.permits ?? 1).using(options, routine);
        return undefined;
      }
      const lock = await ask(redlock, wish, signal);
      if (lock === null) {
        notes.refused('QUORLOCK_HELD');
        return undefined;
      }
      return await this.#hold(redlock, notes, lock, wish);
    } catch (error) {
      const isAbort = signal?.aborted && error === signal.reason;
      if (!isAbort && !(error instanceof QuorlockError)) throw error;
      const code = isAbort || !(error instanceof QuorlockError) ? 'aborted' : error.code;
      if (notes.wasGranted) notes.lost(code);
      else notes.refused(code, code === 'QUORLOCK_NO_QUORUM' ? String(error) : undefined);
      return code;
    }
  }

  /** The code of the error that says that it was lost, if it was. */
  async #hold(redlock: Redlock, notes: Notes, lock: Lock, wish: Wish): Promise<string | undefined> {
    const usage = this.#begin(notes, lock, wish);
    let lost: string | undefined;
    try {
      await this.#use(notes, lock, usage);
    } catch (error) {
      if (!(error instanceof LockLostError)) throw error;
      lost = error.code;
    }
    if (usage.givesBack?.(lost !== undefined) ?? true) {
      const downgrades = this.#habits.downgrades?.(wish) ?? 0;
      if (downgrades > 0 && !lock.isShared && this.#dice.chance(downgrades)) {
        await this.#downgrade(redlock, notes, lock, wish);
      } else {
        notes.done();
        const released = this.#release(lock).then((report) => {
          if (lost === undefined) notes.released(report);
        });
        if (usage.isHasty !== true) await released;
      }
    }
    if (lost !== undefined) notes.lost(lost);
    return lost;
  }

  /** A read lock in the place of a write lock, unless that was lost on the way. */
  async #downgrade(redlock: Redlock, notes: Notes, lock: Lock, wish: Wish): Promise<void> {
    const { resources, waitTime, ttl } = wish;
    const reading = new Notes(this.#site, {
      caller: this.#name,
      resources,
      way: 'try',
      use: 'read',
      waitTime,
    });
    notes.done();
    this.#site.handles?.over(lock);
    try {
      const shared = await redlock
        .readWrite(resources[0] ?? '')
        .downgrade(lock, ttl === undefined ? {} : { ttl });
      await this.#hold(redlock, reading, shared, wish);
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      if (!reading.wasGranted) reading.refused(error.code);
    }
  }

  #release(lock: Lock): Promise<ReleaseReport> {
    const report = lock.release();
    this.#site.handles?.released(lock, this.#name, report);
    return report;
  }

  #begin(notes: Notes, lock: Lock, wish: Wish): Usage {
    notes.granted(lock);
    this.#site.handles?.granted(lock, this.#name);
    this.#site.seen?.('granted', this.#name);
    return this.#habits.usage(this.#dice, lock, wish);
  }

  /** @throws {LockLostError} */
  async #use(notes: Notes, lock: Lock, usage: Usage): Promise<void> {
    const { work = async () => notes.act(), isOver, sleep } = this.#site;
    for (let step = 0; step < usage.steps && (step === 0 || !isOver()); step += 1) {
      await sleep(usage.pauseMs());
      const extension = usage.extends?.() ?? false;
      if (extension !== false) await this.#extend(notes, lock, extension === true ? undefined : extension);
      await work(notes, lock, this.#dice);
    }
    this.#site.seen?.('done', this.#name);
  }

  /** The lock keeps the validity it had where that fails, and the next check tells whether that is enough. */
  async #extend(notes: Notes, lock: Lock, ttl: number | undefined): Promise<void> {
    const askedAt = this.#site.now();
    try {
      await lock.extend(ttl);
      notes.extended(askedAt);
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      notes.notExtended(error.code);
    }
  }
}

function optionsOf({ ttl, waitTime, maxHold }: Wish, signal: AbortSignal | undefined) {
  return {
    waitTime,
    ...(ttl === undefined ? {} : { ttl }),
    ...(maxHold === undefined ? {} : { maxHold }),
    ...(signal === undefined ? {} : { signal }),
  };
}

/** Null if another holder has it, and the caller does not wait. */
async function ask(redlock: Redlock, wish: Wish, signal: AbortSignal | undefined): Promise<Lock | null> {
  const { resources, by, permits = 1, ttl, way } = wish;
  const [resource = ''] = resources;
  const options = optionsOf(wish, signal);
  const atOnce = ttl === undefined ? {} : { ttl };
  if (by === 'permit') {
    const semaphore = redlock.semaphore(resource, permits);
    return way === 'wait' ? semaphore.acquire(options) : semaphore.tryAcquire(atOnce);
  }
  if (by === undefined) {
    const names = resources.length === 1 ? resource : [...resources];
    return way === 'wait' ? redlock.acquire(names, options) : redlock.tryAcquire(names, atOnce);
  }
  try {
    const lock = redlock.readWrite(resource);
    return await (by === 'read' ? lock.acquireRead(options) : lock.acquireWrite(options));
  } catch (error) {
    if (error instanceof LockHeldError) return null;
    throw error;
  }
}
