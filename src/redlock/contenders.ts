import type { Clock } from '../base/clock.ts';
import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { Lock } from '../lock/lock.ts';
import type { BallotResult } from '../quorum/ballot.ts';
import type { Quorum } from '../quorum/quorum.ts';
import type { LockKeys } from '../wire/operation.ts';
import { Contender } from './contender.ts';
import { HandoverWatch, hasCalled } from './handover-watch.ts';
import type { Arena, Matter, Served } from './matter.ts';
import { Turn } from './turn.ts';
import { WakeUps } from './wake-ups.ts';
import type { Wish } from './wish.ts';

/** Who asks again so soon after the lock was handed on to another process comes back at once, in milliseconds. */
const AT_ONCE_MS = 1;

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

/**
 * The contenders of one process: one for each set of resources that somebody holds alone or waits for, and one for each
 * caller who waits for a share or for permits, which it would have beside others.
 */
export class Contenders {
  readonly #arena: Arena;
  readonly #settings: ContendersSettings;
  readonly #watch: HandoverWatch;
  readonly #contenders = new Map<string, Contender>();
  /** Locks that are had alone, and that nobody else of this process waits for. */
  readonly #held = new Map<string, Lock>();
  /** The turns that some of them are part of. */
  readonly #turns = new WeakMap<Lock, Turn>();
  /** Those of shares and permits, and the names of what they want. */
  readonly #others = new Map<Contender, string>();

  constructor(settings: ContendersSettings) {
    const { quorum, clock, random, process, releaseTimeout } = settings;
    this.#settings = settings;
    this.#watch = new HandoverWatch(quorum, clock, random, releaseTimeout);
    this.#arena = {
      clock,
      random,
      wakeUps: new WakeUps(quorum, clock, process),
      nodeCount: quorum.size,
      habits: { lastHeldMs: undefined },
      timeUs: (nowMs) => quorum.timeUs(nowMs),
    };
  }

  /** How many callers of this process wait at these keys. */
  waiting(target: LockKeys): number {
    return this.#waitingFor(nameOf(target));
  }

  /** Contends for a lock until the caller has it, its waitTime is over or its signal aborts. */
  acquire(wish: Wish, target: LockKeys): Promise<Lock> {
    const having = havingOf(target);
    const name = nameOf(target);
    const known = having === 'alone' ? this.#contenders.get(name) : undefined;
    if (known !== undefined) return known.acquire(wish);
    const idle: Matter['idle'] = (served) => {
      if (having === 'alone') {
        this.#contenders.delete(name);
        this.#rememberHeld(name, served);
      } else {
        this.#others.delete(contender);
      }
    };
    const served = having === 'alone' ? this.#takeHeld(name) : undefined;
    const lately = having === 'alone' ? this.#watch.turnWithin(name, AT_ONCE_MS) : undefined;
    if (lately !== undefined) lately.comesBack = true;
    const contender = new Contender(this.#arena, this.#matter(target, having, idle), served, lately);
    if (having === 'alone') this.#contenders.set(name, contender);
    else this.#others.set(contender, name);
    return contender.acquire(wish, lately?.isFarFromNext);
  }

  /** Gives a lock back on every node; somebody who waits for it in this process may take it over. */
  giveBack(lock: Lock, target: LockKeys): Promise<BallotResult> {
    const { quorum, clock, releaseTimeout } = this.#settings;
    const { habits } = this.#arena;
    const having = havingOf(target);
    const name = nameOf(target);
    const contender = having === 'alone' ? this.#contenders.get(name) : undefined;
    const release = async (taken?: readonly NodeVote[]) => {
      const result = await quorum.release(target, lock.value, releaseTimeout, taken);
      if (result.votes.some(hasCalled)) {
        const turn = contender?.turn ?? this.#turns.get(lock) ?? new Turn(clock, habits);
        turn.ended(clock.uptime());
        const isMoot = () => this.#waitingFor(name) > 0;
        this.#watch.watch(name, { target, value: lock.value, turn, isMoot });
      }
      return result;
    };
    if (contender !== undefined) return contender.giveBack(lock, release);
    this.#forget(lock, name);
    return release();
  }

  /** A lock is held no more, and may never be given back. */
  ended(lock: Lock, target: LockKeys): void {
    this.#forget(lock, nameOf(target));
  }

  /** Ends every wait with this reason. Nodes are still told. */
  endWaits(reason: unknown): void {
    this.#watch.close();
    for (const contender of [...this.#contenders.values(), ...this.#others.keys()]) contender.close(reason);
  }

  /** Ends what is left: nothing is heard any more. */
  close(): void {
    this.#arena.wakeUps.close();
  }

  #rememberHeld(name: string, served: Served | undefined): void {
    if (served === undefined) return;
    const { holder, turn } = served;
    this.#held.set(name, holder);
    // Of very many locks that nobody waits for it would be the larger part of what they take.
    if (turn.isOfMany) this.#turns.set(holder, turn);
  }

  #takeHeld(name: string): Served | undefined {
    const holder = this.#held.get(name);
    if (holder === undefined) return undefined;
    this.#held.delete(name);
    const known = this.#turns.get(holder);
    if (known !== undefined) return { holder, turn: known };
    const turn = new Turn(this.#settings.clock, this.#arena.habits);
    turn.begin();
    return { holder, turn };
  }

  #forget(lock: Lock, name: string): void {
    if (this.#held.get(name) === lock) this.#held.delete(name);
  }

  #waitingFor(name: string): number {
    let waiting = this.#contenders.get(name)?.waiting ?? 0;
    for (const [contender, wanted] of this.#others) if (wanted === name) waiting += contender.waiting;
    return waiting;
  }

  #matter(target: LockKeys, having: Matter['having'], idle: Matter['idle']): Matter {
    const { quorum, random, background, releaseTimeout } = this.#settings;
    return {
      having,
      isInQueue: async (member) => {
        // Others who share it, or another slot of a semaphore, may leave room without a word.
        if (having !== 'alone') return false;
        const look = { target, fraction: random.fraction(), timeoutMs: releaseTimeout };
        return await quorum.isInQueue(look, member);
      },
      leave: (member, nodes) => background(quorum.leave(target, member, nodes, releaseTimeout)),
      leaveLater: (member, nodes) => quorum.leaveLater(target, member, nodes),
      idle,
    };
  }
}

function havingOf({ sharers, size }: LockKeys): Matter['having'] {
  if (sharers !== undefined) return 'a share';
  return size === undefined ? 'alone' : 'permits';
}

/** Another name for whatever somebody may wait for. Readers and writers wait for the same. */
function nameOf({ keys, size }: LockKeys): string {
  const [only = ''] = keys;
  if (size !== undefined) return `*${size.key}`;
  if (keys.length > 1) return JSON.stringify(keys);
  // Most keys are names as they are, and need no other string beside the one that is there.
  return /^[=*[]/.test(only) ? `=${only}` : only;
}
