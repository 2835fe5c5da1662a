import { type Clock, SystemClock } from './base/clock.ts';
import { describe } from './base/describe.ts';
import { ClosedError, InitializeError } from './base/errors.ts';
import { type Random, SystemRandom } from './base/random.ts';
import { type Attempt, attempt } from './lock/attempt.ts';
import { Keeper } from './lock/keeper.ts';
import type { Lock, LockSurroundings, LockTerms } from './lock/lock.ts';
import { LockValues } from './lock/lock-values.ts';
import { Quorum } from './quorum/quorum.ts';
import { contend, failureOf, tryOnce, type Wish } from './redlock/contender.ts';
import { HeldLocks } from './redlock/held-locks.ts';
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
import { checkSlots, keysFor, normalizeResources, type Resources } from './redlock/resources.ts';
import { Turns } from './redlock/turns.ts';
import { emitWarning, outsideOurs, warnOfNodes } from './redlock/warnings.ts';
import type { Client } from './wire/client.ts';

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
  readonly #values: LockValues;
  readonly #surroundings: LockSurroundings;
  readonly #turns = new Turns();
  readonly #held = new HeldLocks();
  readonly #background = new Set<Promise<unknown>>();
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
    this.#values = new LockValues(this.#random);
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
    this.#surroundings = {
      quorum: this.#quorum,
      clock: this.#clock,
      driftFactor: settings.driftFactor,
      checkTtl: (ttl) => checkTtl(settings, ttl),
      nodeTimeoutFor: (ttl) => nodeTimeoutFor(settings, ttl),
      releaseTimeout: nodeTimeoutFor(settings, settings.ttl),
      background: (work) => this.#track(work),
      ended: (lock) => this.#held.delete(lock),
    };
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
    const wish = this.#wish(resources, options, waitTimeOf(this.#settings, options), options.signal);
    return this.#unlessClosed(wish.resources, async () => {
      await this.#connected(wish.signals);
      return contend(wish, { clock: this.#clock, random: this.#random, turns: this.#turns });
    });
  }

  /**
   * Tries once to lock, without waiting.
   *
   * @returns the lock, or null if somebody else holds it
   * @throws {NoQuorumError | LockExpiredError | NotALockError | ClosedError | TypeError | RangeError} as acquire
   */
  async tryAcquire(resources: Resources, options: TryAcquireOptions = {}): Promise<Lock | null> {
    checkNames('tryAcquire option', options, TRY_ACQUIRE_NAMES);
    const wish = this.#wish(resources, options, 0, undefined);
    return this.#unlessClosed(wish.resources, async () => {
      await this.#connected(wish.signals);
      const startedAtMs = this.#clock.monotonic();
      const attempt = await tryOnce(wish);
      if (attempt.outcome === 'acquired') return attempt.lock;
      if (attempt.outcome === 'held') return null;
      throw failureOf(attempt, wish, this.#clock.monotonic() - startedAtMs);
    });
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
    if (typeof resource !== 'string') {
      throw new TypeError(`resource must be a string: got ${describe(resource)}`);
    }
    const { target, resources } = this.#target(resource);
    this.#checkOpen(resources);
    await this.#connected([this.#closing.signal]);
    const votes = await this.#quorum.inspect(target, nodeTimeoutFor(this.#settings, this.#settings.ttl));
    return inspectionOf(resource, target.keys[0] ?? '', votes);
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
    for (const lock of this.#held.all()) void lock.release();
    while (this.#background.size > 0) await Promise.all(this.#background);
    this.#quorum.close();
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
  ): Wish {
    const ttl = ttlOf(this.#settings, options);
    const { resources: normalized, target } = this.#target(resources);
    signal?.throwIfAborted();
    this.#checkOpen(normalized);
    return {
      resources: normalized,
      ttl,
      waitTime,
      signals: signal === undefined ? [this.#closing.signal] : [signal, this.#closing.signal],
      attempt: () => this.#attempt({ resources: normalized, target, ttl }),
      nodesAnswer: (withinMs) => this.#quorum.answers(withinMs),
    };
  }

  async #attempt(terms: Omit<LockTerms, 'value'>): Promise<Attempt> {
    const result = await this.#attemptOnce(terms);
    if (result.outcome !== 'no-quorum' || this.#quorum.isConnected) return result;
    // Only this attempt showed that nodes have lost their markers. They may be new, and vote in a moment.
    await this.#quorum.connected(this.#settings.connectTimeout);
    return this.#attemptOnce(terms);
  }

  async #attemptOnce(terms: Omit<LockTerms, 'value'>): Promise<Attempt> {
    const trying = attempt(this.#surroundings, { value: this.#values.next(), ...terms });
    this.#track(trying);
    const result = await trying;
    if (result.outcome === 'acquired') this.#adopt(result.lock);
    return result;
  }

  /** A lock that was granted while the Redlock closed is given back. */
  #adopt(lock: Lock): void {
    if (this.#closing.signal.aborted) void lock.release();
    else this.#held.add(lock);
  }

  /** Whatever fails because of close() fails with a ClosedError that names the resources. */
  async #unlessClosed<Result>(resources: readonly string[], work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (error === this.#closing.signal.reason) throw new ClosedError({ resources });
      throw error;
    }
  }

  #checkOpen(resources: readonly string[]): void {
    if (this.#closing.signal.aborted) throw new ClosedError({ resources });
  }

  async #connected(signals: readonly AbortSignal[]): Promise<void> {
    if (this.#quorum.isConnected) return;
    await interruptible(this.#quorum.connected(this.#settings.connectTimeout), signals, () => {
      // A connection is nobody's to give back.
    });
  }

  #track(work: Promise<unknown>): void {
    const done = (): void => {
      this.#background.delete(tracked);
    };
    const tracked: Promise<void> = work.then(done, done);
    this.#background.add(tracked);
  }
}
