import { type AbortSignalLike, isAbortSignal } from '../base/abort-signal.ts';
import type { Clock } from '../base/clock.ts';
import { describe, describeKind, kindOf, quote, read, unreadable } from '../base/describe.ts';
import { defaultOwner, flawOf } from '../base/owner.ts';
import type { Random } from '../base/random.ts';
import type { NodeVote } from '../base/vote.ts';
import type { RedlockWarning } from '../base/warning.ts';
import { nodeTimeoutFor, validityMs } from '../lock/lease.ts';
import type { Lock } from '../lock/lock.ts';
import type { Quarantine } from '../membership/quarantine.ts';
import { CLAMP_MS } from '../node/node-settings.ts';
import { SHORTEST_TIMEOUT_MS } from '../node/node-time.ts';
import { OWN_PREFIX } from '../quorum/fencing-token.ts';
import type { DriverName } from '../wire/clients/driver.ts';
import { DRIVER_NAMES } from '../wire/clients/drivers.ts';
import { MOST_SLOTS } from '../wire/operation.ts';
import { checkWellFormed } from './resources.ts';

/** What a call does while too few nodes can vote: it waits until its waitTime is over, or rejects at once. */
export type OnOutage = 'wait' | 'reject';

/** Settings of a Redlock. All durations are in milliseconds. */
export interface RedlockOptions {
  /**
   * How long a lock lives unless a call says otherwise. Default 10 000; a positive integer, at most `maxTtl`.
   * Longer means that a lock whose holder died blocks others for longer; shorter, that a pause costs the lock.
   */
  readonly ttl?: number | undefined;
  /**
   * The largest ttl of any lock. Default 30 000; a positive integer, at most 31 536 000 000 (a year). All programs
   * that share the nodes should have the same.
   */
  readonly maxTtl?: number | undefined;
  /**
   * How long `acquire` waits for whatever stands in the way: another holder, or a majority of nodes that does not answer.
   * Default 10 000; 0 does not wait; Infinity waits for ever.
   */
  readonly waitTime?: number | undefined;
  /**
   * What `acquire` does while too few nodes can vote. Default `wait`: it goes on until `waitTime` is over, and asks them
   * as soon as they are back. `reject`: it rejects at once with a NoQuorumError.
   */
  readonly onOutage?: OnOutage | undefined;
  /**
   * The longest time that a node may have to answer before it counts as failed. Default: a quarter of the ttl; a positive
   * integer below the ttl. Within it, the time is measured for each node: its round trip and how much that varies, at
   * least 50 or a quarter of nodeTimeout. Before its first answer a node has 1,000. Too small a value turns far nodes
   * into failed ones, which is warned of.
   */
  readonly nodeTimeout?: number | undefined;
  /**
   * How long a call waits for *first* connections, if its waitTime is not over before. A call that does not wait otherwise
   * waits for them, too. Default 1 000; a positive integer.
   */
  readonly connectTimeout?: number | undefined;
  /**
   * How long `close` waits for the running routines of `using`: it aborts their signals, and keeps their locks
   * meanwhile. Default 10 000; a number from 0 to Infinity. Afterwards their locks expire by themselves. Choose less
   * than the program has between its signal to end and being killed.
   */
  readonly closeTimeout?: number | undefined;
  /**
   * Largest relative error between any two clocks' rates. Default 0.01; from 0 to 0.5. A lock's validity is shorter
   * by ttl × driftFactor. Too small a value lets two holders overlap on machines whose clocks run wrong.
   */
  readonly driftFactor?: number | undefined;
  /**
   * Put before every resource to make its Redis key. Default `lock:`; at most 1 024 characters, and it must not begin with
   * `quorlock:`. Use `''` for plain keys, which exclude other Redlock implementations that lock the same key.
   */
  readonly keyPrefix?: string | undefined;
  /**
   * Whether locks carry a fencing token. Default true. Without it, nothing can stop a late write of a holder that
   * lost its lock. Nor does an extension heal nodes that lost a key.
   */
  readonly fencing?: boolean | undefined;
  /**
   * How long a node remembers the last token of a resource that is not locked. Default 3 600 000; an integer, at
   * least `maxTtl` + 2 000. Until then the nodes' clocks alone may not tell which of two tokens is later.
   */
  readonly fenceRetention?: number | undefined;
  /**
   * What happens to a node that restarted or was emptied: it may have forgotten locks that are still held. Default
   * `auto`: it does not vote until they have expired, about `maxTtl` + 2 s. Only where *no* node has a marker is the
   * deployment new, and starts at once. `strict` waits even then, unless `initialize()` was called. `off`: it votes
   * at once, and may give a held lock away.
   */
  readonly quarantine?: Quarantine | undefined;
  /**
   * The name of this process for people who look for the holder of a lock. Every node keeps it as a part of the
   * lock's value. Errors and `inspect()` of other programs show it. Default: `<host name>:<process id>`; from 1 to 64
   * characters, no control characters. It need not be unique, and decides nothing.
   */
  readonly owner?: string | undefined;
  /**
   * The driver that connects to nodes given as URLs: `ioredis`, `redis`, `iovalkey`, `@valkey/valkey-glide`. Default: the first of these that is
   * installed. A client that is handed in brings its own.
   */
  readonly driver?: DriverName | undefined;
  /** Called with each warning of what is unsafe but works. Default: `process.emitWarning`. */
  readonly onWarning?: ((warning: RedlockWarning) => void) | undefined;
  /** Time, for tests and simulations. Default: this process's clocks. */
  readonly clock?: Clock | undefined;
  /** Chance, for tests and simulations. Default: the operating system's. */
  readonly random?: Random | undefined;
}

/** Settings of one attempt. */
export interface TryAcquireOptions {
  /** How long the lock lives, in milliseconds. Default: the Redlock's `ttl`; the same bounds. */
  readonly ttl?: number | undefined;
}

/** Bounds an `acquire` by the number of its attempts, instead of by time. */
export interface AttemptPlan {
  /** How many attempts it makes at the most: an integer from 1, or Infinity. In each, every node is asked once. */
  readonly most: number;
  /** How long to wait for a notification until the next attempt, in milliseconds. Called once for each pause. */
  readonly pauseMs: () => number;
  /** Called with what every node said in each attempt; nodes that were not waited for are `pending`. */
  readonly made?: ((votes: readonly NodeVote[]) => void) | undefined;
}

/** Settings of one `acquire`. */
export interface AcquireOptions extends TryAcquireOptions {
  /** How long to wait for another holder, or for nodes, in milliseconds. Default: the Redlock's `waitTime`. */
  readonly waitTime?: number | undefined;
  /** Whether to wait while too few nodes can vote. Default: the Redlock's `onOutage`. */
  readonly onOutage?: OnOutage | undefined;
  /**
   * Bounds the call by attempts; `waitTime` does not count then. Between two of them the caller waits in the nodes'
   * queues, and makes the next one sooner if a majority notifies it. It shares neither attempts nor leases with other
   * callers of this process. Default: none.
   */
  readonly attempts?: AttemptPlan | undefined;
  /**
   * Cancels the wait: `acquire` rejects at once with the signal's own reason and leaves no key behind. An
   * `AbortSignal`, or what behaves like one.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** Settings of one `ready`. */
export interface ReadyOptions {
  /**
   * For how long to wait, in milliseconds. Default: the Redlock's `waitTime`, or `connectTimeout` if that is 0; a number
   * from 1 to Infinity.
   */
  readonly timeout?: number | undefined;
}

/** Settings of one `using`. */
export interface UsingOptions extends AcquireOptions {
  /**
   * How long the lock is extended at the most, in milliseconds; then its signal aborts. Default Infinity: for as long
   * as the routine runs. A number from 1.
   */
  readonly maxHold?: number | undefined;
  /**
   * A lock that the caller holds, and that the routine may run under. If it is a lock of the same Redlock over all of
   * the resources, the routine gets that lock. Nothing is acquired, extended or released, and the other options do
   * not matter. Any other lock makes no difference: one is acquired beside it. A lock that is held no more rejects
   * with its own error. A read lock where a writer is to run rejects with an UpgradeError. Default: none, as null.
   */
  readonly within?: Lock | null | undefined;
}

type Given = { readonly [Name in keyof RedlockOptions]-?: Exclude<RedlockOptions[Name], undefined> };

/** Options after checks and defaults, without the ports. */
export interface Settings
  extends Omit<Given, 'nodeTimeout' | 'driver' | 'onWarning' | 'clock' | 'random'>,
    Pick<RedlockOptions, 'nodeTimeout'> {}

const YEAR_MS = 31_536_000_000;

/** A lock over many resources has it in each of its keys. */
const LONGEST_PREFIX = 1_024;

export const OPTION_NAMES = [
  'ttl',
  'maxTtl',
  'waitTime',
  'onOutage',
  'nodeTimeout',
  'connectTimeout',
  'closeTimeout',
  'driftFactor',
  'keyPrefix',
  'fencing',
  'fenceRetention',
  'quarantine',
  'owner',
  'driver',
  'onWarning',
  'clock',
  'random',
] as const satisfies readonly (keyof RedlockOptions)[];

/**
 * Checks the options of a Redlock, each and against each other, and fills in defaults. An option that is undefined
 * counts as not given.
 *
 * @throws {TypeError} a wrong type, or an option that does not exist
 * @throws {RangeError} a value out of bounds
 */
export function resolveOptions(options: RedlockOptions): Settings {
  checkNames('option', options, OPTION_NAMES);
  const maxTtl = integer('maxTtl', given(options.maxTtl, 30_000), 1, YEAR_MS);
  const ttlDefault = Math.min(10_000, maxTtl);
  const settings: Settings = {
    maxTtl,
    ttl: integer('ttl', given(options.ttl, ttlDefault), 1, maxTtl, 'maxTtl'),
    waitTime: duration('waitTime', given(options.waitTime, 10_000), 0),
    onOutage: checkOnOutage(given(options.onOutage, 'wait')),
    nodeTimeout:
      options.nodeTimeout === undefined ? undefined : integer('nodeTimeout', options.nodeTimeout, 1, YEAR_MS),
    connectTimeout: integer('connectTimeout', given(options.connectTimeout, 1_000), 1, YEAR_MS),
    closeTimeout: duration('closeTimeout', given(options.closeTimeout, 10_000), 0),
    driftFactor: number('driftFactor', given(options.driftFactor, 0.01), 0, 0.5),
    keyPrefix: prefix(given(options.keyPrefix, 'lock:')),
    fencing: boolean('fencing', given(options.fencing, true)),
    fenceRetention: integer(
      'fenceRetention',
      given(options.fenceRetention, Math.max(3_600_000, maxTtl + 2 * CLAMP_MS)),
      maxTtl + 2 * CLAMP_MS,
      10 * YEAR_MS,
    ),
    quarantine: choice('quarantine', given(options.quarantine, 'auto'), ['auto', 'strict', 'off']),
    owner: options.owner === undefined ? defaultOwner() : checkOwner(options.owner),
  };
  if (options.driver !== undefined) choice('driver', options.driver, DRIVER_NAMES);
  checkFunction('onWarning', options.onWarning);
  checkPort('clock', options.clock, ['monotonic', 'wall', 'uptime', 'after']);
  checkPort('random', options.random, ['fraction', 'identifier']);
  checkTtl(settings, settings.ttl);
  return settings;
}

export function ttlOf(settings: Settings, options: TryAcquireOptions): number {
  // The Redlock's own was checked when that was made.
  return options.ttl === undefined ? settings.ttl : checkTtl(settings, options.ttl);
}

/**
 * Checks a ttl against the bounds and against what depends on it.
 *
 * @throws {TypeError} not a number
 * @throws {RangeError} not a positive integer up to maxTtl, not above nodeTimeout, or not above the drift allowance
 */
export function checkTtl(settings: Settings, given: unknown, name = 'ttl'): number {
  const ttl = integer(name, given, 1, settings.maxTtl, 'maxTtl');
  const { nodeTimeout, driftFactor } = settings;
  if (nodeTimeout !== undefined && nodeTimeout >= ttl) {
    throw new RangeError(
      `nodeTimeout must be less than the ${name}, or a slow node uses up the lock: got nodeTimeout ${nodeTimeout} ` +
        `and ${name} ${ttl}`,
    );
  }
  const drift = ttl - validityMs(ttl, 0, driftFactor);
  if (drift >= ttl) {
    throw new RangeError(
      `${name} must be more than the ${drift} ms that clock drift may take of it (driftFactor ${driftFactor}): ` +
        `got ${ttl}`,
    );
  }
  return ttl;
}

/** The time that a node has at least: a program that raises nodeTimeout has slow nodes, or a slow machine. */
export function leastTimeoutFor({ nodeTimeout }: Settings): number {
  return Math.max(SHORTEST_TIMEOUT_MS, Math.floor((nodeTimeout ?? 0) / 4));
}

/** How long a waiter that was notified has to take its lock. */
export function graceFor(settings: Settings): number {
  return settings.nodeTimeout ?? Math.min(SHORTEST_TIMEOUT_MS, nodeTimeoutFor(settings, settings.ttl));
}

/** Checks what one call, or all of a Redlock, are to do while too few nodes can vote. */
export function checkOnOutage(onOutage: unknown): OnOutage {
  return choice('onOutage', onOutage, ['wait', 'reject']);
}

export function waitTimeOf(settings: Settings, options: AcquireOptions): number {
  return options.waitTime === undefined ? settings.waitTime : duration('waitTime', options.waitTime, 0);
}

export function readyTimeoutOf(settings: Settings, options: ReadyOptions): number {
  checkNames('ready option', options, ['timeout']);
  return duration('timeout', given(options.timeout, settings.waitTime || settings.connectTimeout), 1);
}

export function checkAttempts(attempts: AttemptPlan): void {
  checkNames('attempts option', attempts, ['most', 'pauseMs', 'made']);
  const { most, pauseMs } = attempts;
  if (most !== Number.POSITIVE_INFINITY && !(Number.isSafeInteger(most) && most >= 1)) {
    const message = `attempts.most must be an integer from 1, or Infinity: got ${describe(most)}`;
    throw typeof most === 'number' ? new RangeError(message) : new TypeError(message);
  }
  if (typeof pauseMs !== 'function') {
    throw new TypeError(`attempts.pauseMs must be a function: got ${describe(pauseMs)}`);
  }
  checkFunction('attempts.made', attempts.made);
}

/** Checks the number of permits of a semaphore: too many at once would keep the servers from other clients. */
export function checkPermits(permits: unknown, name = 'permits'): number {
  return integer(name, permits, 1, MOST_SLOTS);
}

export function maxHoldOf(options: UsingOptions): number {
  return duration('maxHold', given(options.maxHold, Number.POSITIVE_INFINITY), 1);
}

export const TRY_ACQUIRE_NAMES: readonly string[] = ['ttl'];
export const ACQUIRE_NAMES: readonly string[] = [
  ...TRY_ACQUIRE_NAMES,
  'waitTime',
  'onOutage',
  'attempts',
  'signal',
];
export const KEEP_NAMES: readonly string[] = ['maxHold'];
export const USING_NAMES: readonly string[] = [...ACQUIRE_NAMES, 'maxHold', 'within'];

export const NO_OPTIONS: Readonly<Record<string, never>> = {};

/** Checks that options are an object and have no other names than these: a misspelt setting must not be ignored. */
export function checkNames(what: string, options: unknown, names: readonly string[]): void {
  if (!isPlain(options)) {
    const takesTtl = what !== 'option' && names.includes('ttl');
    const hint = typeof options === 'number' && takesTtl ? `; a ttl is one of them, { ttl: ${options} }` : '';
    throw new TypeError(`${what}s must be an object of options: got ${describeKind(options)}${hint}`);
  }
  for (const name of read(`${what}s`, () => Object.keys(options))) {
    if (!names.includes(name)) {
      throw new TypeError(`there is no ${what} ${quote(name)}; there are ${names.join(', ')}`);
    }
  }
  let name = '';
  try {
    for (name of names) Reflect.get(options, name);
  } catch (error) {
    throw unreadable(`the ${what} ${name}`, error);
  }
}

/**
 * Checks that a call has no further arguments. What it makes may take options later: here they would be ignored.
 *
 * @param what the call, and what it takes
 * @param others where options go
 */
export function checkNoMore(rest: readonly unknown[], what: string, others = ''): void {
  if (rest.some((each) => each !== undefined)) {
    throw new TypeError(`${what}: got ${describeKind(rest[0])} besides${others}`);
  }
}

/** An array, a Map or a Promise has no names either, and would pass for options that the caller left out. */
export function isPlain(options: unknown): options is object {
  return kindOf(options) === 'Object';
}

export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !read('signal', () => isAbortSignal(signal))) {
    throw new TypeError(`signal must be an AbortSignal: got ${describe(signal)}`);
  }
}

/** The default takes the place of undefined only: null is a value, and a wrong one. */
function given<Value>(value: Value | undefined, byDefault: NoInfer<Value>): Value {
  return value === undefined ? byDefault : value;
}

export function integer(
  name: string,
  value: unknown,
  least: number,
  most: number,
  mostName?: string,
): number {
  const checked = ofType('number', name, value);
  if (!Number.isInteger(checked) || checked < least || checked > most) {
    const bound = mostName === undefined ? `${most}` : `${mostName} (${most})`;
    throw new RangeError(`${name} must be an integer from ${least} to ${bound}: got ${checked}`);
  }
  return checked;
}

function number(name: string, value: unknown, least: number, most: number): number {
  const checked = ofType('number', name, value);
  if (!(checked >= least && checked <= most)) {
    const bound = most === Number.POSITIVE_INFINITY ? `at least ${least}` : `from ${least} to ${most}`;
    throw new RangeError(`${name} must be ${bound}: got ${checked}`);
  }
  return checked;
}

export function duration(name: string, value: unknown, least: number): number {
  return number(name, value, least, Number.POSITIVE_INFINITY);
}

function prefix(value: unknown): string {
  const checked = ofType('string', 'keyPrefix', value);
  checkWellFormed('keyPrefix', checked);
  if (checked.length > LONGEST_PREFIX) {
    throw new RangeError(`keyPrefix must have at most ${LONGEST_PREFIX} characters: got ${quote(checked)}`);
  }
  if (!checked.startsWith(OWN_PREFIX)) return checked;
  const whose = `"${OWN_PREFIX}", which is the library's own`;
  throw new RangeError(`keyPrefix must not begin with ${whose}: got ${quote(checked)}`);
}

function checkOwner(value: unknown): string {
  const checked = ofType('string', 'owner', value);
  const flaw = flawOf(checked);
  if (flaw === undefined) return checked;
  throw new RangeError(`owner ${flaw}: got ${quote(checked)}`);
}

export function boolean(name: string, value: unknown): boolean {
  return ofType('boolean', name, value);
}

function choice<Value extends string>(name: string, value: unknown, values: readonly Value[]): Value {
  const chosen = values.find((candidate) => candidate === value);
  if (chosen !== undefined) return chosen;
  const message = `${name} must be one of ${values.map(describe).join(', ')}: got ${describe(value)}`;
  throw typeof value === 'string' ? new RangeError(message) : new TypeError(message);
}

function checkFunction(name: string, value: unknown): void {
  if (value !== undefined && typeof value !== 'function') {
    throw new TypeError(`${name} must be a function: got ${describe(value)}`);
  }
}

function checkPort(name: string, value: object | null | undefined, methods: readonly string[]): void {
  if (value === undefined) return;
  for (const method of methods) {
    const found: unknown = read(name, () => Reflect.get(Object(value), method));
    if (typeof found !== 'function') {
      throw new TypeError(`${name} must have a method ${method}(): got ${describe(value)}`);
    }
  }
}

interface Types {
  readonly number: number;
  readonly string: string;
  readonly boolean: boolean;
}

function ofType<Name extends keyof Types>(type: Name, name: string, value: unknown): Types[Name] {
  if (!isOfType(type, value)) throw new TypeError(`${name} must be a ${type}: got ${describe(value)}`);
  return value;
}

function isOfType<Name extends keyof Types>(type: Name, value: unknown): value is Types[Name] {
  return typeof value === type;
}
