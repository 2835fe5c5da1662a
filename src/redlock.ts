import { type Clock, SystemClock } from './base/clock.ts';
import { describe } from './base/describe.ts';
import { ClosedError, InitializeError } from './base/errors.ts';
import { type Random, SystemRandom } from './base/random.ts';
import { Keeper } from './lock/keeper.ts';
import type { Lock, LockSurroundings } from './lock/lock.ts';
import { LockValues } from './lock/lock-values.ts';
import { Quorum } from './quorum/quorum.ts';
import { Attempts } from './redlock/attempts.ts';
import { Background } from './redlock/background.ts';
import { Contenders } from './redlock/contenders.ts';
import { type Inspection, inspectionOf } from './redlock/inspection.ts';
import { interruptible } from './redlock/interruptible.ts';
import { checkNodes, type NodeSource, openNodes } from './redlock/nodes.ts';
import {
  ACQUIRE_NAMES,
  type AcquireOptions,
  checkNames,
  checkSignal,
  checkTtl,
  maxHoldOf,
  nodeTimeoutFor,
  type RedlockOptions,
  resolveOptions,
  type Settings,
  TRY_ACQUIRE_NAMES,
  type TryAcquireOptions,
  ttlOf,
  USING_NAMES,
  type UsingOptions,
  waitTimeOf,
} from './redlock/options.ts';
import { type Queue, queueOf } from './redlock/queue.ts';
import {
  checkResource,
  checkSlots,
  keysFor,
  normalizeResources,
  type Resources,
} from './redlock/resources.ts';
import { emitWarning, outsideOurs, warnOfNodes } from './redlock/warnings.ts';
import { failureOf, type Wish } from './redlock/wish.ts';
import type { Client } from './wire/client.ts';
import type { LockKeys } from './wire/operation.ts';

/**
 * Locks over N independent Redis masters: a lock is held when a majority of them granted it, for as long as its
 * validity lasts. One Redlock serves a whole program; make it once and close it at the end.
 *
 * The algorithm is the one of the Redis documentation, "Distributed Locks with Redis".
 */
export class Redlock {
  readonly #settings: Settings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #clients: readonly Client[];
  readonly #quorum: Quorum;
  readonly #process: string;
  readonly #releaseTimeout: number;
  readonly #attempts: Attempts;
  readonly #contenders: Contenders;
  readonly #background = new Background();
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /**
   * Connects to the nodes whose URLs are given, and uses the clients that are given.
   *
   * @param nodes one source a node: a `redis://` or `rediss://` URL, or an ioredis client (`Redis` or `Cluster`).
   *   Every node is a master of its own; an odd number is best. All programs that share locks need the same list.
   * @throws {TypeError} a node that is none, the same node twice, an option of a wrong type or name
   * @throws {RangeError} no node, or an option out of its bounds
   */
  constructor(nodes: readonly NodeSource[], options: RedlockOptions = {}) {
    const settings = resolveOptions(options);
    checkNodes(nodes);
    this.#settings = settings;
    this.#clock = options.clock ?? new SystemClock();
    this.#random = options.random ?? new SystemRandom();
    this.#clients = openNodes(nodes);
    const warn = outsideOurs(options.onWarning ?? emitWarning);
    const usesMarker = settings.quarantine !== 'off';
    warnOfNodes(this.#clients, nodes, usesMarker, warn);
    const values = new LockValues(this.#random);
    this.#process = values.process;
    this.#quorum = new Quorum(this.#clients, {
      ...settings,
      clock: this.#clock,
      random: this.#random,
      nodeCount: this.#clients.length,
      nodeTimeout: nodeTimeoutFor(settings, settings.ttl),
      lookTimeout: settings.connectTimeout,
      usesMarker,
      warn,
    });
    this.#releaseTimeout = nodeTimeoutFor(settings, settings.ttl);
    this.#contenders = new Contenders({
      quorum: this.#quorum,
      clock: this.#clock,
      random: this.#random,
      process: this.#process,
      releaseTimeout: this.#releaseTimeout,
      background: this.#background.add,
    });
    const surroundings: LockSurroundings = {
      quorum: this.#quorum,
      clock: this.#clock,
      driftFactor: settings.driftFactor,
      checkTtl: (ttl) => checkTtl(settings, ttl),
      nodeTimeoutFor: (ttl) => nodeTimeoutFor(settings, ttl),
      releaseTimeout: this.#releaseTimeout,
      giveBack: (lock, target) => this.#contenders.giveBack(lock, target),
      background: this.#background.add,
      ended: (lock) => {
        this.#attempts.held.delete(lock);
        this.#contenders.ended(lock);
      },
    };
    const { connectTimeout } = settings;
    this.#attempts = new Attempts({ surroundings, values, connectTimeout, closing: this.#closing.signal });
  }

  /**
   * Locks a resource, or several as one: all or nothing. Waits for other holders, not for nodes: without a majority
   * of nodes it rejects at once.
   *
   * @throws {LockHeldError} somebody else holds it and waitTime is 0
   * @throws {WaitTimeoutError} somebody else held it for all of waitTime
   * @throws {NoQuorumError} too few nodes can vote
   * @throws {LockExpiredError} it was granted too slowly, and waitTime is over
   * @throws {NotALockError} the key exists and is something else
   * @throws {ClosedError} the Redlock was closed
   * @throws {TypeError | RangeError} a bad resource or option
   * @throws the reason of `options.signal`, as it is
   */
  async acquire(resources: Resources, options: AcquireOptions = {}): Promise<Lock> {
    checkNames('acquire option', options, ACQUIRE_NAMES);
    checkSignal(options.signal);
    const waitTime = waitTimeOf(this.#settings, options);
    const { wish, target } = this.#wish(resources, options, waitTime, options.signal);
    try {
      if (!this.#quorum.isConnected) await this.#connected(wish.signal);
      this.#checkOpen(wish.resources);
      options.signal?.throwIfAborted();
      if (waitTime > 0) return await this.#contenders.acquire(wish, target);
      return await this.#tryOnce(wish, (failure) => {
        throw failure;
      });
    } catch (error) {
      throw this.#unlessClosed(error, wish.resources);
    }
  }

  /**
   * Tries once to lock, without waiting.
   *
   * @returns the lock, or null if somebody else holds it
   * @throws {NoQuorumError | LockExpiredError | NotALockError | ClosedError | TypeError | RangeError} as acquire
   */
  async tryAcquire(resources: Resources, options: TryAcquireOptions = {}): Promise<Lock | null> {
    checkNames('tryAcquire option', options, TRY_ACQUIRE_NAMES);
    const { wish } = this.#wish(resources, options, 0, undefined);
    try {
      if (!this.#quorum.isConnected) await this.#connected(undefined);
      return await this.#tryOnce(wish, () => null);
    } catch (error) {
      throw this.#unlessClosed(error, wish.resources);
    }
  }

  /**
   * Runs a routine while holding a lock, and keeps the lock alive as long as it runs. If that fails, `lock.signal`
   * aborts before the validity ends; the routine should stop then.
   *
   * @returns what the routine returned; its own error is passed on. The release changes neither.
   * @throws as acquire, before the routine has started
   */
  async using<Result>(
    resources: Resources,
    options: UsingOptions,
    routine: (lock: Lock) => Result | PromiseLike<Result>,
  ): Promise<Result> {
    checkNames('using option', options, USING_NAMES);
    const { maxHold, ...acquireOptions } = options;
    const keeperTerms = { maxHold: maxHoldOf({ maxHold }) };
    if (typeof routine !== 'function') {
      throw new TypeError(`routine must be a function: got ${describe(routine)}`);
    }
    const lock = await this.acquire(resources, acquireOptions);
    const keeper = new Keeper(lock, this.#clock, keeperTerms);
    try {
      return await routine(lock);
    } finally {
      keeper.stop();
      await lock.release();
    }
  }

  /**
   * Asks every node who holds a resource. Changes nothing. Nodes that can't be asked are `unknown`, and with too many
   * of them so is the whole: it never says free when it does not know.
   *
   * @throws {TypeError | RangeError} a bad resource
   * @throws {ClosedError} the Redlock was closed
   */
  async inspect(resource: string): Promise<Inspection> {
    const { target } = await this.#askable(resource);
    const votes = await this.#quorum.inspect(target, this.#releaseTimeout);
    return inspectionOf(resource, target.keys[0] ?? '', votes);
  }

  /**
   * Tells who waits for a resource, first come first, in this process and in others. Changes nothing. It was true when
   * the nodes were asked, and is a hint: who waits decides nothing about who holds a lock.
   *
   * @throws {TypeError | RangeError} a bad resource
   * @throws {ClosedError} the Redlock was closed
   */
  async waiting(resource: string): Promise<Queue> {
    const { target, resources } = await this.#askable(resource);
    const votes = await this.#quorum.waiting(target, this.#releaseTimeout);
    return queueOf(resource, votes, {
      process: this.#process,
      callers: this.#contenders.waiting(resources),
    });
  }

  /**
   * Declares that no lock is held on any node, and has all nodes vote at once: for a new deployment under
   * `quarantine: 'strict'`, after the list of nodes has changed, or where nodes were emptied on purpose. Called while
   * somebody holds a lock, it may let a second one in. Does nothing with `quarantine: 'off'`.
   *
   * @throws {InitializeError} some nodes could not be initialized; the others vote
   * @throws {ClosedError} the Redlock was closed
   */
  async initialize(): Promise<void> {
    this.#checkOpen([]);
    if (this.#settings.quarantine === 'off') return;
    const failures = await this.#quorum.initialize(this.#settings.connectTimeout);
    this.#checkOpen([]);
    if (failures.length > 0) throw new InitializeError(failures);
  }

  /**
   * Ends everything: calls that wait reject with a {@link ClosedError}, held locks are released, timers stop, and the
   * connections that this Redlock made are closed; clients that were handed in stay open. Resolves within about two
   * node timeouts, never rejects, and may be called again.
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
    this.#closing.abort(new ClosedError({ resources: [] }));
    this.#contenders.endWaits(this.#closing.signal.reason);
    for (const lock of this.#attempts.held.all()) void lock.release();
    await this.#background.done();
    await this.#quorum.flush();
    this.#contenders.close();
    this.#quorum.close();
  }

  /** A resource that nodes are to be asked about, once they can be. */
  async #askable(resource: unknown) {
    const found = this.#target(checkResource(resource));
    this.#checkOpen(found.resources);
    if (!this.#quorum.isConnected) await this.#connected(undefined);
    return found;
  }

  #target(resources: Resources) {
    const normalized = normalizeResources(resources);
    const target = keysFor(normalized, this.#settings.keyPrefix, this.#settings.fencing);
    checkSlots(this.#clients, target);
    return { resources: normalized, target };
  }

  #wish(
    resources: Resources,
    options: TryAcquireOptions,
    waitTime: number,
    signal: AbortSignal | undefined,
  ): { readonly wish: Wish; readonly target: LockKeys } {
    const ttl = ttlOf(this.#settings, options);
    const { resources: normalized, target } = this.#target(resources);
    signal?.throwIfAborted();
    this.#checkOpen(normalized);
    const terms = { resources: normalized, target, ttl };
    const wish: Wish = {
      resources: normalized,
      ttl,
      waitTime,
      signal,
      attempt: (contention) => this.#attempts.make(terms, contention),
      nodesAnswer: (withinMs) => this.#quorum.answers(withinMs),
    };
    return { wish, target };
  }

  /** One attempt. If it is cancelled it rejects at once, and gives back what it may still get. */
  async #tryOnce<Held>(wish: Wish, held: (failure: Error) => Held): Promise<Lock | Held> {
    const startedAtMs = this.#clock.monotonic();
    const attempt = await interruptible(wish.attempt(), this.#signals(wish.signal), (late) => {
      if (late.outcome === 'acquired') void late.lock.release();
    });
    if (attempt.outcome === 'acquired') return attempt.lock;
    const failure = failureOf(attempt, wish, this.#clock.monotonic() - startedAtMs);
    if (attempt.outcome === 'held') return held(failure);
    throw failure;
  }

  #signals(signal: AbortSignal | undefined): readonly AbortSignal[] {
    return signal === undefined ? [this.#closing.signal] : [signal, this.#closing.signal];
  }

  /** Whatever fails because of close() fails with a ClosedError that names the resources. */
  #unlessClosed(error: unknown, resources: readonly string[]): unknown {
    return error === this.#closing.signal.reason ? new ClosedError({ resources }) : error;
  }

  #checkOpen(resources: readonly string[]): void {
    if (this.#closing.signal.aborted) throw new ClosedError({ resources });
  }

  async #connected(signal: AbortSignal | undefined): Promise<void> {
    const connected = this.#quorum.connected(this.#settings.connectTimeout);
    await interruptible(connected, this.#signals(signal), () => {
      // A connection is nobody's to give back.
    });
  }
}
