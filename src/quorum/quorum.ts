/*
 * One Redis master can fail, and its replica may not know the last locks. The naive answer is to ask several masters
 * and to believe most of them. But votes that come late, twice, or from a node that forgot would elect two holders.
 * So every operation is one round with a value that was never used before, and late votes never count. What a lost
 * round got is released everywhere.
 */

import type { NodeState } from '../base/diagnostics.ts';
import { type Instant, SoundClock } from '../base/sound-clock.ts';
import type { FailureReason, NodeVote } from '../base/vote.ts';
import { Membership } from '../membership/membership.ts';
import type { NodeStatus } from '../membership/node-status.ts';
import type { MembershipSettings } from '../membership/quarantine.ts';
import { Ticks } from '../node/batcher.ts';
import { Node } from '../node/node.ts';
import type { NodeSettings } from '../node/node-settings.ts';
import { SHORTEST_TIMEOUT_MS } from '../node/node-time.ts';
import type { Client, Subscription } from '../wire/client.ts';
import { failed, type LockKeys, type Operation, type Waiter } from '../wire/operation.ts';
import { isOfSettings } from '../wire/server-errors.ts';
import { chooseToken, TokenClock } from './fencing-token.ts';
import { Limiter } from './limiter.ts';
import { askAll, type ContendOptions, majorityOf, type RoundResult, wasNeverSent } from './round.ts';
import { type HandOver, handOverAt, isInQueue, type SpotCheck } from './spot-check.ts';

export interface Grant {
  readonly granted: boolean;
  readonly votes: readonly NodeVote[];
  /** The moment before the first byte was sent: validity counts from here. */
  readonly startedAt: Instant;
  /** The fencing token; 0 without fencing. */
  readonly token: number;
}

/** All nodes together. How long a lock is valid is its caller's business. */
export class Quorum {
  readonly size: number;
  /** Time as far as locks depend on it: by this machine's clocks and by the nodes'. */
  readonly clock: SoundClock;
  readonly #nodes: readonly Node[];
  readonly #membership: Membership;
  readonly #tokenClock: TokenClock;
  /** Extensions never wait for room behind releases, nor either behind attempts and looks. */
  readonly #keeping: Limiter;
  readonly #releasing: Limiter;
  readonly #taking: Limiter;
  readonly #awaiting = new Set<() => void>();
  /** How much work runs in the background. */
  #works = 0;
  /** Called when no work is left. */
  readonly #idle: (() => void)[] = [];
  readonly #workEnded = (): void => {
    this.#works -= 1;
    if (this.#works === 0) for (const tell of this.#idle.splice(0)) tell();
  };
  #isEnding = false;

  constructor(
    clients: readonly Client[],
    options: NodeSettings & Omit<MembershipSettings, 'leapt' | 'quota'>,
  ) {
    this.size = clients.length;
    const quorum = { nodes: this.size, quota: majorityOf(this.size) };
    this.clock = new SoundClock(options.clock, options.warn, quorum);
    this.#keeping = new Limiter(this.clock);
    this.#releasing = new Limiter(this.clock);
    this.#taking = new Limiter(this.clock);
    const settings = { ...options, clock: this.clock };
    const ticks = new Ticks(this.clock);
    this.#membership = new Membership({
      ...settings,
      quota: quorum.quota,
      leapt: (node, ms) => this.clock.leapt(node, ms),
    });
    this.#nodes = nodesOf(clients, (client) => new Node(client, settings, this.#membership, ticks));
    this.#membership.register(this.#nodes);
    const tell = () => {
      if (this.#awaiting.size > 0 && this.isAnswering) for (const returned of [...this.#awaiting]) returned();
    };
    for (const node of this.#nodes) node.onStateChange(tell);
    this.#tokenClock = new TokenClock(this.#nodes.map(({ time }) => time));
  }

  /**
   * Asks for a lock with a value that was never used before. The tokens of two grants for one resource are never
   * equal, and grow in real time. An attempt may have to wait for its turn: until its caller's waitTime is over, or
   * for the time that a node has to answer.
   */
  acquire(
    target: LockKeys,
    value: string,
    ttl: number,
    timeoutMs: number,
    contend?: ContendOptions,
  ): Promise<Grant> {
    // An attempt that takes over from a lock is part of that lock's release.
    const limiter = contend?.previous === undefined ? this.#taking : this.#releasing;
    const untilMs = contend?.untilMs ?? Number.POSITIVE_INFINITY;
    const ask = async (isTooLate = false): Promise<Grant> => {
      if (isTooLate || this.#isEnding || contend?.isWanted?.() === false) return this.#notAsked(isTooLate);
      const startedAt = this.clock.instant();
      const withinMs = Math.min(timeoutMs, Math.max(SHORTEST_TIMEOUT_MS, untilMs - startedAt.uptime));
      const proposal = this.#tokenClock.next(startedAt.uptime);
      const round = await askAll(
        this.#nodes,
        {
          kind: 'acquire',
          keys: target.keys,
          fences: target.fences,
          queues: target.queues,
          sharers: target.sharers,
          permit: target.permit,
          value,
          ttl,
          proposal,
          waiter: contend?.waiter,
          previous: contend?.previous,
        },
        withinMs,
        contend === undefined ? 'outcome' : 'victory',
        startedAt.uptime,
      );
      const { votes } = round;
      const granted = round.decision === 'won';
      if (!granted || target.fences.length === 0) return { granted, votes, startedAt, token: 0 };
      const { token, confirmed } = chooseToken(votes);
      if (confirmed >= majorityOf(this.size)) return { granted, votes, startedAt, token };
      const leftMs = Math.min(timeoutMs, Math.max(SHORTEST_TIMEOUT_MS, untilMs - this.clock.uptime()));
      const confirmation = await this.#confirm(target, value, token, leftMs, round);
      const isConfirmed = confirmation.decision === 'won';
      return { granted: isConfirmed, votes: confirmation.votes, startedAt, token };
    };
    return limiter.run(target, ask, timeoutMs, contend?.untilMs);
  }

  /** The result of an attempt that was given up before its turn came. */
  async #notAsked(isTooLate: boolean): Promise<Grant> {
    const message = isTooLate
      ? 'not asked: until the time was over, this process had more attempts under way than it makes at once'
      : 'no caller wants it any more';
    const votes = this.#nodes.map(
      ({ address }): NodeVote => ({ node: address, latencyMs: undefined, ...failed('overloaded', message) }),
    );
    return { granted: false, votes, startedAt: this.clock.instant(), token: 0 };
  }

  stopAsking(): void {
    this.#isEnding = true;
  }

  /**
   * Lets a lock live `ttl` from now. `token`: 0 without fencing. `previous`: the value of another process that handed
   * it over.
   */
  extend(
    target: LockKeys,
    value: string,
    ttl: number,
    token: number,
    timeoutMs: number,
    previous?: string,
  ): Promise<Grant> {
    const extension = { kind: 'extend', ...target, value, ttl, token, previous } as const;
    const extend = async () => {
      const startedAt = this.clock.instant();
      const { decision, votes } = await askAll(
        this.#nodes,
        extension,
        timeoutMs,
        'outcome',
        startedAt.uptime,
      );
      return { granted: decision === 'won', votes, startedAt, token };
    };
    return this.#keeping.run(target, extend);
  }

  /**
   * Releases a value's keys on every node. Resolves when a majority has confirmed it, or can't any more. Nodes that
   * do not confirm it are asked again in the background.
   */
  release(target: LockKeys, value: string, timeoutMs: number): Promise<RoundResult> {
    const release = { kind: 'release', ...target, value } as const;
    const ask = () => askAll(this.#nodes, release, timeoutMs, 'outcome', this.clock.instant().uptime);
    return this.#releasing.run(target, ask);
  }

  /**
   * Rolls back a lost attempt. A caller that waits enters the queue where the attempt was granted, so that all nodes
   * notify the same one. Nodes that refused are asked along with the next call: a driver may have sent a command
   * twice.
   */
  async rollBack(
    target: LockKeys,
    value: string,
    { votes, waiter }: { readonly votes: readonly NodeVote[]; readonly waiter: Waiter | undefined },
    timeoutMs: number,
  ): Promise<void> {
    const release = { kind: 'release', ...target, value } as const;
    const others = new Set<number>();
    votes.forEach((vote, index) => {
      if (vote.outcome === 'held') this.#nodes[index]?.submitLater(release);
      if (vote.outcome === 'held' || wasNeverSent(vote)) others.add(index);
    });
    if (others.size === this.size) return;
    const giveBack = () => {
      if (waiter !== undefined) {
        void askAll(this.#nodes, { kind: 'enter', ...target, waiter }, timeoutMs, 'all', undefined, others);
      }
      return askAll(this.#nodes, release, timeoutMs, 'all', undefined, others);
    };
    await this.#releasing.run(target, giveBack);
  }

  /** Releases a value soon, without hurry, on the nodes that did not grant this: on the others it owns nothing. */
  releaseLater(target: LockKeys, value: string, votes: readonly NodeVote[]): void {
    votes.forEach(({ outcome }, index) => {
      if (outcome !== 'granted') this.#nodes[index]?.submitLater({ kind: 'release', ...target, value });
    });
  }

  /** Takes a waiter out of these nodes' queues. A key that is reserved for it goes on to the next. */
  async leave(
    target: LockKeys,
    member: string,
    nodes: ReadonlySet<number>,
    timeoutMs: number,
  ): Promise<void> {
    const others = new Set(this.#nodes.keys());
    for (const index of nodes) others.delete(index);
    if (nodes.size === 0) return;
    const operation = { kind: 'leave', ...target, member } as const;
    await this.#releasing.run(target, () =>
      askAll(this.#nodes, operation, timeoutMs, 'all', undefined, others),
    );
  }

  /** As {@link leave}, for a waiter that has the lock: there is no hurry. */
  leaveLater(target: LockKeys, member: string, nodes: ReadonlySet<number>): void {
    for (const index of nodes) this.#nodes[index]?.submitLater({ kind: 'leave', ...target, member });
  }

  async waiting(target: LockKeys, timeoutMs: number): Promise<readonly NodeVote[]> {
    return await this.#look({ kind: 'waiting', ...target }, timeoutMs);
  }

  handOver(check: SpotCheck, graceMs: number): Promise<HandOver> {
    return this.#taking.run(check.target, () => handOverAt(this.#nodes, check, graceMs));
  }

  /** Passes over a waiter that was notified and does not come, and others of its process that would be next. */
  async passOver(target: LockKeys, member: string, timeoutMs: number): Promise<void> {
    const operation = { kind: 'leave', ...target, member, isHung: true } as const;
    await this.#releasing.run(target, () => askAll(this.#nodes, operation, timeoutMs, 'all'));
  }

  isInQueue(check: SpotCheck, member: string): Promise<boolean> {
    return this.#taking.run(check.target, () => isInQueue(this.#nodes, check, member));
  }

  /** Subscribes to a channel at all nodes. `heard` gets the index of a node and its message. */
  listen(channel: string, heard: (node: number, message: string) => void, changed: () => void): Subscription {
    const subscriptions = this.#nodes.map(({ subscription }, index) =>
      subscription.listen(channel, {
        subscribed: changed,
        heard: (message) => heard(index, message),
        lost: changed,
      }),
    );
    return {
      close: () => {
        for (const subscription of subscriptions) subscription?.close();
      },
    };
  }

  /** How many nodes' notifications arrive, and how many nodes vote and are not subscribed yet. */
  get hearing(): { readonly heard: number; readonly unheard: number } {
    const heard = this.#nodes.filter(({ subscription }) => subscription.isOpen).length;
    return {
      heard,
      unheard: this.#nodes.filter(({ subscription, isVoting }) => isVoting && !subscription.isOpen).length,
    };
  }

  timeUs(nowMs: number): number {
    return this.#tokenClock.timeUs(nowMs);
  }

  async inspect(target: LockKeys, timeoutMs: number): Promise<readonly NodeVote[]> {
    return await this.#look({ kind: 'inspect', ...target }, timeoutMs);
  }

  /** The readers of a lock at every node, as `waiters` that wait since their shares' end. Changes nothing. */
  async sharers(target: LockKeys, timeoutMs: number): Promise<readonly NodeVote[]> {
    // Readers are in a sorted set, as waiters are.
    const queues = target.sharers === undefined ? [] : [target.sharers];
    return await this.#look({ kind: 'waiting', ...target, queues }, timeoutMs);
  }

  /** Declares a new deployment, see {@link Membership.initialize}. First connections get `timeoutMs`. */
  async initialize(timeoutMs: number): ReturnType<Membership['initialize']> {
    const areSettled = () => this.#nodes.every((node) => node.isSettled);
    await this.#until(areSettled, timeoutMs);
    const failures = await this.#membership.initialize();
    if (failures.length === 0 || areSettled()) return failures;
    // A node that refused is connected to anew at any moment, this one included.
    await this.#until(areSettled, timeoutMs);
    return this.#membership.initialize();
  }

  /** Asks every node, and tells what is known of all of them. First connections get `timeoutMs`. */
  async status(timeoutMs: number): Promise<readonly NodeStatus[]> {
    const areKnown = () => this.#isEnding || this.#nodes.every(({ state }) => state !== undefined);
    await this.#until(areKnown, timeoutMs);
    await Promise.all(this.#membership.askAll());
    await this.#until(areKnown, timeoutMs);
    return this.#membership.status();
  }

  /** Asks every node. Undefined as soon as a majority is up; after `timeoutMs` what every node says. */
  async ready(timeoutMs: number): Promise<readonly NodeVote[] | undefined> {
    const asked = new Set<Node>();
    const asks = this.#membership.askAll().map(async (answer, index) => {
      await answer;
      const node = this.#nodes[index];
      if (node !== undefined) asked.add(node);
    });
    const isUp = (node: Node) => node.state === 'up' && asked.has(node);
    const areUp = () => this.#isEnding || this.#nodes.filter(isUp).length >= majorityOf(this.size);
    if (await this.#until(areUp, timeoutMs, asks)) return undefined;
    return this.#nodes.map((node): NodeVote => {
      const { address, state = 'connecting', why } = node;
      const of = { node: address, latencyMs: undefined };
      if (isUp(node)) return { ...of, outcome: 'granted', counter: 0 };
      if (state === 'up') return { ...of, ...failed('timeout', `no answer within ${timeoutMs} ms`) };
      return { ...of, ...failed(REASONS[state], why || `it is being found out about for ${timeoutMs} ms`) };
    });
  }

  /** Whether it is certain, for now, if a majority of nodes votes: first connections and new markers take time. */
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

  /** Whether a majority of nodes votes and owes no answer, as far as is known. */
  get isAnswering(): boolean {
    return this.#nodes.filter((node) => node.isVoting && !node.isSilent).length >= majorityOf(this.size);
  }

  /** Whether waiting for a majority is in vain: too many nodes refuse for lasting reasons, as these votes say too. */
  isLost(votes: readonly NodeVote[]): boolean {
    const lost = this.#nodes.filter((node, index) => node.isLost || isLasting(votes[index] ?? node.pending));
    return lost.length > this.size - majorityOf(this.size);
  }

  /** Calls `returned` whenever a node's state changes and {@link isAnswering}, until {@link awaitNoMore}. */
  awaitAnswers(returned: () => void): void {
    this.#awaiting.add(returned);
  }

  awaitNoMore(returned: () => void): void {
    this.#awaiting.delete(returned);
  }

  /** Adds work with the nodes that no caller waits for, but that {@link flush} waits for. */
  background(work: Promise<unknown>): void {
    this.#works += 1;
    work.then(this.#workEnded, this.#workEnded);
  }

  /**
   * Resolves when no work is left in the background, follow-up work included, and the nodes have what was put off. All of
   * it was answered then, or never will be.
   */
  async flush(): Promise<void> {
    do {
      if (this.#works > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
      // Follow-up work may begin a few steps later, also where the last work settled right before this call.
      await Promise.resolve().then(() => undefined);
    } while (this.#works > 0);
    await Promise.all(this.#nodes.map((node) => node.flush()));
  }

  close(): void {
    this.#membership.close();
    for (const node of this.#nodes) node.close();
  }

  async #look(operation: Operation, timeoutMs: number): Promise<readonly NodeVote[]> {
    const ask = () => askAll(this.#nodes, operation, timeoutMs, 'all');
    return (await this.#taking.run(operation, ask)).votes;
  }

  /** Has the nodes that answered another counter take `token` as theirs, as far as the value still owns them. */
  async #confirm(
    target: LockKeys,
    value: string,
    token: number,
    timeoutMs: number,
    round: RoundResult,
  ): Promise<RoundResult> {
    const confirmed = new Set<number>();
    round.votes.forEach((vote, index) => {
      if (vote.outcome === 'granted' && vote.counter === token) confirmed.add(index);
    });
    const result = await askAll(
      this.#nodes,
      { kind: 'confirm', ...target, value, token },
      timeoutMs,
      'outcome',
      undefined,
      confirmed,
    );
    const votes = result.votes.map((vote, index) =>
      confirmed.has(index) ? (round.votes[index] ?? vote) : vote,
    );
    return { decision: result.decision, votes };
  }

  /** Resolves as soon as the nodes' states, or the end of some work, make a condition true, or with false after `timeoutMs`. */
  #until(
    condition: () => boolean,
    timeoutMs: number,
    work: readonly Promise<unknown>[] = [],
  ): Promise<boolean> {
    return new Promise((resolve) => {
      const finish = (isTrue: boolean) => {
        timer.cancel();
        for (const stop of stops) stop();
        resolve(isTrue);
      };
      const look = () => {
        if (condition()) finish(true);
      };
      const timer = this.clock.after(timeoutMs, () => finish(false));
      const stops = this.#nodes.map((node) => node.onStateChange(look));
      for (const done of work) void done.then(look);
      look();
    });
  }
}

/** Why a node in such a state gives no vote. */
const REASONS: Readonly<Record<Exclude<NodeState, 'up'>, FailureReason>> = {
  connecting: 'disconnected',
  down: 'disconnected',
  slow: 'timeout',
  clock: 'clock',
  quarantined: 'quarantined',
  refused: 'refused',
};

/** Where the key is no lock, and where a program or a server is set up in a wrong way, more time makes no difference. */
function isLasting(vote: NodeVote): boolean {
  return vote.outcome === 'foreign' || (vote.outcome === 'failed' && isOfSettings(vote.message));
}

/** A node of every client, or of none: if one fails, those made already end. */
function nodesOf(clients: readonly Client[], make: (client: Client) => Node): readonly Node[] {
  const nodes: Node[] = [];
  try {
    for (const client of clients) nodes.push(make(client));
    return nodes;
  } catch (error) {
    for (const node of nodes) node.close();
    throw error;
  }
}
