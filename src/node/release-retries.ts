import type { Timer } from '../base/clock.ts';
import { isTaking, type Leave, type Operation, type Release } from '../wire/operation.ts';
import type { NodeSettings } from './node-settings.ts';

/** An operation without hurry is sent by itself after this many milliseconds, … */
const LATER_MS = 250;

/** … or when there are so many. */
const MOST_LATER = 32;

/** A release that the node refused is sent again after so many milliseconds, then after twice as many, … */
const SHORTEST_PAUSE_MS = 50;

/** … and at the latest after so many. */
const LONGEST_PAUSE_MS = 2_000;

/** Retries kept for one node. The oldest are dropped for new ones; their keys expire by themselves. */
const MOST_RETRIES = 10_000;

/** The number dropped at a time: to find the oldest one takes as long as to find a thousand. */
const DROPPED_AT_ONCE = 1_000;

const NOTHING_TO_SEND = Promise.resolve();

/** Why a release was not done. `refused`: the server answered with an error. `lost`: no answer came. */
export type Setback = 'refused' | 'lost';

/** A release that its node has not confirmed. */
interface Retry {
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
 * The releases of one node that no caller waits for: those that go along with the next call, and those that are sent
 * again until the node has confirmed them.
 *
 * A retry ends with the node's answer, or when the keys must have expired. Until then the node is asked again: with its
 * next sign of life, where it could not be asked; after a pause that grows, by a timer, where it refused.
 */
export class ReleaseRetries {
  readonly #settings: NodeSettings;
  readonly #enqueue: (operation: Release | Leave) => Promise<void>;
  readonly #room: () => number;
  readonly #retries = new Map<string, Retry>();
  /** How many retries are not in flight. */
  #idle = 0;
  /** No retry that is idle is due before this. */
  #dueAtMs = Number.POSITIVE_INFINITY;
  #retry: { readonly atMs: number; readonly timer: Timer } | undefined;
  readonly #later: (Release | Leave)[] = [];
  #laterTimer: Timer | undefined;

  /**
   * @param enqueue has the node do an operation; resolves when that has been answered, or never will be
   * @param room how many operations the node may have: a release that finds no room would be tried in vain. 0 while the
   *   node can't be asked
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
    const retry = this.#retries.get(value);
    if (retry === undefined || retry.inFlight) return;
    this.#idle -= 1;
    retry.inFlight = true;
  }

  /** The node has done it. */
  confirmed({ value }: Release): void {
    const retry = this.#retries.get(value);
    if (retry !== undefined) this.#drop(retry);
  }

  /** The node has not done it, as far as is known, and it is not on its way any more. */
  failed(release: Release, setback: Setback): void {
    let retry = this.#retries.get(release.value);
    if (retry === undefined) retry = this.#add(release);
    else if (!retry.inFlight) return;
    retry.inFlight = false;
    this.#idle += 1;
    retry.dueAtMs = this.#settings.clock.uptime();
    if (setback === 'refused') {
      retry.dueAtMs += Math.min(SHORTEST_PAUSE_MS * 2 ** retry.refusals, LONGEST_PAUSE_MS);
      retry.refusals += 1;
      this.#retryAt(retry.dueAtMs);
    }
    this.#dueAtMs = Math.min(this.#dueAtMs, retry.dueAtMs);
  }

  /**
   * Puts off an operation without hurry: it goes along with the next call, or by itself within a quarter of a second.
   * It is the release of a key that the node has just said it did not grant (only a command that a driver sent twice
   * could have taken the key since), or the end of a wait for a lock that the caller holds.
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

  /** Sends what was put off. Resolves when all of it has been answered, or never will be. */
  sendLater(): Promise<unknown> {
    if (this.#later.length === 0) return NOTHING_TO_SEND;
    this.#laterTimer?.cancel();
    this.#laterTimer = undefined;
    const sent = this.#later.splice(0).map((operation) => {
      if (operation.kind === 'release') this.sent(operation);
      return this.#enqueue(operation);
    });
    return Promise.all(sent);
  }

  /** The node can be asked: sends the retries that are idle and due. */
  askAgain(): void {
    if (this.#idle === 0) return;
    const now = this.#settings.clock.uptime();
    const room = this.#room();
    // This is called again when there is room.
    if (room === 0) return;
    if (now >= this.#dueAtMs) for (const release of this.#takeDue(now, room)) void this.#enqueue(release);
    if (this.#idle > 0) this.#retryAt(Math.max(this.#dueAtMs, now + SHORTEST_PAUSE_MS));
  }

  /** Whether the lock value of an operation waits for its release. */
  owes(operation: Operation): boolean {
    return isTaking(operation) && this.#retries.has(operation.value);
  }

  close(): void {
    this.#cancelRetry();
    this.#laterTimer?.cancel();
    this.#later.length = 0;
    this.#retries.clear();
    this.#idle = 0;
  }

  /** Takes at most so many retries to send. Those whose keys have expired end. */
  #takeDue(now: number, most: number): readonly Release[] {
    const due: Release[] = [];
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const retry of this.#retries.values()) {
      if (retry.inFlight) continue;
      if (retry.untilMs <= now) {
        this.#drop(retry);
      } else if (retry.dueAtMs <= now && due.length < most) {
        retry.inFlight = true;
        this.#idle -= 1;
        due.push(retry.release);
      } else {
        nextAtMs = Math.min(nextAtMs, retry.dueAtMs);
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

  #add(release: Release): Retry {
    if (this.#retries.size >= MOST_RETRIES) this.#dropOldest();
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const untilMs = clock.uptime() + maxTtl * (1 + driftFactor) + nodeTimeout;
    const retry = { release, untilMs, dueAtMs: 0, refusals: 0, inFlight: true };
    this.#retries.set(release.value, retry);
    return retry;
  }

  #drop(retry: Retry): void {
    if (!retry.inFlight) this.#idle -= 1;
    this.#retries.delete(retry.release.value);
    if (this.#idle === 0) this.#cancelRetry();
  }

  #dropOldest(): void {
    let left = DROPPED_AT_ONCE;
    for (const retry of this.#retries.values()) {
      if (left === 0) return;
      this.#drop(retry);
      left -= 1;
    }
  }
}
