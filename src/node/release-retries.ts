/*
 * A release may not reach a node, or fail there. The naive answers are to give up, which leaves the key for its ttl,
 * or to make the caller wait. So the caller goes on. The release is sent again in the background, until the node
 * confirms it or the key has expired by itself.
 */

import type { Timer } from '../base/clock.ts';
import { type Owed, weightOf } from '../wire/operation.ts';
import type { NodeSettings } from './node-settings.ts';

/** An operation without hurry is sent by itself after this many milliseconds, … */
const LATER_MS = 250;

/** … or when this number of them waits. */
const MOST_LATER = 32;

/** The pause before an operation that the node refused is sent again; the next pause is twice as long, … */
const SHORTEST_PAUSE_MS = 50;

/** … and none is longer than this. */
const LONGEST_PAUSE_MS = 2_000;

/** Retries kept for one node. The oldest are dropped for new ones; their keys expire by themselves. */
const MOST_RETRIES = 10_000;

/** The number dropped at a time: to find the oldest one takes as long as to find a thousand. */
const DROPPED_AT_ONCE = 1_000;

/** Why an operation was not done. `refused`: the server answered with an error. `lost`: no answer came. */
export type Setback = 'refused' | 'lost';

/** An operation that its node has not confirmed. It is due, in its pause, or else on its way. */
interface Retry {
  readonly operation: Owed;
  /** Monotonic milliseconds after which the keys have expired by themselves. */
  readonly untilMs: number;
  refusals: number;
  pause: Timer | undefined;
}

/**
 * The releases of one node that no caller waits for, and the ends of waits. Some go along with the next call. Others
 * are sent again until the node has answered, or the keys must have expired. That is with the node's next sign of
 * life if it could not be asked, and after a pause that grows if it refused.
 */
export class ReleaseRetries {
  readonly #settings: NodeSettings;
  readonly #enqueue: (operation: Owed) => Promise<void>;
  readonly #room: () => number;
  /** By {@link nameOf}, the oldest first. */
  readonly #retries = new Map<string, Retry>();
  readonly #due = new Set<Retry>();
  readonly #putOff: Owed[] = [];
  #putOffTimer: Timer | undefined;
  /** Whether nothing is put off or waits for a confirmation: a field, since every operation of the node asks for it. */
  isIdle = true;

  /**
   * @param enqueue has the node do an operation; resolves when that has been answered, or never will be
   * @param room the weight of what the node may have now; not positive while it can't be asked
   */
  constructor(settings: NodeSettings, enqueue: (operation: Owed) => Promise<void>, room: () => number) {
    this.#settings = settings;
    this.#enqueue = enqueue;
    this.#room = room;
  }

  sent(operation: Owed): void {
    const retry = this.#retries.get(nameOf(operation));
    if (retry !== undefined) this.#endWait(retry);
  }

  confirmed(operation: Owed): void {
    const retry = this.#retries.get(nameOf(operation));
    if (retry !== undefined) this.#drop(retry);
  }

  /** The node has not done it, as far as is known, and it is not on its way any more. */
  failed(operation: Owed, setback: Setback): void {
    // A waiter that another process took for hung may be in the queue again by the time it would be sent.
    if (operation.kind === 'leave' && operation.isHung === true) return;
    const retry = this.#retries.get(nameOf(operation)) ?? this.#add(operation);
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
   * Puts off an operation without hurry. It ends a wait for a lock that the caller holds, or releases a key that the
   * node has just refused. It goes along with the next call, or by itself within a quarter of a second.
   */
  putOff(operation: Owed): void {
    this.#putOff.push(operation);
    this.isIdle = false;
    const send = () => void this.sendPutOff();
    if (this.#putOff.length >= MOST_LATER) send();
    else this.#putOffTimer ??= this.#settings.clock.after(LATER_MS, send, { keepAlive: false });
  }

  /** Sends what was put off, if anything. Resolves when all of it has been answered, or never will be. */
  sendPutOff(): Promise<unknown> | undefined {
    if (this.#putOff.length === 0) return undefined;
    this.#putOffTimer?.cancel();
    this.#putOffTimer = undefined;
    const operations = this.#putOff.splice(0);
    this.isIdle = this.#retries.size === 0;
    return Promise.all(operations.map((operation) => this.#send(operation)));
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
      room -= weightOf(retry.operation);
      void this.#send(retry.operation);
    }
  }

  close(): void {
    for (const retry of this.#retries.values()) this.#drop(retry);
    this.#putOffTimer?.cancel();
    this.#putOff.length = 0;
    this.isIdle = true;
  }

  #send(operation: Owed): Promise<void> {
    this.sent(operation);
    return this.#enqueue(operation);
  }

  #add(operation: Owed): Retry {
    if (this.#retries.size >= MOST_RETRIES) {
      for (const retry of [...this.#retries.values()].slice(0, DROPPED_AT_ONCE)) this.#drop(retry);
    }
    const { clock, maxTtl, driftFactor, nodeTimeout } = this.#settings;
    const untilMs = clock.uptime() + maxTtl * (1 + driftFactor) + nodeTimeout;
    const retry: Retry = { operation, untilMs, refusals: 0, pause: undefined };
    this.#retries.set(nameOf(operation), retry);
    this.isIdle = false;
    return retry;
  }

  #drop(retry: Retry): void {
    this.#endWait(retry);
    this.#retries.delete(nameOf(retry.operation));
    this.isIdle = this.#retries.size === 0 && this.#putOff.length === 0;
  }

  #endWait(retry: Retry): void {
    this.#due.delete(retry);
    retry.pause?.cancel();
    retry.pause = undefined;
  }
}

/** A lock value, or the name of a waiter, of which there is only one in a process too. */
function nameOf(operation: Owed): string {
  return operation.kind === 'release' ? operation.value : `~${operation.member}`;
}
