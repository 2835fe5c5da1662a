import type { Timer } from '../base/clock.ts';
import { isTaking, type Leave, type Operation, type Release } from '../wire/operation.ts';
import type { NodeSettings } from './node-settings.ts';

/** What can wait for other business with its node goes by itself after this many milliseconds, … */
const LATER_MS = 250;

/** … or when so many have come together. */
const MOST_LATER = 32;

/** A release that the node refused is sent again after so many milliseconds, then after twice as many, … */
const SHORTEST_PAUSE_MS = 50;

/** … and at the latest after so many. */
const LONGEST_PAUSE_MS = 2_000;

/** Debts kept for one node. The oldest are dropped for new ones; their keys expire by themselves. */
const MOST_DEBTS = 10_000;

/** So many are dropped at a time: to look for the oldest one of so many takes as long as to find a thousand. */
const DROPPED_AT_ONCE = 1_000;

const NOTHING_TO_SEND = Promise.resolve();

/** Why a release was not done. `refused`: the server answered with an error. `lost`: it did not get there, or no answer came. */
export type Setback = 'refused' | 'lost';

/** A release that its node has not done. */
interface Debt {
  readonly release: Release;
  /** Monotonic milliseconds after which the keys have expired by themselves. */
  readonly untilMs: number;
  /** Monotonic milliseconds before which the node is not asked again. */
  dueAtMs: number;
  /** How often the node has refused it. */
  refusals: number;
  /** Sent again, and neither confirmed nor failed yet. */
  inFlight: boolean;
}

/**
 * What is given back at one node: at once, along with the next call, or again because the node owes it.
 *
 * A node *owes* a release that it has not done, as far as is known. The debt is paid by its answer, and lapses when the keys must
 * have expired. Until then the node is asked again: as soon as it is heard of, where it could not be asked; after a pause
 * that grows, by a timer, where it refused.
 */
export class ReleaseRetries {
  readonly #settings: NodeSettings;
  readonly #enqueue: (operation: Release | Leave) => Promise<void>;
  readonly #room: () => number;
  readonly #debts = new Map<string, Debt>();
  /** How many debts are not being asked for. */
  #idle = 0;
  /** No debt that is idle is due before this. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #retry: { readonly atMs: number; readonly timer: Timer } | undefined;
  readonly #later: (Release | Leave)[] = [];
  #laterTimer: Timer | undefined;

  /**
   * @param post has the node do something; resolves when that has been answered, or never will be
   * @param room how many operations the node can be asked for: a release that finds no room would be tried in vain. 0 while
   * the node can't be asked
   */
  constructor(
    settings: NodeSettings,
    enqueue: (operation: Release | Leave) => Promise<void>,
    room: () => number,
  ) {
    this.#settings = settings;
    this.#enqueue = enqueue;
    this.#room = room;
  }

  /** A release is being sent. */
  sent({ value }: Release): void {
    const debt = this.#debts.get(value);
    if (debt === undefined || debt.inFlight) return;
    this.#idle -= 1;
    debt.inFlight = true;
  }

  /** The node has done it. */
  confirmed({ value }: Release): void {
    const debt = this.#debts.get(value);
    if (debt !== undefined) this.#drop(debt);
  }

  /** The node has not done it, as far as is known, and it is not on its way any more. */
  failed(release: Release, setback: Setback): void {
    let debt = this.#debts.get(release.value);
    if (debt === undefined) debt = this.#add(release);
    else if (!debt.inFlight) return;
    debt.inFlight = false;
    this.#idle += 1;
    debt.dueAtMs = this.#settings.clock.uptime();
    if (setback === 'refused') {
      debt.dueAtMs += Math.min(SHORTEST_PAUSE_MS * 2 ** debt.refusals, LONGEST_PAUSE_MS);
      debt.refusals += 1;
      this.#retryAt(debt.dueAtMs);
    }
    this.#dueAtMs = Math.min(this.#dueAtMs, debt.dueAtMs);
  }

  /**
   * What there is no hurry for goes along with the next call, or by itself within a quarter of a second: the release of
   * what the node has just said it did not grant (only a command that a driver sent twice could have taken the key
   * since), or the end of a wait for what is held.
   */
  later(operation: Release | Leave): void {
    this.#later.push(operation);
    if (this.#later.length >= MOST_LATER) {
      void this.sendLater();
      return;
    }
    const { clock } = this.#settings;
    this.#laterTimer ??= clock.after(LATER_MS, () => void this.sendLater(), { keepAlive: false });
  }

  /** Posts what was put off. Resolves when all of it has been answered, or never will be. */
  sendLater(): Promise<unknown> {
    if (this.#later.length === 0) return NOTHING_TO_SEND;
    this.#laterTimer?.cancel();
    this.#laterTimer = undefined;
    const posted = this.#later.splice(0).map((operation) => {
      if (operation.kind === 'release') this.sent(operation);
      return this.#enqueue(operation);
    });
    return Promise.all(posted);
  }

  /** The node can be asked: posts what it owes, is not being asked for, and is due. */
  askAgain(): void {
    if (this.#idle === 0) return;
    const now = this.#settings.clock.uptime();
    const room = this.#room();
    // Whatever makes room calls this again.
    if (room === 0) return;
    if (now >= this.#dueAtMs) for (const release of this.#takeDue(now, room)) void this.#enqueue(release);
    if (this.#idle > 0) this.#retryAt(Math.max(this.#dueAtMs, now + SHORTEST_PAUSE_MS));
  }

  /** Whether a release is owed of what an operation takes. */
  owes(operation: Operation): boolean {
    return isTaking(operation) && this.#debts.has(operation.value);
  }

  close(): void {
    this.#cancelRetry();
    this.#laterTimer?.cancel();
    this.#later.length = 0;
    this.#debts.clear();
    this.#idle = 0;
  }

  /** Takes no more than so many debts to ask for again. Those whose keys have expired lapse. */
  #takeDue(now: number, most: number): readonly Release[] {
    const due: Release[] = [];
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const debt of this.#debts.values()) {
      if (debt.inFlight) continue;
      if (debt.untilMs <= now) {
        this.#drop(debt);
      } else if (debt.dueAtMs <= now && due.length < most) {
        debt.inFlight = true;
        this.#idle -= 1;
        due.push(debt.release);
      } else {
        nextAtMs = Math.min(nextAtMs, debt.dueAtMs);
      }
    }
    this.#dueAtMs = nextAtMs;
    return due;
  }

  #retryAt(atMs: number): void {
    if (this.#retry !== undefined && this.#retry.atMs <= atMs) return;
    this.#cancelRetry();
    const { clock } = this.#settings;
    const again = () => {
      this.#retry = undefined;
      this.askAgain();
    };
    const inMs = Math.max(0, atMs - clock.uptime());
    this.#retry = { atMs, timer: clock.after(inMs, again, { keepAlive: false }) };
  }

  #cancelRetry(): void {
    this.#retry?.timer.cancel();
    this.#retry = undefined;
  }

  #add(release: Release): Debt {
    if (this.#debts.size >= MOST_DEBTS) this.#dropOldest();
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const untilMs = clock.uptime() + maxTtl * (1 + driftFactor) + nodeTimeout;
    const debt = { release, untilMs, dueAtMs: 0, refusals: 0, inFlight: true };
    this.#debts.set(release.value, debt);
    return debt;
  }

  #drop(debt: Debt): void {
    if (!debt.inFlight) this.#idle -= 1;
    this.#debts.delete(debt.release.value);
    if (this.#idle === 0) this.#cancelRetry();
  }

  #dropOldest(): void {
    let left = DROPPED_AT_ONCE;
    for (const debt of this.#debts.values()) {
      if (left === 0) return;
      this.#drop(debt);
      left -= 1;
    }
  }
}
