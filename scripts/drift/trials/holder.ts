import type { Lock } from '../../../src/lock/lock.ts';
import type { Machine } from '../../../src/testing/index.ts';
import { Resource } from './resource.ts';

/** A way to judge whether one holds a lock, and what is written as long as that says so. */
export interface Check {
  holds(): boolean;
  readonly resource: Resource;
}

/**
 * The last checks come so long before the end, in milliseconds. The library counts by the wall clock too, which shows
 * whole milliseconds only, so that it may see the end up to one sooner than the monotonic clock.
 */
const LAST_CHECKS_MS = [1.01, 0.5, 0.01];

/** How often in a ttl work is checked and written, beside the very last moment. */
const ROUNDS = 4;

/** Where the holder is stopped, if it is. */
export interface Pause {
  /** 0: not at all. */
  readonly pauseMs: number;
  /** At which share of the lock's validity, from 0 to 1. */
  readonly pauseAtShare: number;
}

/**
 * Works under a lock, up to the last moment at which a check says that it is held: checks, and writes at once, unless
 * it is stopped in between. It judges in two ways at the same time, each with a resource of its own.
 */
export class Holder {
  readonly #machine: Machine;
  readonly #ttl: number;
  /** By its own clock, before the lock was asked for. */
  readonly #startedAtMs: number;
  #lock: Lock | undefined;
  /** By the library's checks, which take the drift allowance off. */
  readonly allowance: Check = { holds: () => this.#isHeld(), resource: new Resource() };
  /** By the ttl alone. */
  readonly plain: Check = { holds: () => this.#elapsedMs < this.#ttl, resource: new Resource() };

  /** To be made just before the lock is asked for. */
  constructor(machine: Machine, ttl: number) {
    this.#machine = machine;
    this.#ttl = ttl;
    this.#startedAtMs = machine.clock.monotonic();
  }

  /** Resolves when no check says any more that the lock is held. */
  async work(lock: Lock, { pauseMs, pauseAtShare }: Pause): Promise<void> {
    this.#lock = lock;
    const validityMs = this.#elapsedMs + lock.remainingValidity();
    const pauseAtMs = pauseMs > 0 ? this.#elapsedMs + pauseAtShare * lock.remainingValidity() : undefined;
    const moments = [validityMs, this.#ttl].flatMap((end) => LAST_CHECKS_MS.map((before) => end - before));
    if (pauseAtMs !== undefined) moments.push(pauseAtMs);
    for (let round = 1; round < ROUNDS; round += 1) moments.push((round * this.#ttl) / ROUNDS);
    for (const moment of moments.toSorted((a, b) => a - b)) {
      await this.#machine.sleep(moment - this.#elapsedMs);
      const writing = [this.allowance, this.plain].filter((check) => check.holds());
      if (moment === pauseAtMs) await this.#stop(pauseMs);
      await Promise.all(writing.map(({ resource }) => resource.write(lock.token)));
    }
  }

  async #stop(ms: number): Promise<void> {
    this.#machine.pause(ms);
    await this.#machine.sleep(0);
  }

  #isHeld(): boolean {
    try {
      this.#lock?.assertHeld();
      return this.#lock !== undefined;
    } catch {
      return false;
    }
  }

  get #elapsedMs(): number {
    return this.#machine.clock.monotonic() - this.#startedAtMs;
  }
}
