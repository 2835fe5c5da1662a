import type { Lock } from '../../../src/index.ts';
import { now } from '../../support/time.ts';
import type { Use, Way, WorkerEvent, Write } from '../log.ts';

type Note = (event: WorkerEvent) => void;

/** Keeps the record of one attempt, from asking to the end of the lock. */
export class Attempt {
  static #count = 0;
  readonly #id: number;
  readonly #note: Note;
  #lock: Lock | undefined;

  constructor(
    note: Note,
    asked: {
      readonly caller: string;
      readonly resources: readonly string[];
      readonly way: Way;
      readonly use?: Use;
      readonly waitTime: number;
    },
  ) {
    Attempt.#count += 1;
    this.#id = Attempt.#count;
    this.#note = note;
    this.#note({ at: now(), kind: 'asked', id: this.#id, ...asked });
  }

  /** Whether there was a lock in it. */
  get wasGranted(): boolean {
    return this.#lock !== undefined;
  }

  refused(code: string, why?: string): void {
    this.#note({ at: now(), kind: 'refused', id: this.#id, code, ...(why === undefined ? {} : { why }) });
  }

  granted(lock: Lock): void {
    const at = now();
    const { token, value: lease } = lock;
    if (token === undefined) throw new Error('a lock without a token');
    this.#lock = lock;
    this.#note({
      at,
      kind: 'granted',
      id: this.#id,
      token,
      lease,
      validUntil: at + lock.remainingValidity(),
    });
  }

  /** A check whether the lock is held: what depends on it comes right after. @throws {LockLostError} */
  act(): void {
    const lock = this.#held();
    // The moment before the check: the process may be stopped right after it, and no lock can help that.
    const at = now();
    lock.assertHeld();
    this.#note({ at, kind: 'acted', id: this.#id, validUntil: at + lock.remainingValidity() });
  }

  extended(): void {
    const at = now();
    this.#note({
      at,
      kind: 'extended',
      id: this.#id,
      validUntil: at + this.#held().remainingValidity(),
    });
  }

  notExtended(code: string): void {
    this.#note({ at: now(), kind: 'not extended', id: this.#id, code });
  }

  wrote(guarded: Write, unguarded: Write): void {
    this.#note({ at: now(), kind: 'wrote', id: this.#id, guarded, unguarded });
  }

  lost(code: string): void {
    this.#note({ at: now(), kind: 'lost', id: this.#id, code });
  }

  /** To be noted before the release begins: from then on others may have the lock. */
  done(): void {
    this.#note({ at: now(), kind: 'done', id: this.#id });
  }

  /** `freed`: whether a majority confirmed it. */
  released(freed: boolean): void {
    this.#note({ at: now(), kind: 'released', id: this.#id, freed });
  }

  #held(): Lock {
    if (this.#lock === undefined) throw new Error('there is no lock in this attempt');
    return this.#lock;
  }
}
