import type { Contention } from '../quorum/contention.ts';
import type { Waiter } from '../wire/operation.ts';
import type { Caller } from './caller.ts';
import type { Arena, Leave, Matter } from './matter.ts';
import type { Callable, Called } from './wake-ups.ts';
import type { LostAttempt, Won } from './wish.ts';

/** A contender's place in the nodes' queues: the name by which they call it, and where it may be waiting. */
export class Place {
  readonly #arena: Arena;
  readonly #matter: Matter;
  readonly #called: Called;
  #callable: Callable | undefined;
  #nodes: Set<number> | undefined;

  /** @param called hears the nodes' calls */
  constructor(arena: Arena, matter: Matter, called: Called) {
    this.#arena = arena;
    this.#matter = matter;
    this.#called = called;
  }

  /** Whether some node may have it in its queue. */
  get isTaken(): boolean {
    return this.#nodes !== undefined && this.#nodes.size > 0;
  }

  /** Asks one node whether it has it in its queue, and the lock is somebody else's. */
  async isInQueue(): Promise<boolean> {
    const member = this.#callable?.member;
    return member !== undefined && (await this.#matter.isInQueue(member));
  }

  /** What an attempt for a caller says of its place. */
  contention(caller: Caller, previous: string | undefined): Contention {
    const { wakeUps, timeUs } = this.#arena;
    this.#callable ??= wakeUps.enlist(this.#called, this.#matter.having === 'a share');
    caller.since ??= timeUs(caller.askedAtMs);
    return { waiter: { member: this.#callable.member, since: caller.since }, previous };
  }

  /** An attempt was made. A node that refuses a waiter has it in its queue, and one that grants has not. */
  asked({ outcome, votes }: Won | LostAttempt, waiter: Waiter | undefined): void {
    const member = this.#callable?.member;
    if (member === undefined) return;
    votes.forEach((vote, node) => {
      if (outcome === 'acquired' && vote.outcome === 'granted') {
        this.#nodes?.delete(node);
      } else if (waiter?.member === member) {
        this.#nodes ??= new Set();
        this.#nodes.add(node);
      }
    });
  }

  /** Nobody waits any more. */
  end(leave: Leave): void {
    const nodes = this.#nodes;
    const callable = this.#callable;
    this.#nodes = undefined;
    this.#callable = undefined;
    if (callable !== undefined && nodes !== undefined && nodes.size > 0) leave(callable.member, nodes);
    callable?.end();
  }
}
