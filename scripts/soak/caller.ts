import { type Lock, NoQuorumError, QuorlockError, type Redlock } from '../../src/index.ts';
import type { Rng } from '../../src/testing/rng.ts';
import type { Section } from '../support/sections.ts';
import { nap, now } from '../support/time.ts';

/** What all callers of one worker share. */
export interface Surroundings {
  readonly redlock: Redlock;
  readonly resources: readonly string[];
  readonly ttl: number;
  granted(): void;
  ended(section: Section): void;
  /** A lock that was not got, extended or kept. */
  failed(error: QuorlockError): void;
}

/** How a caller uses the lock that it has. */
type Style = 'brief' | 'extending' | 'until lost';

/** One of many that contend for the resources. Whatever it does under a lock it does right after a check. */
export class Caller {
  readonly #name: string;
  readonly #dice: Rng;
  readonly #surroundings: Surroundings;

  constructor(name: string, dice: Rng, surroundings: Surroundings) {
    this.#name = name;
    this.#dice = dice;
    this.#surroundings = surroundings;
  }

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      try {
        await this.#turn(stop);
      } catch (error) {
        if (stop.aborted && error === stop.reason) return;
        if (!(error instanceof QuorlockError)) throw error;
        this.#surroundings.failed(error);
        // Asking again at once would only keep the machine busy.
        if (error instanceof NoQuorumError) await nap(this.#dice.between(10, 60), stop);
      }
      await nap(this.#dice.between(1, 20), stop);
    }
  }

  async #turn(stop: AbortSignal): Promise<void> {
    const { redlock } = this.#surroundings;
    const resources = this.#resources();
    const requestedAt = now();
    if (this.#dice.chance(0.06)) {
      await redlock.using(resources, { waitTime: 1_000, signal: stop }, (lock) =>
        this.#keep(lock, requestedAt, stop),
      );
      return;
    }
    // Whoever waits inside acquire() has asked long before, and then hardly any token is too low for it.
    const lock = this.#dice.chance(0.3)
      ? await redlock.acquire(resources, { waitTime: 1_000, signal: stop })
      : await redlock.tryAcquire(resources);
    if (lock !== null) await this.#hold(lock, requestedAt, stop);
  }

  /** Inside `using`, which extends and releases. */
  async #keep(lock: Lock, requestedAt: number, stop: AbortSignal): Promise<void> {
    const note = this.#begin(lock, requestedAt);
    const steps = this.#dice.integer(5, 30);
    try {
      for (let step = 0; step < steps && !stop.aborted; step += 1) {
        await nap(this.#dice.between(5, 50), lock.signal);
        note.act();
      }
    } finally {
      note.end(true);
    }
  }

  async #hold(lock: Lock, requestedAt: number, stop: AbortSignal): Promise<void> {
    const note = this.#begin(lock, requestedAt);
    const style: Style = this.#dice.weighted([
      [12, 'brief'],
      [5, 'extending'],
      [1, 'until lost'],
    ]);
    const steps = style === 'until lost' ? Number.POSITIVE_INFINITY : this.#dice.integer(1, 5);
    try {
      for (let step = 0; step < steps && !stop.aborted; step += 1) {
        await nap(this.#dice.between(1, 20), stop);
        note.act();
        if (style === 'extending') await this.#extend(lock);
      }
    } finally {
      note.end(style !== 'until lost' || stop.aborted);
      if (style !== 'until lost' || stop.aborted) await lock.release();
    }
  }

  async #extend(lock: Lock): Promise<void> {
    try {
      await lock.extend();
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      // The lock keeps the validity it had, and the next check tells whether that is enough.
      this.#surroundings.failed(error);
    }
  }

  #begin(lock: Lock, requestedAt: number): Notes {
    const notes = new Notes(this.#name, lock, requestedAt, (section) => this.#surroundings.ended(section));
    this.#surroundings.granted();
    return notes;
  }

  #resources(): string | readonly string[] {
    const { resources } = this.#surroundings;
    if (resources.length > 1 && this.#dice.chance(0.15)) return this.#dice.sample(resources, 2);
    return this.#dice.pick(resources);
  }
}

/** Keeps the record of one section. */
class Notes {
  readonly #caller: string;
  readonly #lock: Lock;
  readonly #requestedAt: number;
  readonly #grantedAt = now();
  readonly #ended: (section: Section) => void;
  #acted: { first: number; last: number } | undefined;
  #validUntil: number;

  constructor(caller: string, lock: Lock, requestedAt: number, ended: (section: Section) => void) {
    this.#caller = caller;
    this.#lock = lock;
    this.#requestedAt = requestedAt;
    this.#ended = ended;
    this.#validUntil = this.#grantedAt + lock.remainingValidity();
  }

  /** @throws {LockLostError} */
  act(): void {
    const at = now();
    this.#lock.assertHeld();
    this.#acted = { first: this.#acted?.first ?? at, last: at };
    this.#validUntil = at + this.#lock.remainingValidity();
  }

  /** `givesBack`: the release follows now. Otherwise the lock stays valid for what it has left. */
  end(givesBack: boolean): void {
    const { token, resources } = this.#lock;
    if (token === undefined) throw new Error('a lock without a token');
    this.#ended({
      caller: this.#caller,
      resources,
      token,
      requestedAt: this.#requestedAt,
      grantedAt: this.#grantedAt,
      acted: this.#acted,
      validUntil: givesBack ? Math.min(this.#validUntil, now()) : this.#validUntil,
    });
  }
}
