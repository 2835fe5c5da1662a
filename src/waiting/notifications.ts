/*
 * A sleeping waiter has to hear that a lock is free. The naive answer is a channel for each lock. Then a process that
 * waits for a thousand locks subscribes a thousand times on each node. And every waiter of a lock wakes up at once.
 * So a process has one channel, and a node notifies one waiter by its name.
 */

import type { Clock, Timer } from '../base/clock.ts';
import type { Attempt } from '../lock/attempts.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/round.ts';
import type { Subscription } from '../wire/client.ts';
import type { Waiter } from '../wire/operation.ts';

/** A node has this many milliseconds to confirm the subscription; then waiters do not wait for it any longer. */
const OPENING_MS = 100;

/** Subscriptions that no wait queue has needed for this many milliseconds are ended. */
const IDLE_MS = 10_000;

/** The waiter's name, and the slot if it is for a permit; see `wire/lua/queue.lua`. */
const MESSAGE = /^([^:]*)(?::(\d{1,3}))?$/;

/** Takes the notifications for one wait queue. */
export interface Notified {
  /**
   * A node says that the lock, or this slot, is the queue's to take. Only a hint: it may come twice, late, or from
   * any client.
   */
  notified(node: number, slot: number | undefined): void;
  /** Notifications of some nodes may have been lost for a while. */
  missed(): void;
}

interface Opening {
  readonly done: Promise<void>;
  look(): void;
  finish(): void;
}

/** Takes a waiter out of these nodes' queues. */
export type Leave = (member: string, nodes: ReadonlySet<number>) => void;

/** A wait queue's ticket in the nodes' queues: the name by which they notify it, and where it may be waiting. */
export class QueueTicket {
  readonly member: string;
  readonly #unregister: () => void;
  readonly #nodes = new Set<number>();

  constructor(member: string, unregister: () => void) {
    this.member = member;
    this.#unregister = unregister;
  }

  get isQueued(): boolean {
    return this.#nodes.size > 0;
  }

  /**
   * Notes an attempt. A node that refuses a waiter has it in its queue. A node that grants has not, unless it refuses
   * another attempt that is under way.
   */
  asked({ outcome, votes }: Attempt, waiter: Waiter | undefined, isAskingMore: boolean): void {
    votes.forEach((vote, node) => {
      if (outcome === 'acquired' && vote.outcome === 'granted' && !isAskingMore) this.#nodes.delete(node);
      else if (waiter !== undefined) this.#nodes.add(node);
    });
  }

  end(leave: Leave): void {
    if (this.#nodes.size > 0) leave(this.member, this.#nodes);
    this.#unregister();
  }
}

/**
 * The nodes' notifications to this process. The first wait subscribes, and the subscriptions end when there has been
 * none for a while.
 */
export class Notifications {
  readonly #quorum: Pick<Quorum, 'size' | 'hearing' | 'listen'>;
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
  constructor(
    quorum: Pick<Quorum, 'size' | 'hearing' | 'listen'>,
    clock: Clock,
    process: string,
    closing: AbortSignal,
  ) {
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
   * Lets nodes notify a wait queue, until its ticket ends. Its name tells them whether it waits for a share, or how
   * many slots of a semaphore it knows of.
   */
  register(queue: Notified, isSharing: boolean, permits: number | undefined): QueueTicket {
    this.#idle?.cancel();
    this.#count += 1;
    const slots = permits === undefined ? '' : `/${permits}`;
    const name = `${isSharing ? '+' : ''}${this.#count.toString(36)}${slots}`;
    this.#registered.set(name, queue);
    return new QueueTicket(`${this.#process}.${name}`, () => {
      this.#registered.delete(name);
      if (this.#registered.size === 0) this.#rest();
    });
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

  close(): void {
    this.#opening?.finish();
    this.#idle?.cancel();
    this.#end();
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
    this.#idle = this.#clock.after(IDLE_MS, () => this.#end(), { keepAlive: false });
  }

  #end(): void {
    this.#subscription?.close();
    this.#subscription = undefined;
  }
}
