import type { NodeVote } from '../base/vote.ts';
import { majorityOf } from '../quorum/tally.ts';

/** The nodes that have called a waiter since it last asked, and those that it knows to be of no use to it. */
export class Calls {
  readonly #majority: number;
  #called: Set<number> | undefined;
  /** Nodes at which somebody else held the lock, when last heard of. */
  #refusing: Set<number> | undefined;

  constructor(nodeCount: number) {
    this.#majority = majorityOf(nodeCount);
  }

  /** It asks again: what nodes said before is of no use any more. */
  forget(): void {
    this.#called = undefined;
  }

  /** A node has called. */
  hear(node: number): void {
    this.#called ??= new Set();
    this.#called.add(node);
    this.#refusing?.delete(node);
  }

  /** It was refused by some nodes. Those that have called since then have changed their mind. */
  refused(votes: readonly NodeVote[]): void {
    const refusing = new Set<number>();
    votes.forEach(({ outcome }, node) => {
      if (outcome === 'held' && this.#called?.has(node) !== true) refusing.add(node);
    });
    this.#refusing = refusing;
  }

  /** Whether a majority has called. */
  get areEnough(): boolean {
    return this.#called !== undefined && this.#called.size >= this.#majority;
  }

  /** Whether it may be that no majority has called anybody. */
  get maySplit(): boolean {
    return (this.#refusing?.size ?? 0) < this.#majority;
  }
}
