import { type Lock, QuorlockError } from '../../src/index.ts';
import type { Rng } from '../../src/testing/rng.ts';
import type { Machine } from './machine.ts';
import type { Terms } from './terms.ts';

/** What a caller writes down of one lock, all times in true milliseconds. Kept up to date while it holds it. */
export interface Section {
  readonly holder: string;
  readonly resources: readonly string[];
  readonly token: number;
  readonly requestedAt: number;
  readonly grantedAt: number;
  /** The last moment at which it made sure that it held the lock, and acted. */
  actedAt: number;
  /** Until when nobody else may hold it, as far as the holder knows. */
  validUntil: number;
}

/** How a caller uses the lock that it has. */
type Style = 'brief' | 'extending' | 'to the end' | 'abandoned';

/** The last action of somebody who uses up all of his time comes this long before the end, in milliseconds. */
const LAST_MOMENT_MS = 0.01;

/** One of many that contend for the resources. Whatever it does under a lock it does right after a check. */
export class Caller {
  readonly #name: string;
  readonly #machine: Machine;
  readonly #terms: Terms;
  readonly #dice: Rng;
  readonly #sections: Section[];
  readonly #failed: (code: string) => void;

  constructor(
    name: string,
    machine: Machine,
    terms: Terms,
    dice: Rng,
    log: { readonly sections: Section[]; failed(code: string): void },
  ) {
    this.#name = name;
    this.#machine = machine;
    this.#terms = terms;
    this.#dice = dice;
    this.#sections = log.sections;
    this.#failed = log.failed;
  }

  /** Goes on until its program is closed. */
  async run(): Promise<void> {
    for (;;) {
      let restMs = this.#dice.between(1, 100 + this.#terms.maxTtl / 8);
      try {
        await this.#turn();
      } catch (error) {
        if (!(error instanceof QuorlockError)) throw error;
        if (error.code === 'QUORLOCK_CLOSED') return;
        this.#failed(error.code);
        // Without a majority there is nothing to be had for long.
        if (error.code === 'QUORLOCK_NO_QUORUM') restMs = this.#dice.between(50, 400);
      }
      await this.#machine.sleep(restMs);
    }
  }

  async #turn(): Promise<void> {
    const { redlock } = this.#machine;
    const resources = this.#resources();
    const requestedAt = this.#now();
    const { shortestTtl, maxTtl } = this.#terms;
    const ttl = this.#dice.chance(0.4) ? maxTtl : this.#dice.integer(shortestTtl, maxTtl);
    if (this.#dice.chance(0.1)) {
      const maxHold = this.#dice.between(1, 3 * maxTtl);
      await redlock.using(resources, { ttl, waitTime: ttl / 2, maxHold }, async (lock) => {
        const section = this.#begin(lock, requestedAt);
        const steps = this.#dice.integer(3, 12);
        try {
          for (let step = 0; step < steps; step += 1) {
            await this.#machine.sleep(this.#dice.between(0, ttl / 3));
            this.#act(lock, section);
          }
        } finally {
          // It is released now, also where it was given up before its time.
          section.validUntil = Math.min(section.validUntil, this.#now());
        }
      });
      return;
    }
    // Whoever waits inside acquire() has asked long before, and then hardly any token is too low for it.
    const lock = this.#dice.chance(0.3)
      ? await redlock.acquire(resources, { ttl, waitTime: this.#dice.between(0, ttl) })
      : await redlock.tryAcquire(resources, { ttl });
    if (lock !== null) await this.#hold(lock, this.#begin(lock, requestedAt));
  }

  async #hold(lock: Lock, section: Section): Promise<void> {
    const style: Style = this.#dice.weighted([
      [3, 'brief'],
      [3, 'extending'],
      [4, 'to the end'],
      [1, 'abandoned'],
    ]);
    const steps = this.#dice.integer(1, 4);
    for (let step = 0; step < steps; step += 1) {
      await this.#machine.sleep(this.#dice.between(0, lock.ttl / (style === 'brief' ? 20 : 4)));
      this.#act(lock, section);
      if (style === 'extending') await this.#extend(lock, section);
    }
    if (style === 'abandoned') return;
    if (style !== 'brief') {
      await this.#machine.sleep(lock.remainingValidity() - LAST_MOMENT_MS);
      this.#act(lock, section);
      if (this.#dice.chance(0.5)) return;
    }
    section.validUntil = this.#now();
    await lock.release();
  }

  async #extend(lock: Lock, section: Section): Promise<void> {
    try {
      await lock.extend();
      this.#act(lock, section);
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      // The lock keeps the validity it had, and the next check tells whether that is enough.
      this.#failed(error.code);
    }
  }

  #begin(lock: Lock, requestedAt: number): Section {
    const section: Section = {
      holder: this.#name,
      resources: lock.resources,
      token: lock.token,
      requestedAt,
      grantedAt: this.#now(),
      actedAt: this.#now(),
      validUntil: this.#now(),
    };
    this.#sections.push(section);
    this.#act(lock, section);
    return section;
  }

  /** @throws {LockLostError} */
  #act(lock: Lock, section: Section): void {
    lock.assertHeld();
    section.actedAt = this.#now();
    section.validUntil = this.#now() + lock.remainingValidity();
  }

  #resources(): string | readonly string[] {
    const { resources } = this.#terms;
    return this.#dice.chance(0.15) ? resources : this.#dice.pick(resources);
  }

  #now(): number {
    return this.#machine.clock.timeline.nowMs;
  }
}
