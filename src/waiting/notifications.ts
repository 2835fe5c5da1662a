/*
 * A sleeping waiter has to hear that a lock is free. The naive answer is a channel for each lock. Then a process that
 * waits for a thousand locks subscribes a thousand times on each node. And every waiter of a lock wakes up at once.
 * So a process has one channel, and a node notifies one waiter by its name.
 */

import type { Clock, Timer } from '../base/clock.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/round.ts';
import type { Subscription } from '../wire/client.ts';

/** A node has this many milliseconds to confirm the subscription; then waiters do not wait for it any longer. */
const OPENING_MS = 100;

/** Subscriptions that no wait queue has needed for this many milliseconds are ended. */
const IDLE_MS = 10_000;

/** The waiter's name, and the slot if it is for a permit; see `wire/lua/queue.lua`. */
const MESSAGE = /^([^:]*)(?::(\d{1,3}))?$/;

/** Takes the notifications for one wait queue. */
export interface Notified {
  /**
   * A node says that the lock is this queue's to take. Only a hint: it may come twice, late, or from any client.
   *
   * @param slot of a semaphore: which slot
   */
  notified(node: number, slot: number | undefined): void;
  /** Notifications of some nodes may have been lost for a while. */
  missed(): void;
}

/** Subscriptions that are being made. */
interface Opening {
  readonly done: Promise<void>;
  /** Looks whether it is done. */
  look(): void;
  finish(): void;
}

/** A wait queue that nodes can notify. */
export interface Registration {
  /** Its name in the nodes' queues. */
  readonly member: string;
  /** Ends it: no notification reaches the wait queue any more. */
  end(): void;
}

/**
 * The nodes' notifications to this process: one channel and one subscription a node, however many wait queues there
 * are. The first wait makes it, and it ends when there has been none for a while. A notification only shortens a wait:
 * it never votes.
 */
export class Notifications {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #process: string;
  readonly #registered = new Map<string, Notified>();
  #count = 0;
  #subscription: Subscription | undefined;
  #opening: Opening | undefined;
  #idle: Timer | undefined;
  #heardBefore = 0;
  readonly #closing: AbortSignal;

  /** @param process names this process in the nodes' queues; no other process has this name */
  constructor(quorum: Quorum, clock: Clock, process: string, closing: AbortSignal) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#process = process;
    this.#closing = closing;
  }

  /** Whether enough subscriptions are open for a majority to notify. */
  get isOpen(): boolean {
    return this.#subscription !== undefined && this.#quorum.hearing.heard >= majorityOf(this.#quorum.size);
  }

  /** How many wait queues of this process nodes can notify. */
  get size(): number {
    return this.#registered.size;
  }

  /**
   * Lets nodes notify a wait queue, until the registration ends.
   *
   * Its name says to the nodes what they need to know of it.
   *
   * @param isSharing whether it waits for a share, which others may hold as well
   * @param permits of a semaphore: how many slots it knows of
   */
  register(queue: Notified, isSharing: boolean, permits: number | undefined): Registration {
    this.#idle?.cancel();
    this.#count += 1;
    const slots = permits === undefined ? '' : `/${permits}`;
    const name = `${isSharing ? '+' : ''}${this.#count.toString(36)}${slots}`;
    this.#registered.set(name, queue);
    return {
      member: `${this.#process}.${name}`,
      end: () => {
        this.#registered.delete(name);
        if (this.#registered.size === 0) this.#rest();
      },
    };
  }

  /** Subscribes, unless that was done. Resolves when all nodes that vote have confirmed, or have had time enough. */
  open(): Promise<void> {
    if (this.#opening !== undefined) return this.#opening.done;
    if (this.#subscription !== undefined || this.#closing.aborted) return Promise.resolve();
    this.#opening = this.#begin();
    this.#heardBefore = 0;
    this.#subscription = this.#quorum.listen(
      `quorlock:wake:${this.#process}`,
      (node, message) => {
        const [, name = '', slot] = MESSAGE.exec(message) ?? [];
        this.#registered.get(name)?.notified(node, slot === undefined ? undefined : Number(slot));
      },
      () => this.#changed(),
    );
    const { done, look } = this.#opening;
    look();
    // The wait queue that it was made for may get its lock in this process, and never register.
    void done.then(() => {
      if (this.#registered.size === 0) this.#rest();
    });
    return done;
  }

  /** Ends it for good. */
  close(): void {
    this.#opening?.finish();
    this.#idle?.cancel();
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#registered.clear();
  }

  #begin(): Opening {
    let finish = () => {};
    const done = new Promise<void>((resolve) => {
      finish = () => {
        timer.cancel();
        this.#opening = undefined;
        resolve();
      };
    });
    const timer = this.#clock.after(OPENING_MS, finish);
    const look = () => {
      if (this.#quorum.hearing.unheard === 0) finish();
    };
    return { done, look, finish };
  }

  #changed(): void {
    const { heard } = this.#quorum.hearing;
    const wasBetter = heard > this.#heardBefore && this.#opening === undefined;
    this.#heardBefore = heard;
    this.#opening?.look();
    // A notification that was published meanwhile is lost.
    if (wasBetter) for (const queue of this.#registered.values()) queue.missed();
  }

  #rest(): void {
    this.#idle?.cancel();
    if (this.#closing.aborted) return;
    const end = () => {
      this.#subscription?.close();
      this.#subscription = undefined;
    };
    this.#idle = this.#clock.after(IDLE_MS, end, { keepAlive: false });
  }
}
