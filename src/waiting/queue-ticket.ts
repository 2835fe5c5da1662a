import type { Attempt } from '../lock/attempts.ts';
import type { Waiter as QueuedWaiter } from '../wire/operation.ts';
import type { Registration } from './notifications.ts';

/** Takes a waiter out of these nodes' queues. */
export type Leave = (member: string, nodes: ReadonlySet<number>) => void;

/** A wait queue's ticket in the nodes' queues: the name by which they notify it, and where it may be waiting. */
export class QueueTicket {
  readonly #registration: Registration;
  readonly #nodes = new Set<number>();

  constructor(registration: Registration) {
    this.#registration = registration;
  }

  get member(): string {
    return this.#registration.member;
  }

  /** Whether some node may have it in its queue. */
  get isQueued(): boolean {
    return this.#nodes.size > 0;
  }

  /**
   * Notes an attempt. A node that refuses a waiter has it in its queue. A node that grants has not, unless it refuses
   * another attempt that is under way.
   */
  asked({ outcome, votes }: Attempt, waiter: QueuedWaiter | undefined, isAskingMore: boolean): void {
    votes.forEach((vote, node) => {
      if (outcome === 'acquired' && vote.outcome === 'granted' && !isAskingMore) this.#nodes.delete(node);
      else if (waiter !== undefined) this.#nodes.add(node);
    });
  }

  /** No caller waits any more. */
  end(leave: Leave): void {
    if (this.#nodes.size > 0) leave(this.member, this.#nodes);
    this.#registration.end();
  }
}
