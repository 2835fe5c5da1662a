/*
 * Many callers, in many processes, want one lock. The naive answer is to poll: each tries again after a pause. Then
 * most tries fail and keep the nodes busy, and a free lock idles until the next try. The luckiest caller is served,
 * not the oldest. So the callers of a process wait here, behind one waiter. The nodes keep the waiters of all
 * processes in a queue, and a release names the first one as the next owner:
 *
 *     holder             node                              first waiter
 *     ------             ----                              ------------
 *                        lock:a = holder's value
 *                        queue of lock:a: w1 < w2          w1 sleeps
 *     RELEASE ---------> lock:a = ~w1 (reserved)
 *                        queue: w2           -- notify --> w1 wakes up, when a majority has notified it
 *                        lock:a = w1's value <-- ACQUIRE   w1 holds the lock
 *
 * A notification only says when to ask. Every grant goes through ACQUIRE, so a notification that is lost, late,
 * doubled or forged costs time and nothing else.
 */

import type { Clock, Timer } from '../base/clock.ts';
import type { LockMode } from '../base/diagnostics.ts';
import type { Random } from '../base/random.ts';
import { type Instant, instant } from '../base/sound-clock.ts';
import type { Attempt } from '../lock/attempts.ts';
import { HANDED_OVER, type Lease, type ReleaseReport } from '../lock/lease.ts';
import { Lock } from '../lock/lock.ts';
import type { Quorum } from '../quorum/quorum.ts';
import { majorityOf, wasNeverSent } from '../quorum/round.ts';
import type { Waiter as QueuedWaiter } from '../wire/operation.ts';
import { type AcquireRequest, type FailedAttempt, isOutage, type Pace, waitsOn } from './acquire-request.ts';
import {
  afterSilenceMs,
  expiryMs,
  GATHERING_MS,
  outageMs,
  partialNotificationMs,
  pauseMs,
  recheckMs,
} from './backoff.ts';
import type { Leave, Notifications, Notified, QueueTicket } from './notifications.ts';
import { Waiter, type WaiterEvents } from './waiter.ts';

/** What the wait queues of one Redlock share. */
export interface WaitQueueDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly notifications: Notifications;
  readonly quorum: Quorum;
}

/** The lock that a wait queue is for. */
export interface Awaited {
  /** Of several callers that want a share, each has a wait queue of its own. */
  readonly mode: LockMode;
  /** The lease of this process, if it has one; undefined for permits, of which it may have several. */
  readonly lease: Lease | undefined;
  /** The lease is this process's from now on. */
  granted(lease: Lease): void;
  /** Has the nodes release a lease; this process has it no more. */
  release(lease: Lease): Promise<ReleaseReport>;
  /** Takes a waiter out of these nodes' queues at once. */
  readonly leave: Leave;
  /** Takes it out with the next call. */
  readonly leaveLater: Leave;
  /** Whether a node has a waiter in its queue for a lock that another value owns; false if that is not known. */
  isInQueue(member: string): Promise<boolean>;
  idle(): void;
}

type Failure = FailedAttempt & {
  /** When the holder's keys should have expired, as far as the nodes said; monotonic milliseconds. */
  readonly expiresAtMs: number;
};

const NONE_FAILED: Failure = { outcome: 'held', votes: [], expiresAtMs: Number.POSITIVE_INFINITY };

type State = 'idle' | 'acquiring' | 'subscribing' | 'waiting' | 'outage' | 'held' | 'renewing';

interface Asking {
  readonly waiter: Waiter;
  /** A permit was granted since to an attempt that was begun later. */
  isOvertaken: boolean;
}

/** The most permits that are requested at once, until one is refused. */
const MOST_AT_ONCE = 16;

/** By what factor a waiter for a permit sleeps longer until it rechecks: each of many holders may notify it. */
const PERMIT_RECHECK = 1.5;

/**
 * The callers of this process that wait for the same lock, first come first served. Only the first one's attempts are
 * made.
 *
 *     idle        → acquiring    a caller joins
 *                 → subscribing  the same, and it makes only so many attempts
 *     acquiring   → held         a majority granted: the first waiter has the lock
 *                 → subscribing  refused, and notifications are not heard yet
 *                 → waiting      refused: in the nodes' queues, subscribed
 *                 → outage       too few nodes voted
 *     subscribing → acquiring    subscribed: now the nodes learn of the waiter
 *                 → waiting      nothing can be heard: it polls
 *     waiting     → acquiring    a majority notified · the holder's keys should have expired · time to recheck
 *     outage      → acquiring    a majority of nodes is back · time to ask all the same
 *     held        → held         released: the next waiter has the lease, and nothing is sent
 *                 → renewing     released: the lease has to be extended for the next waiter first
 *                 → acquiring    released, lease used up or lost: release and acquire in one call
 *                 → idle         released, and no caller waits
 *     renewing    → held         extended: the next waiter has the lease
 *                 → acquiring    not extended
 *
 * Any state but held becomes idle when the last waiter has left. The queue of one that is held is dropped then: the
 * lease is remembered without it.
 *
 * The queue of a caller that makes a limited number of attempts has no other waiter. Between two attempts it waits
 * until a majority notifies, or its pause is over. It never rechecks, and an outage changes nothing for it.
 *
 * A semaphore's queue is neither held nor renewing: leases come and go while it acquires or waits. It acquires as long as
 * an attempt is under way, and there may be several, each at a slot of its own.
 */
export class WaitQueue implements WaiterEvents, Notified {
  readonly #deps: WaitQueueDeps;
  readonly #awaited: Awaited;
  readonly #waiters: Waiter[] = [];
  /** The nodes that have notified since the last attempt was begun, how often, and the slot that each has named. */
  readonly #notified = new Map<number, { readonly times: number; readonly slot: number | undefined }>();
  /** The attempts under way, in the order in which they were begun. */
  readonly #asking = new Set<Asking>();
  #state: State;
  #ticket: QueueTicket | undefined;
  /** Wakes it up; only ever moved forward. */
  #timer: { readonly timer: Timer; readonly atMs: number } | undefined;
  #failure = NONE_FAILED;
  /** Attempts and rechecks since the last success, notification by a majority, or begin or end of an outage. */
  #tries = 0;
  /** Notifications may have been lost since the last attempt was begun. */
  #hasMissed = false;

  /** @param isAsking whether a caller of this process has begun an attempt already, see {@link joinFirst} */
  constructor(deps: WaitQueueDeps, awaited: Awaited, isAsking: boolean) {
    this.#deps = deps;
    this.#awaited = awaited;
    this.#state = isAsking ? 'acquiring' : awaited.lease === undefined ? 'idle' : 'held';
  }

  get waiters(): readonly Waiter[] {
    return this.#waiters;
  }

  get mode(): LockMode {
    return this.#awaited.mode;
  }

  /** Gets a lock for a caller, which waits behind earlier ones. */
  join(request: AcquireRequest, calledAt = instant(this.#deps.clock)): Promise<Lock> {
    const { clock, notifications } = this.#deps;
    const waiter = new Waiter(request, calledAt, clock, this);
    this.#waiters.push(waiter);
    if (this.#state === 'idle') {
      // A call with few attempts has none to spare for one that enters no queue.
      if (request.pace?.isLast === false) void this.#subscribe();
      else this.#attempt();
    } else if (this.#mayAskFor(request)) {
      waiter.limit();
      this.#attempt();
    } else {
      waiter.limit();
      void notifications.open();
      if (this.#state === 'held' && this.#waiters.length === 1) this.#watchLease();
    }
    return waiter.lock;
  }

  /** Joins for a caller whose attempt, begun before there was a queue, has failed: it waits before all others. */
  joinFirst(request: AcquireRequest, calledAt: Instant, attempt: FailedAttempt): Promise<Lock> {
    const waiter = new Waiter(request, calledAt, this.#deps.clock, this);
    this.#waiters.unshift(waiter);
    this.#refused({ waiter, isOvertaken: false }, attempt);
    this.#failLate();
    return waiter.lock;
  }

  /** Goes on after a caller whose attempt, begun before there was a queue, has the lock or was given up. */
  skipFirst(): void {
    if (this.#awaited.lease === undefined) {
      this.#attempt();
    } else {
      this.#state = 'held';
      this.#failLate();
      if (this.#waiters.length > 0) this.#watchLease();
      else if (this.#state === 'held') this.#becomeIdle();
    }
  }

  released(lease: Lease): Promise<ReleaseReport> {
    const next = this.#waiters[0];
    switch (next === undefined ? 'no' : lease.fitnessFor(next.request.ttl)) {
      case 'now':
        this.#handOver(lease);
        return HANDED_OVER;
      case 'after extension':
        return this.#renew(lease, next?.request.ttl ?? 0);
      case 'no':
        return this.#releaseAndAcquire(lease);
    }
  }

  lost(): void {
    if (this.#state === 'held' || this.#state === 'renewing') this.#attempt();
  }

  close(reason: unknown): void {
    for (const waiter of this.#waiters.splice(0)) waiter.crash(reason);
    if (this.#state !== 'acquiring' && this.#state !== 'renewing') this.#becomeIdle();
  }

  notified(node: number, slot: number | undefined): void {
    this.#notified.set(node, { times: (this.#notified.get(node)?.times ?? 0) + 1, slot });
    if (this.#state !== 'waiting') return;
    if (this.#isNotified) {
      this.#tries = 0;
      this.#attempt();
    } else if (this.#pace === undefined) {
      this.#waitForMore();
    }
  }

  missed(): void {
    this.#hasMissed = true;
    if (this.#state === 'waiting' && this.#pace === undefined)
      this.#wakeWithin(afterSilenceMs(this.#deps.random));
  }

  /** A majority of nodes is back, see {@link Quorum.awaitAnswers}. */
  readonly returned = (): void => {
    if (this.#state === 'outage') this.#wakeWithin(outageMs(true, this.#tries, this.#deps.random));
  };

  left(waiter: Waiter): void {
    this.#drop(waiter);
    if (this.#waiters.length > 0 || this.#state === 'acquiring' || this.#state === 'renewing') return;
    this.#becomeIdle();
  }

  /**
   * A waiter's waitTime is over. The first waiter tries once more, so that its error is up to date, unless an attempt of
   * its own is about to end. For the others an attempt was refused a moment ago, or this process has the lock. In an
   * outage all have asked often enough.
   */
  late(waiter: Waiter): void {
    if (waiter === this.#waiters[0]) {
      if ([...this.#asking].some((asking) => asking.waiter === waiter)) return;
      if (this.#state === 'waiting' || this.#state === 'subscribing') {
        this.#attempt();
        return;
      }
    }
    waiter.fail(isOutage(this.#failure) ? this.#failure : { outcome: 'held', votes: this.#failure.votes });
    this.left(waiter);
  }

  /** Of a caller that makes all attempts itself, which has this queue alone. */
  get #pace(): Pace | undefined {
    return this.#waiters[0]?.request.pace;
  }

  get #isSemaphore(): boolean {
    return this.#awaited.mode === 'semaphore';
  }

  /** Whether to ask for one more permit for a caller that joins: as long as none was refused, and one may be free. */
  #mayAskFor({ ownHold, permits = 1 }: AcquireRequest): boolean {
    const asking = this.#asking.size;
    if (!this.#isSemaphore || this.#state !== 'acquiring' || this.#tries > 0 || asking >= MOST_AT_ONCE)
      return false;
    return asking + (ownHold()?.permits ?? 0) < permits;
  }

  /** The slot that most of the nodes have named. */
  get #slot(): number | undefined {
    const named = [...this.#notified.values()].map(({ slot }) => slot);
    const times = (slot: number | undefined) => named.filter((each) => each === slot).length;
    return named.sort((a, b) => times(b) - times(a) || (a ?? 0) - (b ?? 0))[0];
  }

  /** Whether a majority has notified it of all that it waits for there. */
  get #isNotified(): boolean {
    const { votes } = this.#failure;
    const complete = [...this.#notified].filter(([node, { times }]) => {
      const vote = votes[node];
      return vote?.outcome !== 'held' || times >= (vote.queues ?? 1);
    });
    return complete.length >= majorityOf(this.#deps.quorum.size);
  }

  /** Some nodes have notified it, or some of the keys are reserved for it: the rest may come in a moment. */
  #waitForMore(): void {
    const { quorum, random } = this.#deps;
    // Different nodes may have notified different waiters, none of them with a majority.
    const isPartial = this.#notified.size < majorityOf(quorum.size);
    this.#wakeWithin(isPartial ? partialNotificationMs(this.#tries, random) : GATHERING_MS);
  }

  /** Callers whose waitTime ended during the attempt of one that was before them. */
  #failLate(): void {
    for (const waiter of this.#waiters.filter(({ isLate }) => isLate)) this.late(waiter);
  }

  #drop(waiter: Waiter): void {
    const place = this.#waiters.indexOf(waiter);
    if (place !== -1) this.#waiters.splice(place, 1);
  }

  /**
   * Asks the nodes on behalf of the first waiter, or of the next one if attempts are under way.
   *
   * @param slot the slot to ask for; default: the one that nodes have named
   */
  #attempt(slot?: number): void {
    const waiter = this.#waiters[Math.min(this.#asking.size, this.#waiters.length - 1)];
    if (waiter === undefined) {
      this.#becomeIdle();
      return;
    }
    this.#sleepNoMore();
    this.#state = 'acquiring';
    const contend = {
      waiter: this.#queued(this.#waiters[0] ?? waiter),
      untilMs: waiter.calledAt.uptime + waiter.request.waitTime,
      isWanted: () => this.#waiters.length > 0,
      slot: slot ?? this.#slot,
    };
    if (slot === undefined) this.#notified.clear();
    this.#hasMissed = false;
    const asking = { waiter, isOvertaken: false };
    this.#asking.add(asking);
    const end = (attempt: Attempt) => {
      if (attempt.outcome === 'acquired') this.#overtake(asking);
      this.#asking.delete(asking);
      this.#ticket?.asked(attempt, contend.waiter, this.#asking.size > 0);
      if (attempt.outcome === 'acquired') this.#granted(waiter, attempt);
      else this.#refused(asking, attempt);
    };
    // A caller's own function may fail too: the one that names the pause.
    waiter.request
      .attempt(contend)
      .then(end)
      .catch((error: unknown) => {
        this.#asking.delete(asking);
        this.#drop(waiter);
        waiter.crash(error);
        if (this.#asking.size === 0) this.#attempt();
      });
  }

  /** A grant takes the waiter out of the nodes' queues, where an earlier attempt may have entered it. */
  #overtake(granted: Asking): void {
    for (const earlier of this.#asking) {
      if (earlier === granted) break;
      earlier.isOvertaken = true;
    }
  }

  /** The name under which nodes enter a waiter in their queues. Undefined: notifications would not reach it. */
  #queued(waiter: Waiter): QueuedWaiter | undefined {
    const { notifications, quorum } = this.#deps;
    if (!notifications.isOpen) return undefined;
    if (waiter.request.pace?.isLast === true && this.#ticket === undefined) return undefined;
    const { mode } = this.#awaited;
    const { permits } = waiter.request;
    this.#ticket ??= notifications.register(this, mode === 'shared', permits);
    waiter.score ??= quorum.timeUs(waiter.calledAt.uptime);
    return { member: this.#ticket.member, since: waiter.score };
  }

  #granted(waiter: Waiter, { lease }: Extract<Attempt, { outcome: 'acquired' }>): void {
    this.#tries = 0;
    this.#failure = NONE_FAILED;
    this.#awaited.granted(lease);
    if (this.#isSemaphore) {
      this.#grantedPermit(waiter, lease);
      return;
    }
    this.#state = 'held';
    // The lock is for the first one, unless that has left, or another caller joined before it.
    if (waiter.isWaiting) {
      this.#drop(waiter);
      this.#give(lease, waiter);
    } else {
      void this.released(lease);
    }
  }

  /** A permit came: the first waiter has it, and two more are asked for in its place, as long as callers wait. */
  #grantedPermit({ request }: Waiter, lease: Lease): void {
    if (this.#waiters[0]?.request.ttl === request.ttl) this.#handOver(lease);
    else void this.released(lease);
    for (let more = 0; more < 2 && this.#wantsMore; more += 1) this.#attempt();
    if (this.#asking.size === 0 && this.#state === 'acquiring') this.#becomeIdle();
  }

  get #wantsMore(): boolean {
    return this.#waiters.length > this.#asking.size;
  }

  #handOver(lease: Lease): void {
    const next = this.#waiters.shift();
    if (next !== undefined) this.#give(lease, next);
  }

  #give(lease: Lease, waiter: Waiter): void {
    if (!this.#isSemaphore) this.#state = 'held';
    waiter.grant(new Lock(lease, waiter.request.ttl));
    if (this.#waiters.length === 0) {
      if (this.#asking.size === 0) this.#becomeIdle(this.#awaited.leaveLater);
    } else if (!this.#isSemaphore) {
      this.#watchLease();
    }
  }

  /** Extends a lease that is between two callers, for the next waiter. */
  async #renew(lease: Lease, ttl: number): Promise<ReleaseReport> {
    if (!this.#isSemaphore) this.#state = 'renewing';
    let isExtended = true;
    try {
      await lease.extend(ttl);
    } catch {
      isExtended = false;
    }
    const isOver = !this.#isSemaphore && (this.#awaited.lease !== lease || this.#state !== 'renewing');
    if (isOver) return this.#awaited.release(lease);
    const next = this.#waiters[0];
    if (!isExtended || next === undefined) return this.#releaseAndAcquire(lease);
    if (next.request.ttl !== ttl || !lease.mayBeHandedOver) return this.released(lease);
    this.#handOver(lease);
    return HANDED_OVER;
  }

  /** Both go in one call to each node: the first waiter there goes first, and this process enters the queue again. */
  #releaseAndAcquire(lease: Lease): Promise<ReleaseReport> {
    const report = this.#awaited.release(lease);
    // The next attempt is under way where it turned out just now that the lease had ended.
    if (this.#isSemaphore ? this.#wantsMore : this.#state !== 'acquiring')
      this.#attempt(lease.names.permit?.slot);
    return report;
  }

  #refused({ waiter, isOvertaken }: Asking, result: FailedAttempt): void {
    const { clock, random } = this.#deps;
    const before = this.#failure;
    // Where no node was asked, what nodes said before tells more.
    const attempt = before.votes.length > 0 && result.votes.every(wasNeverSent) ? before : result;
    // A wait's end may leave its last attempt too little time: then a holder was in the way until now, not the nodes.
    const isCutShort = before.outcome === 'held' && before.votes.length > 0 && wasTooShort(attempt);
    this.#tries = isOutage(attempt) === isOutage(before) ? this.#tries + 1 : 1;
    this.#failure = { ...attempt, expiresAtMs: clock.uptime() + expiryMs(attempt.votes, random) };
    for (const each of [...this.#waiters]) {
      const isOver = each.isLate && (each === waiter || this.#isSemaphore || isOutage(attempt));
      const isSpent = each.request.pace?.isLeft === false;
      if (isOver && isCutShort && !isSpent) each.fail(before);
      else if (isOver || isSpent || !waitsOn(attempt, each.request)) each.fail(attempt);
      if (!each.isWaiting) this.#drop(each);
    }
    if (this.#asking.size > 0) return;
    const next = this.#waiters[0];
    next?.limit();
    if (next === undefined) this.#becomeIdle();
    else if (this.#isNotified || next.isLate || isOvertaken) this.#attempt();
    else this.#wait();
  }

  #wait(): void {
    const { notifications, random } = this.#deps;
    if (this.#pace !== undefined) {
      this.#state = 'waiting';
      this.#wakeWithin(this.#pace.pauseMs());
      return;
    }
    if (isOutage(this.#failure)) {
      this.#awaitNodes();
      return;
    }
    this.#state = 'waiting';
    if (this.#failure.outcome !== 'held') this.#wakeWithin(pauseMs(this.#failure.votes, this.#tries, random));
    else if (!notifications.isOpen) void this.#subscribe();
    else if (this.#ticket?.isQueued === true) {
      this.#wakeWithin(this.#untilRecheckMs());
      if (this.#notified.size > 0) this.#waitForMore();
    }
    // The attempt was made before this process was subscribed: the nodes do not know yet that this queue waits.
    else this.#attempt();
  }

  /** Sleeps until a majority of nodes is back, and asks now and then whether it is. */
  #awaitNodes(): void {
    const { quorum, random } = this.#deps;
    this.#state = 'outage';
    quorum.awaitAnswers(this.returned);
    this.#wakeWithin(outageMs(quorum.isAnswering, this.#tries, random));
  }

  async #subscribe(): Promise<void> {
    const { notifications, random } = this.#deps;
    this.#state = 'subscribing';
    await notifications.open();
    if (this.#state !== 'subscribing') return;
    this.#state = 'waiting';
    if (notifications.isOpen || this.#pace !== undefined) this.#attempt();
    else this.#wakeWithin(pauseMs(this.#failure.votes, this.#tries, random));
  }

  /** Milliseconds until the lock may be free without a notification, or one may have been lost. */
  #untilRecheckMs(): number {
    const { clock, random, notifications } = this.#deps;
    if (this.#hasMissed) return afterSilenceMs(random);
    const untilExpiryMs = Math.max(0, this.#failure.expiresAtMs - clock.uptime());
    const untilRecheckMs = recheckMs(this.#failure.votes, this.#tries, notifications.size, random);
    return Math.min(untilExpiryMs, untilRecheckMs * (this.#isSemaphore ? PERMIT_RECHECK : 1));
  }

  #watchLease(): void {
    const { lease } = this.#awaited;
    // A look at a lease whose validity has ended tells this queue that it is lost.
    if (lease?.isHeld === true) this.#wakeWithin(lease.remainingMs() + 1);
    else if (this.#state === 'held') this.#attempt();
  }

  #wakeWithin(delayMs: number): void {
    const { clock } = this.#deps;
    const atMs = clock.uptime() + delayMs;
    if (this.#timer !== undefined && this.#timer.atMs <= atMs) return;
    this.#timer?.timer.cancel();
    const wake = () => {
      this.#timer = undefined;
      this.#wake();
    };
    this.#timer = { timer: clock.after(delayMs, wake), atMs };
  }

  #sleepNoMore(): void {
    this.#timer?.timer.cancel();
    this.#timer = undefined;
    if (this.#state === 'outage') this.#deps.quorum.awaitNoMore(this.returned);
  }

  #wake(): void {
    if (this.#state === 'held') {
      this.#watchLease();
    } else if (this.#state === 'outage') {
      // An attempt that is only to find out whether nodes are back says nothing against those that come back later.
      if (!this.#deps.quorum.isAnswering) this.#tries = 0;
      this.#attempt();
    } else if (this.#state === 'waiting') {
      const isSure =
        this.#failure.outcome === 'held' &&
        this.#notified.size === 0 &&
        !this.#hasMissed &&
        this.#pace === undefined &&
        this.#deps.clock.uptime() < this.#failure.expiresAtMs;
      if (isSure && this.#ticket !== undefined) void this.#recheck(this.#ticket);
      else this.#attempt();
    }
  }

  /** It had no notification for a while. It asks one node whether that is right; if not, it asks all. */
  async #recheck(ticket: QueueTicket): Promise<void> {
    const isStillQueued = await this.#awaited.isInQueue(ticket.member);
    if (this.#state !== 'waiting') return;
    if (isStillQueued) {
      this.#tries += 1;
      this.#wait();
    } else {
      this.#attempt();
    }
  }

  #becomeIdle(leave = this.#awaited.leave): void {
    this.#sleepNoMore();
    this.#state = 'idle';
    this.#ticket?.end(leave);
    this.#ticket = undefined;
    this.#awaited.idle();
  }
}

/** Whether too few nodes answered in time, and none failed in another way. */
function wasTooShort(attempt: FailedAttempt): boolean {
  return (
    isOutage(attempt) && attempt.votes.every((vote) => vote.outcome !== 'failed' || vote.reason === 'timeout')
  );
}
