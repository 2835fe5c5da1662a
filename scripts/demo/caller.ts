import {
  ExtendFailedError,
  LockExpiredError,
  LockLostError,
  NoQuorumError,
  WaitTimeoutError,
} from '../../src/index.ts';
import { nap, now } from '../support/time.ts';
import type { Access, Held } from './access.ts';
import { between } from './between.ts';
import type { WorkerEvent } from './events.ts';
import type { SharedCounter } from './shared-counter.ts';

/** What all callers of one worker share. */
export interface Surroundings {
  readonly access: Access;
  readonly counter: SharedCounter;
  note(event: WorkerEvent): void;
}

/** Out of 1, how often a caller holds the lock so long that it has to be kept alive, or over several steps. */
const LONG_SHARE = 0.03;
const STEPWISE_SHARE = 0.25;

/**
 * One of many that contend for the resource. Under the lock it reads the counter, waits a little, makes sure that
 * it still holds the lock, and writes back one more. It does so once; or several times, extending by hand; or for
 * so long that `using` has to extend.
 */
export class Caller {
  readonly #name: string;
  readonly #surroundings: Surroundings;
  #sections = 0;

  constructor(name: string, surroundings: Surroundings) {
    this.#name = name;
    this.#surroundings = surroundings;
  }

  async run(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      await this.#turn(stop);
      await nap(between(5, 50), stop);
    }
  }

  async #turn(stop: AbortSignal): Promise<void> {
    const dice = Math.random();
    try {
      if (dice < LONG_SHARE) await this.#holdLong(stop);
      else if (dice < LONG_SHARE + STEPWISE_SHARE) await this.#holdStepwise(stop);
      else await this.#holdBriefly(stop);
    } catch (error) {
      // A cancelled wait rejects with the reason of its own signal, as it is.
      if (stop.aborted && error === stop.reason) return;
      if (!isExpectedRefusal(error)) throw error;
      this.#surroundings.note({ kind: 'refused', atMs: now(), code: error.code });
    }
  }

  async #holdBriefly(stop: AbortSignal): Promise<void> {
    await this.#acquire(stop, (held, section) => this.#increment(held, section, between(1, 15)));
  }

  async #holdStepwise(stop: AbortSignal): Promise<void> {
    await this.#acquire(stop, async (held, section) => {
      await this.#increment(held, section, between(10, 30));
      for (let step = 0; step < 2 && !stop.aborted; step += 1) {
        await this.#extend(held, section);
        await this.#increment(held, section, between(10, 30));
      }
    });
  }

  async #holdLong(stop: AbortSignal): Promise<void> {
    const requestedAtMs = now();
    await this.#surroundings.access.using(stop, async (held) => {
      await this.#section(requestedAtMs, held, async (section) => {
        const untilMs = now() + between(900, 1_800);
        let validityMs = held.remainingValidity();
        while (now() < untilMs && !stop.aborted) {
          await this.#increment(held, section, between(40, 80));
          // using() extends by itself; that it did shows in a validity that grew.
          const remainingMs = held.remainingValidity();
          if (remainingMs > validityMs) this.#noteExtended(section);
          validityMs = remainingMs;
        }
      });
    });
  }

  async #acquire(stop: AbortSignal, work: (held: Held, section: string) => Promise<void>): Promise<void> {
    const requestedAtMs = now();
    const held = await this.#surroundings.access.acquire(stop);
    try {
      await this.#section(requestedAtMs, held, (section) => work(held, section));
    } finally {
      await held.release();
    }
  }

  /** A critical section, from the grant to the last thing done under the lock. The release is not part of it. */
  async #section(requestedAtMs: number, held: Held, work: (section: string) => Promise<void>): Promise<void> {
    const { note } = this.#surroundings;
    this.#sections += 1;
    const section = `${this.#name} #${this.#sections}`;
    note({ kind: 'granted', section, requestedAtMs, atMs: now(), token: held.token });
    let lostBecause: string | undefined;
    try {
      await work(section);
    } catch (error) {
      if (!(error instanceof LockLostError)) throw error;
      lostBecause = error.code;
    }
    note({ kind: 'ended', section, atMs: now(), lostBecause });
  }

  async #increment(held: Held, section: string, pauseMs: number): Promise<void> {
    const { counter, note } = this.#surroundings;
    const value = counter.read() + 1;
    await nap(pauseMs, held.signal);
    // Nothing may come between this and the write: not even an await.
    held.assertHeld();
    counter.write(value);
    note({ kind: 'wrote', section, atMs: now(), value });
  }

  async #extend(held: Held, section: string): Promise<void> {
    try {
      await held.extend();
      this.#noteExtended(section);
    } catch (error) {
      // The lock keeps the validity it had, and the next write looks whether that is enough.
      if (!(error instanceof ExtendFailedError)) throw error;
    }
  }

  #noteExtended(section: string): void {
    this.#surroundings.note({ kind: 'extended', section, atMs: now() });
  }
}

function isExpectedRefusal(error: unknown): error is WaitTimeoutError | NoQuorumError | LockExpiredError {
  return (
    error instanceof WaitTimeoutError || error instanceof NoQuorumError || error instanceof LockExpiredError
  );
}
