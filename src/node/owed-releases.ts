import type { Release } from '../wire/operation.ts';

/** A release that its node has not done. */
interface Debt {
  readonly release: Release;
  /** Monotonic milliseconds after which the keys have expired by themselves. */
  readonly untilMs: number;
  /** Sent again, and neither confirmed nor failed yet. */
  inFlight: boolean;
  triesLeft: number;
}

/** How often a release is sent to a node at the most. */
const MOST_TRIES = 4;

/** Debts kept for one node. The oldest are dropped for new ones; their keys expire by themselves. */
const MOST_DEBTS = 10_000;

/** So many are dropped at a time: to look for the oldest one of so many takes as long as to find a thousand. */
const DROPPED_AT_ONCE = 1_000;

/**
 * What one node still has to give back: locks and lost attempts whose release it has not done, as far as is known. A debt
 * is paid by the node's answer, is asked for again when the node is heard of again, and lapses with the keys' ttl.
 */
export class OwedReleases {
  readonly #debts = new Map<string, Debt>();
  #idle = 0;

  /** Whether some debt is not being asked for at the moment. */
  get hasIdle(): boolean {
    return this.#idle > 0;
  }

  has(value: string): boolean {
    return this.#debts.has(value);
  }

  /** A release is being sent. */
  sent({ value }: Release): void {
    const debt = this.#debts.get(value);
    if (debt === undefined || debt.inFlight) return;
    this.#idle -= 1;
    debt.inFlight = true;
  }

  /** The node has done the release. */
  confirmed(value: string): void {
    const debt = this.#debts.get(value);
    if (debt === undefined) return;
    if (!debt.inFlight) this.#idle -= 1;
    this.#debts.delete(value);
  }

  /**
   * The node has not done the release, as far as is known, and it is not on its way any more.
   *
   * @param untilMs monotonic time after which its keys have expired for certain
   */
  failed(release: Release, untilMs: number): void {
    const debt = this.#debts.get(release.value);
    if (debt === undefined) {
      this.#add(release, untilMs);
      return;
    }
    if (!debt.inFlight) return;
    if (debt.triesLeft === 0) {
      this.#debts.delete(release.value);
      return;
    }
    debt.inFlight = false;
    this.#idle += 1;
  }

  #add(release: Release, untilMs: number): void {
    if (this.#debts.size >= MOST_DEBTS) this.#dropOldest();
    this.#debts.set(release.value, { release, untilMs, inFlight: false, triesLeft: MOST_TRIES - 1 });
    this.#idle += 1;
  }

  #dropOldest(): void {
    let left = DROPPED_AT_ONCE;
    for (const value of this.#debts.keys()) {
      if (left === 0) return;
      this.confirmed(value);
      left -= 1;
    }
  }

  /** Takes no more than so many of the debts to ask for again. Those whose keys have expired by `nowMs` lapse. */
  takeIdle(nowMs: number, most: number): readonly Release[] {
    const idle: Release[] = [];
    for (const debt of this.#debts.values()) {
      if (idle.length >= most) break;
      if (debt.inFlight) continue;
      if (debt.untilMs <= nowMs) {
        this.confirmed(debt.release.value);
        continue;
      }
      debt.inFlight = true;
      debt.triesLeft -= 1;
      this.#idle -= 1;
      idle.push(debt.release);
    }
    return idle;
  }

  clear(): void {
    this.#debts.clear();
    this.#idle = 0;
  }
}
