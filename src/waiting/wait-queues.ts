import { type AbortSignalLike, abortable, throwIfAborted } from '../base/abort-signal.ts';
import type { LockMode } from '../base/diagnostics.ts';
import { type Instant, instant } from '../base/sound-clock.ts';
import type { Attempt } from '../lock/attempts.ts';
import type { Lease, ReleaseReport, Successor } from '../lock/lease.ts';
import { Lock } from '../lock/lock.ts';
import type { ContendOptions } from '../quorum/round.ts';
import { type LockKeys, modeOf } from '../wire/operation.ts';
import { type AcquireRequest, releaseLate } from './acquire-request.ts';
import { HandOverWatch, type HandOverWatchSettings } from './hand-over-watch.ts';
import { LeaseIndex } from './lease-index.ts';
import { Notifications } from './notifications.ts';
import { type Awaited, WaitQueue, type WaitQueueDeps } from './wait-queue.ts';
import type { Waiter } from './waiter.ts';

/** Below this many leases it is not worth looking for expired ones. */
const SMALLEST_SWEEP = 1_024;

/** What wait queues need of their Redlock. */
export interface WaitQueuesSettings extends HandOverWatchSettings {
  /** Names this process in the nodes' queues; no other process has this name. */
  readonly process: string;
}

/** What this process asks or waits for under one name. Without either it is dropped. */
interface Entry {
  queue: WaitQueue | undefined;
  /** A caller has begun an attempt before there was a queue. */
  isAsking: boolean;
}

/**
 * Knows what this process holds and which of its callers wait. A caller that gets its lock at once leaves nothing here
 * but its lease; a caller that has to wait gets a wait queue.
 *
 * Exclusive locks and semaphores are known by name, so that a second caller waits for the first one here and has its
 * lease next. Shares are held beside each other: each caller that waits for one has a wait queue of its own. So has one
 * that makes a number of attempts, all of them its own.
 */
export class WaitQueues implements Successor {
  readonly #settings: WaitQueuesSettings;
  readonly #deps: WaitQueueDeps;
  readonly #watch: HandOverWatch;
  /** The exclusive leases by name: with nothing beside them, since there may be very many. */
  readonly #leases = new Map<string, Lease>();
  readonly #entries = new Map<string, Entry>();
  /** Leases of shares and permits, and those that a caller got beside an entry. */
  readonly #others = new Set<Lease>();
  /** The leases that no single key names. */
  readonly #index = new LeaseIndex();
  /** All wait queues, and the keys that each waits for. */
  readonly #queues = new Map<WaitQueue, readonly string[]>();
  #sweepAt = SMALLEST_SWEEP;

  constructor(settings: WaitQueuesSettings) {
    const { quorum, clock, random, process, closing } = settings;
    this.#settings = settings;
    this.#watch = new HandOverWatch(settings);
    this.#deps = {
      clock,
      random,
      notifications: new Notifications(quorum, clock, process, closing),
      quorum,
    };
  }

  /** All leases that this process has. */
  *leases(): Iterable<Lease> {
    yield* this.#leases.values();
    yield* this.#others;
  }

  /** The leases that are held at this moment, and how. */
  *held(): Iterable<{ readonly lease: Lease; readonly mode: LockMode }> {
    for (const lease of [...this.leases()]) if (lease.isHeld) yield { lease, mode: lease.mode };
  }

  /** The callers that wait. */
  *callers(): Iterable<Pick<Waiter, 'request' | 'calledAt'> & { readonly mode: LockMode }> {
    for (const { waiters, mode } of this.#queues.keys()) {
      for (const { request, calledAt } of waiters) yield { request, calledAt, mode };
    }
  }

  /** The leases over any of these keys that are held at this moment. */
  leasesAt({ keys, queues }: LockKeys): readonly Lease[] {
    const leases = this.#index.at(queues);
    for (const key of keys) {
      const lease = this.#leases.get(nameOf({ keys: [key], queues }));
      if (lease !== undefined) leases.add(lease);
    }
    return [...leases].filter(({ isHeld }) => isHeld);
  }

  /** How many callers of this process wait for this key, alone or with others. */
  waiting(key: string): number {
    let waiting = 0;
    for (const [queue, keys] of this.#queues) if (keys.includes(key)) waiting += queue.waiters.length;
    return waiting;
  }

  /**
   * Gets a lock: at once, or when the caller's turn has come, until its waitTime is over or its signal aborts.
   *
   * @param calledAt when the caller called, if that was not at this moment
   */
  acquire(request: AcquireRequest, target: LockKeys, calledAt?: Instant): Promise<Lock> {
    const name = nameOf(target);
    if (target.sharers !== undefined || request.pace !== undefined)
      return this.#queueBeside(target).join(request, calledAt);
    const known = this.#entries.get(name);
    const isAlone = target.permit === undefined && known === undefined && !this.#leases.has(name);
    if (isAlone && !this.#deps.notifications.isOpen)
      return this.#acquireAlone(request, target, name, calledAt);
    const entry = known ?? this.#newEntry(name);
    entry.queue ??= this.#queueFor(entry, name, target);
    return entry.queue.join(request, calledAt);
  }

  /**
   * Makes a caller's lock of a lease that was granted without waiting.
   *
   * @throws the reason of endWaits(), if that was called meanwhile; the nodes release the lease
   */
  lockOf(lease: Lease, ttl: number): Lock {
    const { closing } = this.#settings;
    if (closing.aborted) {
      void lease.releaseOnNodes();
      throw closing.reason;
    }
    const name = nameOf(lease.names);
    if (lease.mode !== 'exclusive' || this.#leases.has(name) || this.#entries.has(name))
      this.#keepBeside(lease);
    else this.#keep(name, lease);
    return new Lock(lease, ttl);
  }

  /** The Redlock closes: ends every wait with that reason. The nodes still hear of it. */
  endWaits(): void {
    const { reason } = this.#settings.closing;
    this.#watch.close();
    for (const queue of this.#queues.keys()) queue.close(reason);
  }

  /** Ends the subscriptions. */
  close(): void {
    this.#deps.notifications.close();
  }

  /** Makes one attempt, and a wait queue only if it fails. */
  async #acquireAlone(
    request: AcquireRequest,
    target: LockKeys,
    name: string,
    calledAt = instant(this.#settings.clock),
  ): Promise<Lock> {
    const entry = this.#newEntry(name);
    entry.isAsking = true;
    try {
      // It enters no queue if it fails: it waits for all nodes' votes, and the next attempt enters.
      const contend = { waiter: undefined, untilMs: calledAt.uptime + request.waitTime };
      const attempt =
        request.signal === undefined
          ? await request.attempt(contend)
          : await this.#askUnlessAborted(request, request.signal, contend);
      if (this.#settings.closing.aborted) {
        releaseLate(attempt);
        throw this.#settings.closing.reason;
      }
      if (attempt.outcome !== 'acquired') {
        throwIfAborted(request.signal);
        entry.queue ??= this.#queueFor(entry, name, target);
        entry.isAsking = false;
        return entry.queue.joinFirst(request, calledAt, attempt);
      }
      entry.isAsking = false;
      this.#keep(name, attempt.lease);
      const lock = new Lock(attempt.lease, request.ttl);
      if (entry.queue === undefined) this.#entries.delete(name);
      else entry.queue.skipFirst();
      return lock;
    } catch (error) {
      entry.isAsking = false;
      entry.queue?.skipFirst();
      this.#dropIfUnused(entry, name);
      throw error;
    }
  }

  #askUnlessAborted(
    request: AcquireRequest,
    signal: AbortSignalLike,
    contend: ContendOptions,
  ): Promise<Attempt> {
    const asking = request.attempt({ ...contend, isWanted: () => !signal.aborted });
    return abortable(asking, [signal], releaseLate);
  }

  #newEntry(name: string): Entry {
    const entry: Entry = { queue: undefined, isAsking: false };
    this.#entries.set(name, entry);
    return entry;
  }

  #dropIfUnused(entry: Entry, name: string): void {
    if (entry.queue === undefined && !entry.isAsking) this.#entries.delete(name);
  }

  #keep(name: string, lease: Lease): void {
    this.#leases.set(name, lease);
    if (lease.resources.length > 1) this.#index.add(lease);
    lease.successor = this;
    if (this.#leases.size + this.#others.size >= this.#sweepAt) this.#sweep();
  }

  #keepBeside(lease: Lease): void {
    this.#others.add(lease);
    this.#index.add(lease);
    lease.successor = this;
    if (this.#leases.size + this.#others.size >= this.#sweepAt) this.#sweep();
  }

  /** A lock that its holder forgot is kept until it has expired and their number has doubled since the last look. */
  #sweep(): void {
    // An expired lease that is looked at reports its end.
    for (const lease of this.leases()) lease.look();
    this.#sweepAt = Math.max(SMALLEST_SWEEP, 2 * (this.#leases.size + this.#others.size));
  }

  released(lease: Lease): Promise<ReleaseReport> {
    const name = nameOf(lease.names);
    const isOfQueue = this.#leases.get(name) === lease || lease.mode === 'semaphore';
    const queue = isOfQueue ? this.#entries.get(name)?.queue : undefined;
    return queue?.released(lease) ?? lease.releaseOnNodes();
  }

  ended(lease: Lease): void {
    const name = nameOf(lease.names);
    if (this.#leases.get(name) !== lease) {
      this.#index.delete(lease);
      this.#others.delete(lease);
      return;
    }
    if (lease.resources.length > 1) this.#index.delete(lease);
    this.#leases.delete(name);
    this.#entries.get(name)?.queue?.lost();
  }

  /** Watches that the waiter comes for its lock. */
  notified({ target, value }: Lease): void {
    this.#watch.watch(target, value);
  }

  /** The wait queue of an exclusive lock, or of a semaphore, whose leases are kept beside it. */
  #queueFor(entry: Entry, name: string, target: LockKeys): WaitQueue {
    const mode = modeOf(target);
    const leases = this.#leases;
    const awaited: Awaited = {
      ...this.#awaited(target, mode),
      get lease() {
        return leases.get(name);
      },
      granted: (lease) => (mode === 'exclusive' ? this.#keep(name, lease) : this.#keepBeside(lease)),
      release: (lease) => {
        if (leases.get(name) === lease) leases.delete(name);
        return lease.releaseOnNodes();
      },
      idle: () => {
        entry.queue = undefined;
        this.#queues.delete(queue);
        this.#dropIfUnused(entry, name);
      },
    };
    const queue = new WaitQueue(this.#deps, awaited, entry.isAsking);
    this.#queues.set(queue, target.keys);
    return queue;
  }

  /** The wait queue of one caller that waits for a share, or that makes all attempts itself. */
  #queueBeside(target: LockKeys): WaitQueue {
    const awaited: Awaited = {
      ...this.#awaited(target, modeOf(target)),
      lease: undefined,
      granted: (lease) => this.#keepBeside(lease),
      release: (lease) => lease.releaseOnNodes(),
      idle: () => this.#queues.delete(queue),
    };
    const queue = new WaitQueue(this.#deps, awaited, false);
    this.#queues.set(queue, target.keys);
    return queue;
  }

  #awaited(target: LockKeys, mode: LockMode): Pick<Awaited, 'mode' | 'leave' | 'leaveLater' | 'isInQueue'> {
    const { quorum, random, releaseTimeout } = this.#settings;
    return {
      mode,
      leave: (member, nodes) => quorum.background(quorum.leave(target, member, nodes, releaseTimeout)),
      leaveLater: (member, nodes) => quorum.leaveLater(target, member, nodes),
      isInQueue: async (member) => {
        // Another sharer may leave room without a notification.
        if (mode === 'shared') return false;
        const look = { target, fraction: random.fraction(), timeoutMs: releaseTimeout };
        return await quorum.isInQueue(look, member);
      },
    };
  }
}

/** Names a lock that callers may wait for. Readers and writers of a resource wait for the same one. */
function nameOf({ keys, queues, permit }: Omit<LockKeys, 'fences'>): string {
  const [only = ''] = keys;
  // Programs may differ about the number of slots, and so may callers of one.
  if (permit !== undefined) return `*${permit.of} ${queues[0]}`;
  if (keys.length > 1) return JSON.stringify(keys);
  // Most keys are their own names: that saves a second string.
  return /^[=*[]/.test(only) ? `=${only}` : only;
}
