import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { Lock } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';
import { type Arena, Contender } from './contender.ts';
import { HandoverWatch, hasCalled } from './handover-watch.ts';
import { WakeUps } from './wake-ups.ts';
import type { Wish } from './wish.ts';

/** What contenders need of their Redlock. */
export interface ContendersSettings {
  readonly quorum: Quorum;
  readonly clock: Clock;
  readonly random: Random;
  /** Names this process in the nodes' queues; as no other is named. */
  readonly process: string;
  /** How long a node has to answer a release, in milliseconds. */
  readonly releaseTimeout: number;
  /** Takes note of work that nobody waits for, but that close() has to. */
  background(work: Promise<unknown>): void;
}

/** The contenders of one process, one for each set of resources that somebody holds or waits for. */
export class Contenders {
  readonly #arena: Arena;
  readonly #settings: ContendersSettings;
  readonly #watch: HandoverWatch;
  readonly #contenders = new Map<string, Contender>();

  constructor(settings: ContendersSettings) {
    const { quorum, clock, random, process, releaseTimeout } = settings;
    this.#settings = settings;
    this.#watch = new HandoverWatch(quorum, clock, random, releaseTimeout);
    this.#arena = {
      clock,
      random,
      wakeUps: new WakeUps(quorum, clock, process),
      nodeCount: quorum.size,
      timeUs: (nowMs) => quorum.timeUs(nowMs),
    };
  }

  /** How many callers of this process wait for these resources. */
  waiting(resources: readonly string[]): number {
    return this.#contenders.get(nameOf(resources))?.waiting ?? 0;
  }

  /** Contends for a lock until the caller has it, its waitTime is over or its signal aborts. */
  acquire(wish: Wish, target: LockKeys): Promise<Lock> {
    const name = nameOf(wish.resources);
    let contender = this.#contenders.get(name);
    if (contender === undefined) {
      contender = new Contender(this.#arena, {
        leave: (member, nodes) => {
          const { quorum, background, releaseTimeout } = this.#settings;
          background(quorum.leave(target, member, nodes, releaseTimeout));
        },
        leaveLater: (member, nodes) => this.#settings.quorum.leaveLater(target, member, nodes),
        idle: () => this.#contenders.delete(name),
      });
      this.#contenders.set(name, contender);
    }
    return contender.acquire(wish);
  }

  /** Gives a lock back on every node; somebody who waits for it in this process may take it over. */
  giveBack(lock: Lock, target: LockKeys): Promise<BallotResult> {
    const { quorum, releaseTimeout } = this.#settings;
    const name = nameOf(lock.resources);
    const release = async () => {
      const result = await quorum.release(target, lock.value, releaseTimeout);
      if (result.votes.some(hasCalled)) {
        this.#watch.watch(name, target, lock.value, () => (this.#contenders.get(name)?.waiting ?? 0) > 0);
      }
      return result;
    };
    const contender = this.#contenders.get(name);
    return contender === undefined ? release() : contender.giveBack(lock, release);
  }

  /** A lock is held no more, and may never be given back. */
  ended(lock: Lock): void {
    this.#contenders.get(nameOf(lock.resources))?.ended(lock);
  }

  /** Ends every wait with this reason. Nodes are still told. */
  endWaits(reason: unknown): void {
    this.#watch.close();
    for (const contender of [...this.#contenders.values()]) contender.close(reason);
  }

  /** Ends what is left: nothing is heard any more. */
  close(): void {
    this.#arena.wakeUps.close();
  }
}

/** Another name for every list of resources. */
function nameOf(resources: readonly string[]): string {
  const [only = ''] = resources;
  return resources.length === 1 ? `=${only}` : JSON.stringify(resources);
}
