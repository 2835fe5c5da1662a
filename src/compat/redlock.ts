import { EventEmitter, errorMonitor } from 'node:events';
import { isolated } from '../base/callback.ts';
import { type Clock, SystemClock } from '../base/clock.ts';
import { describe, read } from '../base/describe.ts';
import { ExtendFailedError, QuorlockError } from '../base/errors.ts';
import { type Random, SystemRandom } from '../base/random.ts';
import { SharedTimers } from '../base/shared-timers.ts';
import type { NodeVote } from '../base/vote.ts';
import { AutoExtend } from '../lock/auto-extend.ts';
import { type Lock as CoreLock, extendLock, leaseOf } from '../lock/lock.ts';
import { majorityOf } from '../quorum/round.ts';
import type { NodeSource } from '../redlock/nodes.ts';
import type { AttemptPlan, RedlockOptions } from '../redlock/options.ts';
import { Redlock as Core, handleOn } from '../redlock.ts';

/** What each client said in one attempt. Clients that were not waited for are in neither. */
export type ExecutionStats = {
  readonly membershipSize: number;
  readonly quorumSize: number;
  readonly votesFor: Set<NodeSource>;
  readonly votesAgainst: Map<NodeSource, Error>;
};

export type ExecutionResult = {
  attempts: ReadonlyArray<Promise<ExecutionStats>>;
  start: number;
};

export type ClientExecutionResult = { client: NodeSource } & (
  | { vote: 'for'; value: number }
  | { vote: 'against'; error: Error }
);

/** The settings of node-redlock and its fork. All durations are in milliseconds. */
export interface Settings {
  /** See `driftFactor` of {@link RedlockOptions}; of the whole Redlock, not of one call. Default 0.01. */
  readonly driftFactor: number;
  /** How many attempts are made after the first one, at the most. Default 10; -1: any number. */
  readonly retryCount: number;
  /** How long a waiter waits for a notification until its next attempt. Default 200. */
  readonly retryDelay: number;
  /** At random, so much is added to that or taken off. Default 100. */
  readonly retryJitter: number;
  /** `using` refuses a duration that is not 100 ms longer. Default 500. It extends when half of the duration is left. */
  readonly automaticExtensionThreshold: number;
}

/** The settings of a whole Redlock. */
export interface RedlockSettings extends Partial<Settings> {
  /** The database of the keys. Default: that of each client. An integer from 0; not with a Cluster. */
  readonly db?: number | undefined;
  /**
   * Options of the Redlock below. The defaults of this entry: `keyPrefix: ''`, `quarantine: 'off'`, `fencing: false`, as
   * the libraries that it takes the place of; and a `maxTtl` of a year.
   */
  readonly quorlock?: RedlockOptions | undefined;
}

/** Scripts of one's own. They are not run. */
export type Scripts = {
  readonly [Name in 'acquireScript' | 'extendScript' | 'releaseScript']?:
    | string
    | ((script: string) => string);
};

/** Aborts when the lock is lost; `error` says why. */
export type RedlockAbortSignal = AbortSignal & { error?: Error };

/** What a routine of `using` gets beside its signal: the lock after its last extension, and how many there were. */
export interface RedlockUsingContext {
  lock: Lock;
  extensions: number;
}

type Duplicable = { duplicate(options: object): NodeSource };
type Routine<Result> = (signal: RedlockAbortSignal, context: RedlockUsingContext) => Promise<Result>;

const DEFAULTS: Settings = {
  driftFactor: 0.01,
  retryCount: 10,
  retryDelay: 200,
  retryJitter: 100,
  automaticExtensionThreshold: 500,
};
const SETTING_NAMES = Object.keys(DEFAULTS) as (keyof Settings)[];

const YEAR_MS = 31_536_000_000;
/** A lock that was made by hand may be the first that this Redlock has to do with. */
const CONNECTED_WITHIN_MS = 1_000;

/** Another lock has a resource, on one client. */
export class ResourceLockedError extends Error {
  override readonly name = 'ResourceLockedError';
}

const MOST_CLIENTS = 1_000;

/** A call that no majority of clients agreed to. Its `cause` says whether another has the lock, or clients fail. */
export class ExecutionError extends Error {
  override readonly name = 'ExecutionError';
  readonly attempts: ReadonlyArray<Promise<ExecutionStats>>;

  constructor(message: string, attempts: ReadonlyArray<Promise<ExecutionStats>>, options?: ErrorOptions) {
    super(message, options);
    this.attempts = attempts;
  }
}

/** The locks below. One that a program made by hand has none until it is extended or released. */
const cores = new WeakMap<Lock, CoreLock>();

/** An acquired lock, or one that a program makes by hand of what it knows. */
export class Lock {
  readonly redlock: Redlock;
  readonly resources: string[];
  readonly value: string;
  readonly attempts: ReadonlyArray<Promise<ExecutionStats>>;
  readonly settings: Partial<Settings> | undefined;
  /** Until when it is valid, in milliseconds since the Unix epoch, however the wall clock steps; 0 once it is over. */
  declare expiration: number;

  constructor(
    redlock: Redlock,
    resources: string[],
    value: string,
    attempts: ReadonlyArray<Promise<ExecutionStats>>,
    expiration: number,
    settings?: Partial<Settings>,
  ) {
    this.redlock = redlock;
    this.resources = resources;
    this.value = value;
    this.attempts = attempts;
    this.settings = settings;
    let stated = expiration;
    Object.defineProperty(this, 'expiration', {
      enumerable: true,
      get: () => {
        const core = cores.get(this);
        if (stated === 0 || core === undefined) return stated;
        const leftMs = core.remainingValidity();
        return leftMs > 0 ? Math.floor(leaseOf(core).deps.clock.wall() + leftMs) : 0;
      },
      set: (value: number) => {
        stated = value;
      },
    });
  }

  async release(): Promise<ExecutionResult> {
    return await this.redlock.release(this);
  }

  async extend(duration: number): Promise<Lock> {
    return await this.redlock.extend(this, duration, this.settings);
  }
}

/**
 * node-redlock 5, to be used in its place: the same names, settings and keys, on quorlock's protocol. Its locks and
 * those of node-redlock 4 and 5 exclude each other on the same clients.
 */
export class Redlock extends EventEmitter {
  readonly clients: Set<NodeSource>;
  readonly settings: Settings;
  readonly #core: Core;
  readonly #clock: Clock;
  readonly #random: Random;

  /**
   * @param clients ioredis clients, one for each master; whatever else can be a node will do
   * @throws {Error} no client
   * @throws {TypeError | RangeError} a client, or a setting, that is none
   */
  constructor(clients: Iterable<NodeSource>, settings: RedlockSettings = {}, scripts: Scripts = {}) {
    super();
    // An error event without a listener would end the process.
    this.on('error', () => undefined);
    this.clients = new Set(read('clients', () => listed(clients)));
    if (this.clients.size === 0)
      throw new Error('Redlock must be instantiated with at least one redis client.');
    this.settings = withSettings(DEFAULTS, settings);
    const { clock, random, db, quorlock } = read('settings', () => {
      const { quorlock, db } = settings;
      return { clock: quorlock?.clock, random: quorlock?.random, db, quorlock };
    });
    this.#clock = clock ?? new SystemClock();
    this.#random = random ?? new SystemRandom();
    const nodes = [...this.clients].map((client) => inDatabase(client, db));
    const { driftFactor } = this.settings;
    const plain = { keyPrefix: '', quarantine: 'off', fencing: false, maxTtl: YEAR_MS, driftFactor } as const;
    this.#core = new Core(nodes, { ...plain, ...quorlock });
    const own = Object.keys(scripts).join(', ');
    const warning = `quorlock/redlock does not run scripts of one's own: ${own}`;
    if (own !== '') process.emitWarning(warning, { code: 'QUORLOCK_SCRIPTS' });
  }

  /** As `close()` of the Redlock below; and then `quit()` of each client. */
  async quit(): Promise<void> {
    await this.#core.close();
    await Promise.all([...this.clients].map((client) => (client as { quit?(): unknown }).quit?.()));
  }

  /**
   * Locks the resources for `duration` milliseconds. Makes at most `retryCount + 1` attempts, each one round; between
   * two of them it waits in the nodes' queues.
   *
   * @throws {ExecutionError} no attempt got it
   */
  async acquire(resources: string[], duration: number, settings?: Partial<Settings>): Promise<Lock> {
    checkDuration(duration);
    const { plan, attempts } = this.#plan(this.#settingsOf(settings));
    try {
      const lock = await this.#core.acquire(resources, { ttl: duration, attempts: plan });
      return this.#lockOn(lock, [resources].flat(), attempts, settings);
    } catch (error) {
      throw executionError(error, attempts);
    }
  }

  /**
   * Releases a lock. That it has expired is no error.
   * @throws {ExecutionError} too few clients have confirmed it; they are asked again in the background
   */
  async release(lock: Lock, _settings?: Partial<Settings>): Promise<ExecutionResult> {
    const start = this.#clock.wall();
    const core = await this.#coreOf(lock);
    lock.expiration = 0;
    const { freed, votes } = await core.release();
    const attempts = [Promise.resolve(this.#statsOf(votes))];
    if (freed) return { attempts, start };
    throw new ExecutionError(NO_QUORUM, attempts);
  }

  /**
   * Extends a lock to `duration` milliseconds from now.
   * @returns a new lock; the old one's expiration is 0
   * @throws {ExecutionError} it is over, or no majority agreed while it was valid
   */
  async extend(existing: Lock, duration: number, settings?: Partial<Settings>): Promise<Lock> {
    checkDuration(duration);
    if (read('lock', () => existing.expiration) <= this.#clock.wall()) {
      throw new ExecutionError('Cannot extend an already-expired lock.', []);
    }
    const core = await this.#coreOf(existing);
    const { plan, attempts } = this.#plan(this.#settingsOf(settings));
    leaseOf(core).deps.checkTtl(duration);
    for (let left = plan.most - 1; ; left -= 1) {
      try {
        plan.made?.(await extendLock(core, duration));
        const extended = this.#lockOn(core, existing.resources, attempts, settings ?? existing.settings);
        existing.expiration = 0;
        return extended;
      } catch (error) {
        if (error instanceof QuorlockError && error.votes.length > 0) plan.made?.(error.votes);
        if (!(error instanceof ExtendFailedError) || left <= 0) throw executionError(error, attempts);
      }
      const pauseMs = Math.min(plan.pauseMs(), core.remainingValidity());
      await new Promise<void>((resolve) => this.#clock.after(pauseMs, resolve));
    }
  }

  /**
   * Runs a routine under a lock, and extends the lock meanwhile. Its signal aborts a little before the lock ends, if it
   * can't be extended; `signal.error` says why.
   *
   * @returns what the routine returned; its own error is passed on. The release changes neither.
   * @throws {ExecutionError} as acquire, before the routine has started
   */
  async using<Result>(
    resources: string[],
    duration: number,
    ...[first, second]: [settings: Partial<Settings>, routine?: Routine<Result>] | [routine: Routine<Result>]
  ): Promise<Result> {
    checkDuration(duration);
    const given = typeof first === 'function' ? undefined : first;
    const routine = second ?? first;
    if (typeof routine !== 'function') throw new Error('INVARIANT: routine is not a function.');
    if (this.#settingsOf(given).automaticExtensionThreshold > duration - 100) throw new Error(TOO_SHORT);
    const lock = await this.acquire(resources, duration, given);
    const core = await this.#coreOf(lock);
    const context: RedlockUsingContext = { lock, extensions: 0 };
    const extend = async () => {
      // The routine may have extended it itself: then context.lock is over. The next try is the auto-extension's.
      const current = this.#lockOn(core, lock.resources, lock.attempts, given);
      context.lock = await this.extend(current, duration, { ...given, retryCount: 0 });
      context.extensions += 1;
    };
    const terms = { maxHold: Number.POSITIVE_INFINITY, extend };
    const extension = new AutoExtend(core, new SharedTimers(leaseOf(core).deps.clock), terms);
    try {
      const { signal } = core;
      const error = { configurable: true, get: () => (signal.aborted ? signal.reason : undefined) };
      const told = Object.defineProperty(signal, 'error', error) as RedlockAbortSignal;
      // quit() keeps the lock until the routine has settled, as close() does.
      return await this.#core.using(core.resources, { within: core }, () => routine(told, context));
    } finally {
      extension.stop();
      await this.release(context.lock).catch(() => undefined);
    }
  }

  #settingsOf(settings: Partial<Settings> | undefined): Settings {
    const all = withSettings(this.settings, settings);
    if (all.driftFactor === this.settings.driftFactor) return all;
    throw new RangeError(
      `driftFactor is that of the whole Redlock, ${this.settings.driftFactor}: one call can't have ${all.driftFactor}`,
    );
  }

  #plan({ retryCount, retryDelay, retryJitter }: Settings) {
    const attempts: Promise<ExecutionStats>[] = [];
    const plan: AttemptPlan = {
      most: retryCount === -1 ? Number.POSITIVE_INFINITY : retryCount + 1,
      pauseMs: () => Math.max(0, retryDelay + (this.#random.fraction() * 2 - 1) * retryJitter),
      made: (votes) => void attempts.push(Promise.resolve(this.#statsOf(votes))),
    };
    return { plan, attempts };
  }

  #lockOn(core: CoreLock, resources: string[], attempts: Lock['attempts'], settings: Lock['settings']): Lock {
    const expiration = this.#clock.wall() + core.remainingValidity();
    const lock = new Lock(this, resources, core.value, attempts, expiration, settings);
    cores.set(lock, core);
    return lock;
  }

  async #coreOf(lock: Lock): Promise<CoreLock> {
    const known = cores.get(lock);
    if (known !== undefined) return known;
    checkLock(lock);
    const made = handleOn(this.#core, lock.resources, lock.value, lock.expiration - this.#clock.wall());
    cores.set(lock, made);
    await leaseOf(made).deps.quorum.connected(CONNECTED_WITHIN_MS);
    return made;
  }

  /** Counts votes, and emits what clients failed with. That another has a lock is no error. */
  #statsOf(votes: readonly NodeVote[]): ExecutionStats {
    const membershipSize = this.clients.size;
    const votesFor = new Set<NodeSource>();
    const votesAgainst = new Map<NodeSource, Error>();
    [...this.clients].forEach((client, index) => {
      const vote = votes[index];
      if (vote?.outcome === 'granted') votesFor.add(client);
      else if (vote !== undefined && vote.outcome !== 'pending') votesAgainst.set(client, errorOf(vote));
      if (vote?.outcome !== 'failed') return;
      // emit() would leave out those after one that throws, and drop what one rejects with.
      for (const listener of [errorMonitor, 'error'].flatMap((name) => this.rawListeners(name))) {
        isolated('a listener for "error"', () => listener.call(this, votesAgainst.get(client)));
      }
    });
    return { membershipSize, quorumSize: majorityOf(membershipSize), votesFor, votesAgainst };
  }
}

export default Redlock;
const TOO_SHORT =
  'A lock `duration` must be at least 100ms greater than the `automaticExtensionThreshold` setting.';
const NO_QUORUM = 'The operation was unable to achieve a quorum during its retry window.';

/** What undefined is given for is the default, as if it were not there. */
function withSettings(defaults: Settings, given: Partial<Settings> = {}): Settings {
  const settings = { ...defaults };
  for (const name of SETTING_NAMES) {
    const value: unknown = read('settings', () => given[name]) ?? defaults[name];
    const isCount = name === 'retryCount';
    const isValid =
      typeof value === 'number' && (isCount ? Number.isInteger(value) && value >= -1 : value >= 0);
    if (isValid) settings[name] = value;
    else
      throw new RangeError(
        `${name} must be ${isCount ? 'an integer from -1' : 'a number from 0'}: got ${describe(value)}`,
      );
  }
  return settings;
}

function checkDuration(duration: number): void {
  if (!Number.isInteger(duration)) throw new Error('Duration must be an integer value in milliseconds.');
}

/** An iterable may have no end. @throws {RangeError} */
function listed(clients: Iterable<NodeSource>): readonly NodeSource[] {
  const all: NodeSource[] = [];
  for (const client of clients) {
    if (all.length === MOST_CLIENTS)
      throw new RangeError(`clients must be ${MOST_CLIENTS} at the most: got more`);
    all.push(client);
  }
  return all;
}

/** A program may have made it by hand. */
function checkLock(lock: Lock): void {
  const isOne = read('lock', () => {
    const { resources, value, expiration } = lock;
    return Array.isArray(resources) && typeof value === 'string' && Number.isFinite(expiration);
  });
  if (isOne && lock.value !== '') return;
  throw new TypeError(
    `lock must have resources, an expiration and a value that is not empty: got ${describe(lock)}`,
  );
}

/** The source of a node in another database than its own. */
function inDatabase(client: NodeSource, db: number | undefined): NodeSource {
  if (db === undefined) return client;
  if (!Number.isInteger(db) || db < 0)
    throw new RangeError(`db must be an integer from 0: got ${describe(db)}`);
  if (typeof client === 'string' || client instanceof URL) {
    const url = new URL(client);
    url.pathname = `/${db}`;
    return url;
  }
  if (!('isCluster' in client && 'duplicate' in client) || client.isCluster === true) {
    throw new TypeError('db can be set with URLs and clients of ioredis only, and not with a Cluster');
  }
  // It only says how to connect, and never does so itself.
  return (client as unknown as Duplicable).duplicate({ db, lazyConnect: true });
}

function errorOf(vote: NodeVote): Error {
  if (vote.outcome === 'failed') return new Error(`${vote.node}: ${vote.message}`);
  return new ResourceLockedError(
    `The operation was not applied: on ${vote.node} the lock is ${vote.outcome}.`,
  );
}

/** The error of a call; bad arguments stay what they are. */
function executionError(error: unknown, attempts: ReadonlyArray<Promise<ExecutionStats>>): unknown {
  return error instanceof QuorlockError ? new ExecutionError(NO_QUORUM, attempts, { cause: error }) : error;
}
