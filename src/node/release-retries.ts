import type { Timer } from '../base/clock.ts';
import { isTaking, type Leave, type Operation, type Release, weightOf } from '../wire/operation.ts';
import type { NodeSettings } from './node-settings.ts';

/** An operation without hurry is sent by itself after this many milliseconds, … */
const LATER_MS = 250;

/** … or when this number of them waits. */
const MOST_LATER = 32;

/** The pause before a release that the node refused is sent again; the next pause is twice as long, … */
const SHORTEST_PAUSE_MS = 50;

/** … and none is longer than this. */
const LONGEST_PAUSE_MS = 2_000;

/** Retries kept for one node. The oldest are dropped for new ones; their keys expire by themselves. */
const MOST_RETRIES = 10_000;

/** The number dropped at a time: to find the oldest one takes as long as to find a thousand. */
const DROPPED_AT_ONCE = 1_000;

/** Why a release was not done. `refused`: the server answered with an error. `lost`: no answer came. */
export type Setback = 'refused' | 'lost';

/** A release that its node has not confirmed. It is due, in its pause, or else on its way. */
interface Retry {
  readonly release: Release;
  /** Monotonic milliseconds after which the keys have expired by themselves. */
  readonly untilMs: number;
  /** How often the node has refused it. */
  refusals: number;
  pause: Timer | undefined;
}

/**
 * The releases of one node that no caller waits for. Some go along with the next call; others are sent again until
 * the node has confirmed them.
 *
 * A retry ends with the node's answer, or when the keys must have expired. Until then the node is asked again. If it
 * could not be asked, its next sign of life is the occasion; if it refused, a pause that grows comes before.
 */
export class ReleaseRetries {
  readonly #settings: NodeSettings;
  readonly #enqueue: (operation: Release | Leave) => Promise<void>;
  readonly #room: () => number;
  /** By their lock values, the oldest first. */
  readonly #retries = new Map<string, Retry>();
  readonly #due = new Set<Retry>();
  readonly #putOff: (Release | Leave)[] = [];
  #putOffTimer: Timer | undefined;

  /**
   * @param enqueue has the node do an operation; resolves when that has been answered, or never will be
   * @param room the weight of what the node may have: a release that finds no room would be tried in vain. Not positive
   *   while the node can't be asked
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
    if (retry !== undefined) this.#endWait(retry);
  }

  /** The node has done it. */
  confirmed({ value }: Release): void {
    const retry = this.#retries.get(value);
    if (retry !== undefined) this.#drop(retry);
  }

  /** The node has not done it, as far as is known, and it is not on its way any more. */
  failed(release: Release, setback: Setback): void {
    const retry = this.#retries.get(release.value) ?? this.#add(release);
    if (this.#due.has(retry) || retry.pause !== undefined) return;
    if (setback === 'lost') {
      this.#due.add(retry);
      return;
    }
    const pauseMs = Math.min(SHORTEST_PAUSE_MS * 2 ** retry.refusals, LONGEST_PAUSE_MS);
    const again = () => {
      retry.pause = undefined;
      this.#due.add(retry);
      this.askAgain();
    };
    retry.refusals += 1;
    retry.pause = this.#settings.clock.after(pauseMs, again, { keepAlive: false });
  }

  /**
   * Puts off an operation without hurry: it goes along with the next call, or by itself within a quarter of a second.
   * It is the end of a wait for a lock that the caller holds, or the release of a key that the node has just refused.
   * Only a command that a driver sent twice could have taken that key since.
   */
  putOff(operation: Release | Leave): void {
    this.#putOff.push(operation);
    const send = () => void this.sendPutOff();
    if (this.#putOff.length >= MOST_LATER) send();
    else this.#putOffTimer ??= this.#settings.clock.after(LATER_MS, send, { keepAlive: false });
  }

  /** Sends what was put off, if anything. Resolves when all of it has been answered, or never will be. */
  sendPutOff(): Promise<unknown> | undefined {
    if (this.#putOff.length === 0) return undefined;
    this.#putOffTimer?.cancel();
    this.#putOffTimer = undefined;
    return Promise.all(this.#putOff.splice(0).map((operation) => this.#send(operation)));
  }

  /** The node has answered, or can be asked anew: sends the retries that are due, as far as there is room. */
  askAgain(): void {
    if (this.#due.size === 0) return;
    const now = this.#settings.clock.uptime();
    let room = this.#room();
    for (const retry of this.#due) {
      if (room <= 0) return;
      if (retry.untilMs <= now) {
        this.#drop(retry);
        continue;
      }
      room -= weightOf(retry.release);
      void this.#send(retry.release);
    }
  }

  /** Whether the lock value of an operation waits for its release. */
  owes(operation: Operation): boolean {
    return isTaking(operation) && this.#retries.has(operation.value);
  }

  close(): void {
    for (const retry of this.#retries.values()) this.#drop(retry);
    this.#putOffTimer?.cancel();
    this.#putOff.length = 0;
  }

  #send(operation: Release | Leave): Promise<void> {
    if (operation.kind === 'release') this.sent(operation);
    return this.#enqueue(operation);
  }

  #add(release: Release): Retry {
    if (this.#retries.size >= MOST_RETRIES) {
      for (const retry of [...this.#retries.values()].slice(0, DROPPED_AT_ONCE)) this.#drop(retry);
    }
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const untilMs = clock.uptime() + maxTtl * (1 + driftFactor) + nodeTimeout;
    const retry: Retry = { release, untilMs, refusals: 0, pause: undefined };
    this.#retries.set(release.value, retry);
    return retry;
  }

  #drop(retry: Retry): void {
    this.#endWait(retry);
    this.#retries.delete(retry.release.value);
  }

  #endWait(retry: Retry): void {
    this.#due.delete(retry);
    retry.pause?.cancel();
    retry.pause = undefined;
  }
}
