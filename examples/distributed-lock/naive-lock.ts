import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

/** Called at the points where something can come in between. */
export type Interruption = (point: 'before EXPIRE' | 'before DEL') => Promise<void>;

/**
 * A lock as many pages teach it: SETNX, EXPIRE, and a release that compares. Never use it: it has three faults, and
 * this program shows each of them.
 */
export class NaiveLock {
  readonly #redis: Redis;
  readonly #key: string;
  readonly #interrupt: Interruption;

  constructor(redis: Redis, key: string, interrupt: Interruption = async () => undefined) {
    this.#redis = redis;
    this.#key = key;
    this.#interrupt = interrupt;
  }

  /** Resolves with the holder's identifier, or with null if another process holds the lock. */
  async acquire(): Promise<string | null> {
    const identifier = randomUUID();
    if ((await this.#redis.setnx(this.#key, identifier)) === 0) return null;
    // Fault 1: not atomic. A process that dies here leaves a key without an expiry, and no other gets the lock any more.
    await this.#interrupt('before EXPIRE');
    await this.#redis.expire(this.#key, 1);
    return identifier;
  }

  /** Fault 2: what a driver reads is bytes, and bytes never equal a text. So no release ever deletes the key. */
  async release(identifier: string): Promise<boolean> {
    const owner: unknown = await this.#redis.getBuffer(this.#key);
    if (owner !== identifier) return false;
    await this.#redis.del(this.#key);
    return true;
  }

  /** Without that fault. Fault 3 is left: the key may expire, and be another process's, between the two commands. */
  async releaseText(identifier: string): Promise<boolean> {
    if ((await this.#redis.get(this.#key)) !== identifier) return false;
    await this.#interrupt('before DEL');
    await this.#redis.del(this.#key);
    return true;
  }
}
