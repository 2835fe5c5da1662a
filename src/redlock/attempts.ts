import { type Attempt, attempt } from '../lock/attempt.ts';
import type { Lock, LockSurroundings, LockTerms } from '../lock/lock.ts';
import type { LockValues } from '../lock/lock-values.ts';
import type { Contention } from '../quorum/contention.ts';
import { HeldLocks } from './held-locks.ts';

/** What attempts need of their Redlock. */
export interface AttemptsSettings {
  readonly surroundings: LockSurroundings;
  readonly values: LockValues;
  /** How long nodes that turn out to be new have to vote, in milliseconds. */
  readonly connectTimeout: number;
  /** Aborts when the Redlock closes. */
  readonly closing: AbortSignal;
}

/** Makes attempts, each with a lock value of its own, and keeps account of the locks that come of them. */
export class Attempts {
  readonly held = new HeldLocks();
  readonly #settings: AttemptsSettings;

  constructor(settings: AttemptsSettings) {
    this.#settings = settings;
  }

  /** @param ended hears of the lock that comes of it, if one does, when that is held no more */
  async make(terms: Omit<LockTerms, 'value'>, contention?: Contention, ended?: () => void): Promise<Attempt> {
    const { surroundings, connectTimeout } = this.#settings;
    const { quorum } = surroundings;
    let result = await this.#makeOne(terms, contention, ended);
    if (result.outcome === 'no-quorum' && !quorum.isConnected) {
      // Only this attempt showed that nodes have lost their markers. They may be new, and vote in a moment.
      await quorum.connected(connectTimeout);
      result = await this.#makeOne(terms, contention, ended);
    }
    if (result.outcome === 'acquired') this.#adopt(result.lock);
    return result;
  }

  #makeOne(
    { resources, target, ttl }: Omit<LockTerms, 'value'>,
    contention: Contention | undefined,
    ended: (() => void) | undefined,
  ): Promise<Attempt> {
    const { surroundings, values } = this.#settings;
    const terms = { resources, target, ttl, value: values.next(), ended };
    const trying = attempt(surroundings, terms, contention);
    surroundings.background(trying);
    return trying;
  }

  /** A lock that was granted while the Redlock closed is given back. */
  #adopt(lock: Lock): void {
    if (this.#settings.closing.aborted) void lock.release();
    else this.held.add(lock);
  }
}
