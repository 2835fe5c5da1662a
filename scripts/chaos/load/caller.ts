import { setTimeout as delay } from 'node:timers/promises';
import { type Lock, LockLostError, NoQuorumError, QuorlockError, type Redlock } from '../../../src/index.ts';
import type { Rng } from '../../../src/testing/rng.ts';
import { nap } from '../../support/time.ts';
import type { Way, WorkerEvent } from '../log.ts';
import type { StoreClient } from '../store/client.ts';
import type { Reading } from '../store/protocol.ts';
import { Attempt } from './attempt.ts';

/** A caller begins no write with less validity than this: the check, and then the write, take time. */
const WRITE_MARGIN_MS = 150;

/** What all callers of one worker share. */
export interface Surroundings {
  readonly store: StoreClient;
  readonly resources: readonly string[];
  readonly ttl: number;
  readonly isBrief: boolean;
  readonly note: (event: WorkerEvent) => void;
  readonly waiting: () => void;
  readonly granted: () => void;
  readonly writing: () => void;
}

/** The `Redlock` for one turn, and what is to be done with it after. */
export interface Loan {
  readonly redlock: Redlock;
  giveBack(): Promise<void>;
}

/** One of many that contend for the resources, and count up two numbers in the store whenever it has some. */
export class Caller {
  readonly #name: string;
  readonly #dice: Rng;
  readonly #borrow: () => Loan;
  readonly #pauseMs: readonly [least: number, most: number];
  readonly #surroundings: Surroundings;

  constructor(
    name: string,
    dice: Rng,
    borrow: () => Loan,
    pauseMs: readonly [least: number, most: number],
    surroundings: Surroundings,
  ) {
    this.#name = name;
    this.#dice = dice;
    this.#borrow = borrow;
    this.#pauseMs = pauseMs;
    this.#surroundings = surroundings;
  }

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const loan = this.#borrow();
      try {
        await this.#turn(loan.redlock, stop);
      } finally {
        await loan.giveBack();
      }
      await nap(this.#dice.between(...this.#pauseMs), stop);
    }
  }

  async #turn(redlock: Redlock, stop: AbortSignal): Promise<void> {
    const way: Way = this.#dice.weighted([
      [45, 'try'],
      [47, 'wait'],
      [8, 'using'],
    ]);
    const resources = this.#resources();
    const waitTime = way === 'try' ? 0 : Math.round(this.#dice.between(500, 4_000));
    // Some lose their patience before their waitTime is over.
    const impatience = new AbortController();
    const patience = this.#dice.chance(0.2) ? this.#dice.between(20, waitTime) : undefined;
    const timer =
      patience === undefined || way !== 'wait' ? undefined : setTimeout(() => impatience.abort(), patience);
    const signal = AbortSignal.any([stop, impatience.signal]);
    const attempt = new Attempt(this.#surroundings.note, { caller: this.#name, resources, way, waitTime });
    if (way !== 'try') this.#surroundings.waiting();
    try {
      if (way === 'using') {
        await redlock.using(resources, { waitTime, signal }, (lock) => this.#keep(attempt, lock, stop));
      } else {
        const lock =
          way === 'wait'
            ? await redlock.acquire(resources, { waitTime, signal })
            : await redlock.tryAcquire(resources);
        clearTimeout(timer);
        if (lock === null) attempt.refused('QUORLOCK_HELD');
        else await this.#hold(attempt, lock, stop);
      }
    } catch (error) {
      await this.#failed(attempt, error, signal, stop);
    } finally {
      clearTimeout(timer);
    }
  }

  async #failed(attempt: Attempt, error: unknown, signal: AbortSignal, stop: AbortSignal): Promise<void> {
    const isAbort = signal.aborted && error === signal.reason;
    if (!isAbort && !(error instanceof QuorlockError)) throw error;
    const code = isAbort || !(error instanceof QuorlockError) ? 'aborted' : error.code;
    if (attempt.wasGranted) attempt.lost(code);
    else attempt.refused(code, error instanceof NoQuorumError ? error.message : undefined);
    // Asking again at once would only keep the machine busy.
    if (error instanceof NoQuorumError) await nap(this.#dice.between(20, 80), stop);
  }

  /** Inside `using`, which extends and releases: longer than any ttl, now and then. */
  async #keep(attempt: Attempt, lock: Lock, stop: AbortSignal): Promise<void> {
    attempt.granted(lock);
    this.#surroundings.granted();
    const steps = this.#surroundings.isBrief ? 1 : this.#dice.integer(1, 6);
    try {
      for (let step = 0; step < steps && !stop.aborted; step += 1) {
        await nap(this.#dice.between(5, this.#surroundings.ttl / 4), stop);
        await this.#countUp(attempt, lock);
      }
    } finally {
      attempt.done();
    }
  }

  async #hold(attempt: Attempt, lock: Lock, stop: AbortSignal): Promise<void> {
    attempt.granted(lock);
    this.#surroundings.granted();
    const style = this.#dice.weighted([
      [26, 'brief'],
      [10, 'extending'],
      [this.#surroundings.isBrief ? 0 : 1, 'until lost'],
    ] as const);
    const steps = style === 'until lost' ? Number.POSITIVE_INFINITY : this.#dice.integer(1, 3);
    let gaveUp = false;
    try {
      for (let step = 0; step < steps && !stop.aborted; step += 1) {
        if (style === 'extending') await this.#extend(attempt, lock);
        await this.#countUp(attempt, lock);
        await nap(this.#dice.between(1, 20), stop);
      }
    } catch (error) {
      gaveUp = error instanceof LockLostError;
      throw error;
    } finally {
      // Who has lost it leaves the rest to its expiry, now and then, as a holder does that is gone.
      if (!(gaveUp && style === 'until lost')) {
        attempt.done();
        const { freed } = await lock.release();
        if (!gaveUp) attempt.released(freed);
      }
    }
  }

  /** Reads, thinks, checks that the lock is held, and writes: in that order, as any program does. */
  async #countUp(attempt: Attempt, lock: Lock): Promise<void> {
    const { store } = this.#surroundings;
    const { token } = lock;
    if (token === undefined) return;
    const readings: [resource: string, reading: Reading][] = [];
    for (const resource of lock.resources) readings.push([resource, await store.read(resource, token)]);
    await nap(this.#dice.between(2, 25), lock.signal);
    attempt.act();
    if (lock.remainingValidity() < WRITE_MARGIN_MS) return;
    this.#surroundings.writing();
    // What is written has to be made first. Whatever befalls the process now, it does not look again.
    await delay(this.#dice.between(2, 12));
    for (const [resource, reading] of readings) {
      const { guarded } = await store.write(resource, token, reading);
      attempt.wrote(guarded, 'done');
    }
  }

  async #extend(attempt: Attempt, lock: Lock): Promise<void> {
    try {
      await lock.extend();
      attempt.extended();
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      // The lock keeps the validity it had, and the next check tells whether that is enough.
      attempt.notExtended(error.code);
    }
  }

  #resources(): readonly string[] {
    const { resources } = this.#surroundings;
    return this.#dice.sample(resources, this.#dice.chance(0.15) ? 2 : 1);
  }
}
