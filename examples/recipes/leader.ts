import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Lock, Redlock } from 'quorlock';
import { redisGuard } from 'quorlock/fencing';

/** What a leader has announced, and the number of its term: a later leader has a higher one. */
export interface Announcement {
  readonly term: number;
  readonly value: string;
}

/**
 * Of all who campaign in it one leads at a time. Announcements are kept in a Redis of your own, and that of a leader who
 * resigned or died stays until the next one's.
 */
export class Election {
  readonly #redlock: Redlock;
  readonly #store: Redis;
  readonly #name: string;

  constructor(redlock: Redlock, store: Redis, name: string) {
    this.#redlock = redlock;
    this.#store = store;
    this.#name = name;
  }

  /** Waits to be elected, and announces the value. The signal cancels the wait. */
  campaign(value: string, signal?: AbortSignal): Promise<Term> {
    return new Promise((elected, failed) => {
      const over = this.#redlock.using(this.#name, { waitTime: Infinity, signal }, async (lock) => {
        const term = new Term(lock, this.#store, this.#name, () => over);
        await term.proclaim(value);
        elected(term);
        await term.ended;
      });
      // After the election nothing listens to this any more; the term has its own signal.
      over.catch(failed);
    });
  }

  /** Gives the present announcement and every later one, until the signal aborts. */
  async *observe(signal: AbortSignal, everyMs = 200): AsyncGenerator<Announcement> {
    let last: string | null = null;
    while (!signal.aborted) {
      const announced = await this.#store.get(this.#name);
      if (announced !== null && announced !== last) yield JSON.parse(announced);
      last = announced;
      await sleep(everyMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

/** The time for which a candidate leads: until it resigns, or loses the lock. */
class Term {
  /** The fencing token. Give it to whatever the leader writes to. */
  readonly number: number;
  /** Aborts when the term is over: stop leading. */
  readonly signal: AbortSignal;
  /** Resolves when it is over. */
  readonly ended: Promise<unknown>;
  readonly #resignation = new AbortController();
  readonly #store: Redis;
  readonly #name: string;
  readonly #over: () => Promise<void>;

  constructor(lock: Lock, store: Redis, name: string, over: () => Promise<void>) {
    this.number = lock.token;
    this.signal = AbortSignal.any([lock.signal, this.#resignation.signal]);
    this.ended = this.signal.aborted ? Promise.resolve() : once(this.signal, 'abort');
    this.#store = store;
    this.#name = name;
    this.#over = over;
  }

  /** Announces another value without another election. Refused once there is a later leader. */
  async proclaim(value: string): Promise<void> {
    const announcement: Announcement = { term: this.number, value };
    await redisGuard(this.#store).write(this.#name, this.number, JSON.stringify(announcement));
  }

  /** Ends the term. Resolves when others can be elected. */
  async resign(): Promise<void> {
    this.#resignation.abort();
    await this.#over();
  }
}
