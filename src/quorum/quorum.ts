import { type Clock, type Instant, instant } from '../base/clock.ts';
import type { NodeVote } from '../base/vote.ts';
import { Node } from '../node/node.ts';
import type { NodeSettings } from '../node/node-settings.ts';
import type { Client } from '../wire/client.ts';
import type { LockKeys } from '../wire/operation.ts';
import { type BallotResult, holdBallot } from './ballot.ts';
import { chooseToken } from './fencing.ts';
import { Membership } from './membership.ts';
import type { MembershipSettings } from './quarantine.ts';
import { majorityOf } from './tally.ts';
import { TokenClock } from './token-clock.ts';

/** What came of asking a quorum for a lock. */
export interface Grant {
  readonly granted: boolean;
  readonly votes: readonly NodeVote[];
  /** The moment before the first byte was sent: validity counts from here. */
  readonly startedAt: Instant;
  /** The fencing token; 0 without fencing. */
  readonly token: number;
}

/**
 * All nodes together. It sends an operation to every node at the same time and says what the majority makes of
 * it; how long a lock is good for is the business of whoever asked.
 */
export class Quorum {
  readonly size: number;
  readonly #nodes: readonly Node[];
  readonly #clock: Clock;
  readonly #membership: Membership;
  readonly #tokenClock: TokenClock;

  constructor(clients: readonly Client[], settings: NodeSettings & MembershipSettings) {
    this.size = clients.length;
    this.#clock = settings.clock;
    this.#membership = new Membership(settings);
    this.#nodes = clients.map((client) => new Node(client, settings, this.#membership));
    this.#membership.enroll(this.#nodes);
    this.#tokenClock = new TokenClock(this.#nodes.map(({ time }) => time));
  }

  /**
   * Asks for a lock with a value that was never used before. The tokens of two grants for one resource are never
   * equal, and grow in real time: a token counts only once a majority has it as its counter while the value
   * still owns the key there.
   */
  async acquire(target: LockKeys, value: string, ttl: number, timeoutMs: number): Promise<Grant> {
    const startedAt = instant(this.#clock);
    const proposal = this.#tokenClock.next(startedAt.uptime);
    const ballot = await holdBallot(
      this.#nodes,
      { kind: 'acquire', ...target, value, ttl, proposal },
      timeoutMs,
      'outcome',
    );
    const granted = ballot.decision === 'won';
    if (!granted || target.fences.length === 0) {
      return { granted, votes: ballot.votes, startedAt, token: 0 };
    }
    const { token, confirmed } = chooseToken(ballot.votes);
    if (confirmed >= majorityOf(this.size)) return { granted, votes: ballot.votes, startedAt, token };
    const confirmation = await this.#confirm(target, value, token, timeoutMs, ballot);
    return { granted: confirmation.decision === 'won', votes: confirmation.votes, startedAt, token };
  }

  /** Lets a lock live `ttl` from now. `token` is 0 without fencing. */
  async extend(
    target: LockKeys,
    value: string,
    ttl: number,
    token: number,
    timeoutMs: number,
  ): Promise<Grant> {
    const startedAt = instant(this.#clock);
    const ballot = await holdBallot(
      this.#nodes,
      { kind: 'extend', ...target, value, ttl, token },
      timeoutMs,
      'outcome',
    );
    return { granted: ballot.decision === 'won', votes: ballot.votes, startedAt, token };
  }

  /** Gives a value's keys back on every node; nodes that do not confirm it are asked again in the background. */
  release(keys: readonly string[], value: string, timeoutMs: number): Promise<BallotResult> {
    return holdBallot(this.#nodes, { kind: 'release', keys, value }, timeoutMs, 'everybody');
  }

  /** What every node says of a lock. Changes nothing. */
  async inspect(target: LockKeys, timeoutMs: number): Promise<readonly NodeVote[]> {
    const { votes } = await holdBallot(this.#nodes, { kind: 'inspect', ...target }, timeoutMs, 'everybody');
    return votes;
  }

  /** Declares a new deployment, see {@link Membership.initialize}. First connections get `timeoutMs`. */
  async initialize(timeoutMs: number): ReturnType<Membership['initialize']> {
    await this.#until(() => this.#nodes.every((node) => node.isSettled), timeoutMs);
    return this.#membership.initialize();
  }

  /** Whether it is certain if a majority of nodes votes for now. First connections take time, and new markers. */
  get isConnected(): boolean {
    let voting = 0;
    let pending = 0;
    for (const node of this.#nodes) {
      if (node.isVoting) voting += 1;
      else if (!node.isSettled) pending += 1;
    }
    const majority = majorityOf(this.size);
    return voting >= majority || voting + pending < majority;
  }

  /** Resolves when {@link isConnected}, or after `timeoutMs`. */
  async connected(timeoutMs: number): Promise<void> {
    await this.#until(() => this.isConnected, timeoutMs);
  }

  /** Whether, within `timeoutMs`, a majority of nodes votes and owes no answer. */
  answers(timeoutMs: number): Promise<boolean> {
    const majority = majorityOf(this.size);
    const doAnswer = () => this.#nodes.filter((node) => node.isVoting && !node.isSilent).length >= majority;
    return this.#until(doAnswer, timeoutMs);
  }

  /** Ends all nodes. Operations under way fail. */
  close(): void {
    this.#membership.close();
    for (const node of this.#nodes) node.close();
  }

  /** Has the nodes that answered another counter take `token` as theirs, as far as the value still owns them. */
  async #confirm(
    target: LockKeys,
    value: string,
    token: number,
    timeoutMs: number,
    ballot: BallotResult,
  ): Promise<BallotResult> {
    const confirmed = new Set<number>();
    ballot.votes.forEach((vote, index) => {
      if (vote.outcome === 'granted' && vote.counter === token) confirmed.add(index);
    });
    const result = await holdBallot(
      this.#nodes,
      { kind: 'confirm', ...target, value, token },
      timeoutMs,
      'outcome',
      confirmed,
    );
    const votes = result.votes.map((vote, index) =>
      confirmed.has(index) ? (ballot.votes[index] ?? vote) : vote,
    );
    return { decision: result.decision, votes };
  }

  /** Resolves as soon as the nodes' states make a condition true, or with false after `timeoutMs`. */
  #until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isTrue: boolean) => {
        timer.cancel();
        for (const stop of stops) stop();
        resolve(isTrue);
      };
      const look = () => {
        if (condition()) finish(true);
      };
      const timer = this.#clock.after(timeoutMs, () => finish(false));
      const stops = this.#nodes.map((node) => node.onStateChange(look));
      look();
    });
  }
}
