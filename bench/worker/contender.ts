import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import type { Peer, Release } from '../peers/peer.ts';
import type { ContenderReport, Hold } from './protocol.ts';
import type { Stopwatch } from './stopwatch.ts';

/** For how long a holder works, in milliseconds. */
const HOLD_MS = 1;

/** Asks for a lock, holds it, gives it back and asks again, until it is stopped. */
export class Contender {
  readonly #peer: Peer;
  readonly #resource: string;
  readonly #stopwatch: Stopwatch;
  readonly #holds: Hold[] = [];
  #waitingSinceMs: number | undefined;
  #holdingSince: Omit<Hold, 'releasedAtMs'> | undefined;
  #failures = 0;
  #stopped = false;

  constructor(peer: Peer, resource: string, stopwatch: Stopwatch) {
    this.#peer = peer;
    this.#resource = resource;
    this.#stopwatch = stopwatch;
  }

  /** @param times how often it wants the lock */
  async run(times = Number.POSITIVE_INFINITY): Promise<void> {
    for (let time = 0; time < times && !this.#stopped; time += 1) {
      const askedAtMs = this.#stopwatch.ms;
      this.#waitingSinceMs = askedAtMs;
      const release = await this.#acquire();
      const acquiredAtMs = this.#stopwatch.ms;
      if (this.#stopped || release === undefined) return;
      this.#waitingSinceMs = undefined;
      this.#holdingSince = { askedAtMs, acquiredAtMs };
      await delay(HOLD_MS);
      if (this.#stopped) return;
      this.#holdingSince = undefined;
      this.#holds.push({ askedAtMs, acquiredAtMs, releasedAtMs: this.#stopwatch.ms });
      // A release may say that it failed: the next acquire shows what that costs.
      await release().catch(() => undefined);
    }
  }

  /** From now on nothing counts, whatever it still does. */
  stop(): ContenderReport {
    this.#stopped = true;
    const held = this.#holdingSince;
    const last = held === undefined ? [] : [{ ...held, releasedAtMs: this.#stopwatch.ms }];
    return {
      holds: [...this.#holds, ...last],
      waitingSinceMs: this.#waitingSinceMs,
      failures: this.#failures,
    };
  }

  async #acquire(): Promise<Release | undefined> {
    while (!this.#stopped) {
      try {
        return await this.#peer.acquire(this.#resource);
      } catch {
        this.#failures += 1;
        // What rejects without asking a server must not keep the end of the run from coming.
        await nextTurn();
      }
    }
    return undefined;
  }
}
