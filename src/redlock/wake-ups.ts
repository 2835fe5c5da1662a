import type { Clock, Timer } from '../base/clock.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { majorityOf } from '../quorum/tally.ts';
import type { Subscription } from '../wire/client.ts';

/** Nodes that do not confirm the subscription within this many milliseconds are not waited for. */
const OPENING_MS = 100;

/** Subscriptions that nobody has needed for this many milliseconds are ended. */
const IDLE_MS = 10_000;

/** Hears the nodes, on behalf of one resource that this process waits for. */
export interface Called {
  /** A node says that the lock is this process's to take. Only a hint: it may come twice, late, or from anybody. */
  called(node: number): void;
  /** Some nodes could not be heard for a while. */
  missed(): void;
}

/** The subscriptions are being made. */
interface Opening {
  readonly done: Promise<void>;
  /** Sees whether it is done. */
  look(): void;
  finish(): void;
}

/** A name that nodes may call. */
export interface Callable {
  /** The name in the nodes' queues. */
  readonly member: string;
  /** Is called no more. */
  end(): void;
}

/**
 * The nodes' calls to this process: one channel and one subscription a node, however many resources are waited for. It
 * is made when somebody first waits, and ended when nobody has for a while. A call only shortens a wait: it never votes.
 */
export class WakeUps {
  readonly #quorum: Quorum;
  readonly #clock: Clock;
  readonly #process: string;
  readonly #callees = new Map<string, Called>();
  #count = 0;
  #subscription: Subscription | undefined;
  #opening: Opening | undefined;
  #idle: Timer | undefined;
  #heardBefore = 0;
  #isClosed = false;

  /** @param process names this process in the nodes' queues; as no other process is named */
  constructor(quorum: Quorum, clock: Clock, process: string) {
    this.#quorum = quorum;
    this.#clock = clock;
    this.#process = process;
  }

  /** Whether enough nodes can be heard for a majority to call. */
  get isOpen(): boolean {
    return this.#subscription !== undefined && this.#quorum.hearing.heard >= majorityOf(this.#quorum.size);
  }

  /** For how many resources this process waits. */
  get sleepers(): number {
    return this.#callees.size;
  }

  /**
   * Lets nodes call. Everybody who waits enlists, and ends it afterwards.
   *
   * @param isSharing whether it waits for a share, which is had together with others; its name says so to the nodes
   */
  enlist(callee: Called, isSharing: boolean): Callable {
    this.#idle?.cancel();
    this.#count += 1;
    const name = `${isSharing ? '+' : ''}${this.#count.toString(36)}`;
    this.#callees.set(name, callee);
    return {
      member: `${this.#process}.${name}`,
      end: () => {
        this.#callees.delete(name);
        if (this.#callees.size === 0) this.#rest();
      },
    };
  }

  /** Subscribes if that was not done. Resolves when all nodes that vote are heard, or have had time enough. */
  open(): Promise<void> {
    if (this.#opening !== undefined) return this.#opening.done;
    if (this.#subscription !== undefined || this.#isClosed) return Promise.resolve();
    this.#opening = this.#begin();
    this.#heardBefore = 0;
    this.#subscription = this.#quorum.listen(
      `quorlock:wake:${this.#process}`,
      (node, name) => this.#callees.get(name)?.called(node),
      () => this.#changed(),
    );
    const { done, look } = this.#opening;
    look();
    // Whoever it was made for may be served in the process, and never enlist.
    void done.then(() => {
      if (this.#callees.size === 0) this.#rest();
    });
    return done;
  }

  /** Ends it for good. */
  close(): void {
    this.#isClosed = true;
    this.#opening?.finish();
    this.#idle?.cancel();
    this.#subscription?.close();
    this.#subscription = undefined;
    this.#callees.clear();
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
    // What a node said while it could not be heard is lost.
    if (wasBetter) for (const callee of this.#callees.values()) callee.missed();
  }

  #rest(): void {
    this.#idle?.cancel();
    if (this.#isClosed) return;
    const end = () => {
      this.#subscription?.close();
      this.#subscription = undefined;
    };
    this.#idle = this.#clock.after(IDLE_MS, end, { keepAlive: false });
  }
}
