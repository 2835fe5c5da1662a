import { abortable } from './base/abort-signal.ts';
import { type Clock, SystemClock } from './base/clock.ts';
import { ClosedError, InitializeError, NoQuorumError, withCallersStack } from './base/errors.ts';
import { SystemRandom } from './base/random.ts';
import { instant } from './base/sound-clock.ts';
import { Attempts, LockValues } from './lock/attempts.ts';
import { Lease, type LeaseDeps, nodeTimeoutFor } from './lock/lease.ts';
import { isLock, Lock, type LockJSON, leaseOf } from './lock/lock.ts';
import { Quorum } from './quorum/quorum.ts';
import { Acquirer, type LockSpec } from './redlock/acquirer.ts';
import { checkHandedLock } from './redlock/adoption.ts';
import { type Held, heldBy } from './redlock/held.ts';
import { type Inspection, inspectionOf, readersIn } from './redlock/inspection.ts';
import { checkNodes, madeWith, type NodeSource, openNodes } from './redlock/nodes.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkNames,
  checkNoMore,
  checkPermits,
  checkTtl,
  graceFor,
  leastTimeoutFor,
  NO_OPTIONS,
  type ReadyOptions,
  type RedlockOptions,
  readyTimeoutOf,
  resolveOptions,
  type Settings,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  type UsingOptions,
} from './redlock/options.ts';
import { type Queue, queueOf } from './redlock/queue.ts';
import { ReadWriteLock } from './redlock/read-write.ts';
import {
  checkResource,
  checkSlots,
  keysFor,
  normalizeResources,
  probeKeysFor,
  type Resources,
  sharedKeysFor,
  slotKeysFor,
} from './redlock/resources.ts';
import type { Routine } from './redlock/routines.ts';
import { Semaphore } from './redlock/semaphore.ts';
import { Slots } from './redlock/slots.ts';
import { type Status, statusWith } from './redlock/status.ts';
import { callOf, Usings } from './redlock/usings.ts';
import { emitWarning, isolateErrors, warnOfNodes } from './redlock/warnings.ts';
import { WaitQueues } from './waiting/wait-queues.ts';
import type { Client } from './wire/client.ts';
import type { LockKeys } from './wire/operation.ts';

/**
 * Makes a handle on a lock that another handle got, by its value: for `quorlock/redlock`.
 *
 * @param validMs for how long it is still valid, in milliseconds; what is not positive makes a lock that is lost
 */
export let handleOn: (redlock: Redlock, resources: Resources, value: string, validMs: number) => Lock;

/**
 * Locks over N independent Redis masters: a lock is held when a majority of them granted it, for as long as its
 * validity lasts. One Redlock serves a whole program; make it once and close it at the end.
 *
 * The algorithm is the one of the Redis documentation, "Distributed Locks with Redis".
 */
export class Redlock {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #clients: readonly Client[];
  /** Those of the clients that lead to a Redis Cluster. */
  readonly #clusters: readonly Client[];
  readonly #quorum: Quorum;
  readonly #process: string;
  readonly #releaseTimeout: number;
  readonly #deps: LeaseDeps;
  readonly #attempts: Attempts;
  readonly #slots: Slots;
  readonly #waitQueues: WaitQueues;
  readonly #acquirer: Acquirer;
  readonly #usings: Usings;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /**
   * Connects to the given URLs, and to the servers that the given clients connect to.
   *
   * @param nodes one source a node: a `redis://` or `rediss://` URL, or an ioredis client (`Redis` or `Cluster`), which
   *   the Redlock duplicates. Every node is a master of its own; an odd number is best. All programs that share locks
   *   need the same list.
   * @throws {TypeError} a node of a wrong type or that can't be duplicated, the same node twice, an option of a wrong
   *   type or name
   * @throws {RangeError} no node, or an option out of its bounds
   */
  constructor(nodes: readonly NodeSource[], options: RedlockOptions = {}) {
    const settings = resolveOptions(options);
    checkNodes(nodes);
    this.#settings = settings;
    const { driver, onWarning = emitWarning } = options;
    const clock = options.clock ?? new SystemClock();
    const random = options.random ?? new SystemRandom();
    const values = new LockValues(random, settings.owner);
    this.#process = values.process;
    // What may fail comes before the first connection, as far as it can.
    this.#clients = openNodes(nodes, driver);
    this.#clusters = this.#clients.filter(({ isCluster }) => isCluster);
    const warn = isolateErrors(onWarning);
    const usesMarker = settings.quarantine !== 'off';
    warnOfNodes(this.#clients, usesMarker, warn);
    const grace = graceFor(settings);
    const { connectTimeout } = settings;
    const quorumSettings = {
      ...settings,
      clock,
      random,
      nodeCount: this.#clients.length,
      nodeTimeout: nodeTimeoutFor(settings, settings.maxTtl),
      leastTimeout: leastTimeoutFor(settings),
      grace,
      handshakeTimeout: connectTimeout,
      usesMarker,
      probeKeys: probeKeysFor(settings),
      warn,
    };
    this.#quorum = madeWith(this.#clients, () => new Quorum(this.#clients, quorumSettings));
    this.#clock = this.#quorum.clock;
    this.#releaseTimeout = nodeTimeoutFor(settings, settings.ttl);
    const deps: LeaseDeps = {
      quorum: this.#quorum,
      clock: this.#clock,
      driftFactor: settings.driftFactor,
      checkTtl: (ttl) => checkTtl(settings, ttl),
      nodeTimeout: settings.nodeTimeout,
      releaseTimeout: this.#releaseTimeout,
    };
    this.#deps = deps;
    const { signal: closing } = this.#closing;
    const { process } = values;
    this.#waitQueues = new WaitQueues({ ...deps, random, process, grace, closing });
    this.#attempts = new Attempts({ deps, values, connectTimeout });
    this.#slots = new Slots(this.#attempts, random);
    this.#acquirer = new Acquirer({ ...deps, settings, waitQueues: this.#waitQueues, closing });
    this.#usings = new Usings(settings, this.#clock, this.#acquirer);
  }

  /**
   * Locks a resource, or several as one: all or nothing. Waits for whatever stands in the way until waitTime is over:
   * another holder, or too few nodes that answer (unless `onOutage` is `reject`).
   *
   * @throws {LockHeldError} another holder has it and waitTime is 0
   * @throws {WaitTimeoutError} others held it for all of waitTime
   * @throws {NoQuorumError} too few nodes can vote, when waitTime is over or the call does not wait for them
   * @throws {LockExpiredError} it was granted too slowly, and waitTime is over
   * @throws {NotALockError} the key exists and is something else
   * @throws {ClosedError} the Redlock was closed
   * @throws {TypeError | RangeError} a bad resource or option
   * @throws the reason of `options.signal`, as it is
   */
  acquire(resources: Resources, options: AcquireOptions = NO_OPTIONS): Promise<Lock> {
    // Not async: there may be very many at a time, and each would have one more promise to wait for.
    try {
      if (options !== NO_OPTIONS) checkNames('acquire option', options, ACQUIRE_NAMES);
      return this.#acquirer.acquire(this.#spec(resources), options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Tries once to lock, without waiting.
   *
   * @returns the lock, or null if another holder has it
   * @throws {NoQuorumError | LockExpiredError | NotALockError | ClosedError | TypeError | RangeError} as acquire
   */
  async tryAcquire(resources: Resources, options: TryAcquireOptions = NO_OPTIONS): Promise<Lock | null> {
    if (options !== NO_OPTIONS) checkNames('tryAcquire option', options, TRY_ACQUIRE_NAMES);
    return await this.#acquirer.tryAcquire(this.#spec(resources), options);
  }

  /**
   * Runs a routine under a lock, and extends the lock as long as the routine runs. If an extension fails, `lock.signal`
   * aborts before the validity ends; the routine should stop then. The signal also aborts, with a {@link ClosedError},
   * when the Redlock is being closed; the lock is held until the routine has settled.
   *
   * Code that runs inside another `using` of the same resource would wait for itself. It passes the lock that it runs
   * under as `within`, and the routine gets that one.
   *
   * In place of resources it takes a lock that this Redlock has, of any kind, as one that was adopted. The one option is
   * `maxHold` then. The lock is extended meanwhile, and released after the routine.
   *
   * @returns what the routine returned; its own error is passed on. The release changes neither.
   * @throws as acquire, before the routine has started
   * @throws {LockLostError | LockReleasedError | LockHandedOverError} the lock passed as `within`, or in place of
   *   resources, is held no more
   * @throws {UpgradeError} the lock passed as `within` is a read lock
   */
  using<Result>(resources: Resources | Lock, routine: Routine<Result>): Promise<Result>;
  using<Result>(
    resources: Resources,
    options: UsingOptions | undefined,
    routine: Routine<Result>,
  ): Promise<Result>;
  using<Result>(
    lock: Lock,
    options: { readonly maxHold?: number | undefined } | undefined,
    routine: Routine<Result>,
  ): Promise<Result>;
  using<Result>(
    resources: Resources | Lock,
    options: UsingOptions | Routine<Result> | undefined,
    routine?: Routine<Result>,
  ): Promise<Result> {
    // Not async: there may be very many at a time, and each would take half a kilobyte more.
    try {
      const call = callOf('using', options, routine);
      if (isLock(resources)) return this.#usings.keep(resources, call);
      return this.#usings.use(this.#spec(resources), call);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Takes over a lock that another process has handed over. It asks the nodes to extend the lock for this process, by its
   * ttl; where a majority agrees, the lock never was free in between. The new handle has the same token, and is extended
   * and released as any other. Call it once: if it rejects, the lock is lost, and its work has to begin with `acquire`.
   *
   * @param json what `Lock.handOver` returned there, after its way through JSON
   * @throws {LockLostError} a majority does not know the lock: its validity has ended, or another process adopted it
   * @throws {NoQuorumError} too few nodes could vote
   * @throws {LockExpiredError} a majority agreed so slowly that the ttl is used up
   * @throws {NotALockError | ClosedError} as acquire
   * @throws {TypeError | RangeError} a field of the JSON, by its name, or a ttl above this Redlock's maxTtl
   */
  adopt(json: LockJSON): Promise<Lock>;
  async adopt(json: LockJSON, ...rest: readonly unknown[]): Promise<Lock> {
    checkNoMore(rest, 'adopt takes what handOver() returns');
    const handed = checkHandedLock(json, this.#settings);
    checkSlots(this.#clusters, handed.target);
    const { resources, target, ttl } = handed;
    const spec = { resources, target, attempt: () => this.#attempts.adopt(handed, handed) };
    return await this.#acquirer.adopt(spec, { ttl });
  }

  /**
   * Makes locks over a resource that readers share and a writer has alone. Sends nothing, so it costs nothing to call
   * it often.
   *
   * @throws {TypeError | RangeError} a bad resource
   */
  readWrite(resource: string): ReadWriteLock;
  readWrite(resource: string, ...rest: readonly unknown[]): ReadWriteLock {
    checkNoMore(rest, 'readWrite takes a resource', '; options go to the calls of what it returns');
    const alone = this.#spec(checkResource(resource));
    const shared = this.#spec(resource, sharedKeysFor(resource, this.#settings));
    return new ReadWriteLock(resource, this.#acquirer, this.#usings, shared, alone);
  }

  /**
   * Makes a semaphore: at most `permits` of its permits are held at any moment. Sends nothing, so it costs nothing to
   * call it often.
   *
   * @param permits how many there are, from 1 to 1 000. While programs give different numbers, the largest one counts.
   * @throws {TypeError | RangeError} a bad resource or number
   */
  semaphore(resource: string, permits: number): Semaphore;
  semaphore(resource: string, permits: number, ...rest: readonly unknown[]): Semaphore {
    const hint = '; options go to the calls of what it returns';
    checkNoMore(rest, 'semaphore takes a resource and a number of permits', hint);
    this.#spec(checkResource(resource));
    checkPermits(permits);
    return new Semaphore(resource, permits, {
      acquirer: this.#acquirer,
      usings: this.#usings,
      slots: this.#slots,
      keysOf: (slot) => slotKeysFor(resource, { slot, of: permits }, this.#settings),
      inspect: async (target) => {
        await this.#connected([resource]);
        const votes = await this.#quorum.inspect(target, this.#releaseTimeout);
        return inspectionOf(resource, target.keys[0] ?? '', votes, []);
      },
      waiting: async (target) => {
        await this.#connected([resource]);
        return await this.#queueOf(resource, target);
      },
    });
  }

  /**
   * Asks every node which holder a resource has. Changes nothing. Nodes that can't be asked are `unknown`, and with
   * too many of them so is the whole. It never says free when it does not know.
   *
   * @throws {TypeError | RangeError} a bad resource
   * @throws {ClosedError} the Redlock was closed
   */
  async inspect(resource: string): Promise<Inspection> {
    const { target } = await this.#askable(resource);
    const shared = sharedKeysFor(resource, this.#settings);
    // Both questions travel in one call to each node.
    const [votes, sharers] = await Promise.all([
      this.#quorum.inspect(target, this.#releaseTimeout),
      this.#quorum.sharers(shared, this.#releaseTimeout),
    ]);
    const nowMs = this.#quorum.timeUs(this.#clock.uptime()) / 1_000;
    return inspectionOf(resource, target.keys[0] ?? '', votes, readersIn(sharers, nowMs));
  }

  /**
   * Lists the waiters of a resource, first come first, in this process and in others. Changes nothing. The list was
   * true when the nodes were asked and is a hint: the queue decides nothing about who holds a lock.
   *
   * @throws {TypeError | RangeError} a bad resource
   * @throws {ClosedError} the Redlock was closed
   */
  async waiting(resource: string): Promise<Queue> {
    const { target } = await this.#askable(resource);
    return await this.#queueOf(resource, target);
  }

  async #queueOf(resource: string, target: LockKeys): Promise<Queue> {
    const votes = await this.#quorum.waiting(target, this.#releaseTimeout);
    return queueOf(resource, votes, {
      process: this.#process,
      callers: this.#waitQueues.waiting(target.keys[0] ?? ''),
    });
  }

  /**
   * Tells how every node is, and whether there is a quorum. Asks every node that can be asked. One that does not
   * answer within `connectTimeout` is `slow`, and what is known of it is told all the same.
   *
   * @throws {ClosedError} the Redlock was closed
   */
  async status(): Promise<Status> {
    return statusWith(
      this.#settings.owner,
      await this.#unlessClosing(() => this.#quorum.status(this.#settings.connectTimeout)),
    );
  }

  /**
   * Asks every node, and resolves as soon as a majority has shown that it is up: for readiness probes, and at a program's
   * start.
   *
   * @param options.timeout for how long to wait, in milliseconds; default: the Redlock's waitTime, or connectTimeout if
   *   that is 0. A number from 1 to Infinity.
   * @throws {NoQuorumError} they are not, with what every node says
   * @throws {ClosedError} the Redlock was closed
   * @throws {TypeError | RangeError} a bad option
   */
  async ready(options: ReadyOptions = NO_OPTIONS): Promise<void> {
    const timeout = readyTimeoutOf(this.#settings, options);
    const startedAtMs = this.#clock.uptime();
    const votes = await this.#unlessClosing(() => this.#quorum.ready(timeout));
    if (votes === undefined) return;
    const elapsedMs = this.#clock.uptime() - startedAtMs;
    throw withCallersStack(new NoQuorumError({ resources: [], votes, elapsedMs }));
  }

  /** Lists what this Redlock holds and which of its callers wait. Asks no node. */
  held(): Held {
    return heldBy(this.#settings.owner, this.#waitQueues, this.#clock);
  }

  /**
   * Declares that no lock is held on any node, and has all nodes vote at once. It is for a new deployment under
   * `quarantine: 'strict'`, a list of nodes that has changed, and nodes that were emptied on purpose. Called while a
   * lock is held, it may let a second holder in. Does nothing with `quarantine: 'off'`.
   *
   * @throws {InitializeError} some nodes could not be initialized; the others vote
   * @throws {ClosedError} the Redlock was closed
   */
  initialize(): Promise<void>;
  async initialize(...rest: readonly unknown[]): Promise<void> {
    checkNoMore(rest, 'initialize takes no argument');
    this.#acquirer.checkOpen([]);
    if (this.#settings.quarantine === 'off') return;
    const failures = await this.#quorum.initialize(this.#settings.connectTimeout);
    this.#acquirer.checkOpen([]);
    if (failures.length > 0) throw new InitializeError(failures);
  }

  /**
   * Ends everything. New calls, and those that wait, reject with a {@link ClosedError}. One that is being granted in this
   * very moment rejects too, or gives a lock that is over: released, and its signal aborted. The signals of the running
   * routines of `using` abort with one. Their locks are kept until each routine has settled, for `closeTimeout` at the
   * most, and then expire by themselves. Locks of `acquire` are released at once. At the end timers stop, and the
   * connections that this Redlock made are closed; clients that the caller handed in are not touched.
   *
   * Resolves when all of that is done, after `closeTimeout` at the latest (or about two node timeouts, if that is
   * longer). Never rejects, and may be called again. A routine of `using` that awaits it waits for itself until
   * `closeTimeout` is over: call it there without awaiting it.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Closes at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const { routines } = this.#usings;
    const { closeTimeout } = this.#settings;
    const startedAtMs = this.#clock.monotonic();
    this.#closing.abort(new ClosedError({ resources: [] }));
    this.#quorum.stopAsking();
    this.#waitQueues.endWaits();
    routines.askToStop();
    this.#releaseUnused(routines.locks);
    await routines.settled(closeTimeout);
    routines.abandon();
    const restMs = Math.max(closeTimeout, 2 * this.#releaseTimeout) - (this.#clock.monotonic() - startedAtMs);
    await this.#noLongerThan(restMs, () => this.#quorum.flush());
    this.#waitQueues.close();
    this.#quorum.close();
  }

  #releaseUnused(locks: ReadonlySet<Lock>): void {
    // The lease of a lock that its routine has released may be another caller's by now.
    const held = [...locks].filter((lock) => lock.remainingValidity() > 0);
    const used = new Set(held.map(leaseOf));
    for (const lease of [...this.#waitQueues.leases()]) if (!used.has(lease)) void lease.releaseOnNodes();
  }

  #noLongerThan(ms: number, work: () => Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(Math.max(0, ms), resolve);
      void work().then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  async #unlessClosing<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
    this.#acquirer.checkOpen([]);
    try {
      return await abortable(ask(), [this.#closing.signal], () => undefined);
    } catch (error) {
      throw withCallersStack(this.#acquirer.unlessClosed(error, []));
    }
  }

  /** The target of a question about a resource, once the nodes can be asked. */
  async #askable(resource: unknown) {
    const found = this.#spec(checkResource(resource));
    await this.#connected(found.resources);
    return found;
  }

  /** @throws {ClosedError} */
  async #connected(resources: readonly string[]): Promise<void> {
    this.#acquirer.checkOpen(resources);
    try {
      if (!this.#quorum.isConnected) await this.#acquirer.connected(undefined);
    } catch (error) {
      throw this.#acquirer.unlessClosed(error, resources);
    }
  }

  /** @param keys those of a lock that is shared; undefined: it is exclusive */
  #spec(wanted: Resources, keys?: LockKeys): LockSpec {
    const resources = normalizeResources(wanted);
    const target = keys ?? keysFor(resources, this.#settings);
    if (this.#clusters.length > 0) checkSlots(this.#clusters, target);
    return {
      resources,
      target,
      attempt: (ttl, contend) => this.#attempts.make({ resources, target, ttl }, contend),
    };
  }

  static {
    handleOn = (redlock, wanted, value, validMs) => {
      const deps = redlock.#deps;
      const { resources, target } = redlock.#spec(wanted);
      const startedAt = instant(deps.clock);
      const grant = { granted: true, votes: [], startedAt, token: 0 };
      const lease = new Lease(deps, { resources, target, value, ttl: validMs }, grant, 1);
      return new Lock(lease, Math.max(1, Math.ceil(validMs)));
    };
  }
}
