import { inspect } from 'node:util';
import type { LockMode } from '../base/diagnostics.ts';
import type { FailureReason, Reply } from '../base/vote.ts';

/** The keys of one lock on a node. */
export interface LockKeys {
  readonly keys: readonly string[];
  /** The fence counters that belong to `keys`, in the same order; empty for a lock without fencing. */
  readonly fences: readonly string[];
  /** The queues of the waiters for `keys`, in the same order. A queue exists only while a waiter is in it. */
  readonly queues: readonly string[];
  /** Of a shared lock: the set of the values that share the one key. Undefined: it is an exclusive lock. */
  readonly sharers?: string | undefined;
  /** Where the one key is a slot of a semaphore: which one, and of how many. All slots have one queue. */
  readonly permit?: { readonly slot: number; readonly of: number } | undefined;
}

export function modeOf({ sharers, permit }: LockKeys): LockMode {
  if (sharers !== undefined) return 'shared';
  return permit === undefined ? 'exclusive' : 'semaphore';
}

/** The most slots of a semaphore: a node looks at all of them at once. */
export const MOST_SLOTS = 1_000;

/**
 * How many fencing tokens an ACQUIRE takes, for the callers of a process that have the lock one after the other. A
 * node raises its counter by at least as many: blocks of two leases never overlap. A larger block spares more
 * hand-overs between processes, which cost some milliseconds each. With this one, four processes that hold a lock for
 * a millisecond each time all have their turn within an eighth of a second.
 */
export const TOKENS_A_LEASE = 32;

/** The number of characters of keys that is as much work as one key. */
const LONG_KEY = 1_024;

/** A waiter, as the nodes know it. */
export interface Waiter {
  /** `<process>.<waiter>`, see `lua/queue.lua`. */
  readonly member: string;
  /** When its caller called `acquire`: microseconds of the nodes' time. A node notifies the earliest first. */
  readonly since: number;
}

export interface Acquire extends LockKeys {
  readonly kind: 'acquire';
  readonly value: string;
  readonly ttl: number;
  /** The proposed token, microseconds. */
  readonly proposal: number;
  /**
   * The waiter that enters the queue if this is refused; undefined: none does. It is left out for a node whose
   * notifications do not reach this process.
   */
  readonly waiter?: Waiter | undefined;
  /** Of a share: a lock value of this process whose key this attempt takes over. */
  readonly previous?: string | undefined;
}

interface Confirm extends LockKeys {
  readonly kind: 'confirm';
  readonly value: string;
  readonly token: number;
}

interface Extend extends LockKeys {
  readonly kind: 'extend';
  readonly value: string;
  readonly ttl: number;
  readonly token: number;
  /** The lock value, handed over by another process, whose keys go over to this one. Undefined: this one has them. */
  readonly previous?: string | undefined;
}

export interface Release extends LockKeys {
  readonly kind: 'release';
  readonly value: string;
}

interface Inspect extends LockKeys {
  readonly kind: 'inspect';
}

interface Enter extends LockKeys {
  readonly kind: 'enter';
  readonly waiter: Waiter;
}

export interface Leave extends LockKeys {
  readonly kind: 'leave';
  readonly member: string;
  /** Another process says so: it was notified and does not come, and its whole process may hang. */
  readonly isHung?: boolean;
}

interface Waiting extends LockKeys {
  readonly kind: 'waiting';
}

/** What a node has to hear of sooner or later, though no caller waits for it: a release, or the end of a wait. */
export type Owed = Release | Leave;

/** What a quorum asks of one node, in one of its forms. */
export type Operation = Acquire | Confirm | Extend | Release | Inspect | Enter | Leave | Waiting;

export function isOwed(operation: Operation): operation is Owed {
  return operation.kind === 'release' || operation.kind === 'leave';
}

/** Whether it takes or keeps a key for a lock value. */
export function isTaking(operation: Operation): operation is Acquire | Confirm | Extend {
  const { kind } = operation;
  return kind === 'acquire' || kind === 'confirm' || kind === 'extend';
}

/** How much there is to do for an operation over these keys: their number, or more if they are very long. */
export function weightOf({ keys }: Pick<LockKeys, 'keys'>): number {
  let characters = 0;
  for (const key of keys) characters += key.length;
  return Math.max(keys.length, Math.ceil(characters / LONG_KEY));
}

/** The operations whose outcome does not depend on the node's TIME. */
export const UNTIMED: ReadonlySet<Operation['kind']> = new Set(['release', 'leave', 'waiting']);

export function failed(reason: FailureReason, message: string): Reply {
  return { outcome: 'failed', reason, message };
}

/** All keys an operation touches, in the order the script reads them. */
export function keysOf(operation: Operation): readonly string[] {
  const { kind, keys, fences, queues, sharers, permit } = operation;
  if (sharers !== undefined && isOfLock(operation)) {
    return kind === 'release' ? keys.concat(queues, sharers) : keys.concat(fences, queues, sharers);
  }
  if (permit !== undefined && kind === 'inspect') return keys.concat(queues);
  switch (kind) {
    case 'acquire':
      return keys.concat(fences, queues);
    case 'confirm':
    case 'extend':
    case 'inspect':
      return fences.length > 0 ? keys.concat(fences) : keys;
    case 'release':
    case 'enter':
    case 'leave':
    case 'waiting':
      return keys.concat(queues);
  }
}

/** Whether it takes, confirms, extends or releases a lock: on a shared lock it is another operation then. */
function isOfLock({ kind }: Operation): boolean {
  return kind === 'acquire' || kind === 'confirm' || kind === 'extend' || kind === 'release';
}

/**
 * The arguments of one operation, see `lua/batch.lua`.
 *
 * @param isHeard whether this process hears the node's notifications; if not, the node must not enter its waiters
 */
export function encode(operation: Operation, isHeard: boolean): readonly (string | number)[] {
  const { kind, keys, permit } = operation;
  switch (kind) {
    case 'acquire': {
      const { value, ttl, fences, waiter, previous, sharers } = operation;
      const number = fences.length > 0 ? operation.proposal : '';
      const isPlain = permit === undefined && sharers === undefined;
      if (isPlain && (waiter === undefined || !isHeard)) return [kind, keys.length, value, ttl, number];
      const { member, since } = isHeard && waiter !== undefined ? waiter : NO_WAITER;
      const rest = [keys.length, value, ttl, number];
      if (permit !== undefined) return ['permit', ...rest, member, since, permit.of];
      if (sharers !== undefined) return ['share', ...rest, member, since, previous ?? ''];
      return ['contend', ...rest, member, since, ''];
    }
    case 'extend': {
      const { value, ttl, token, previous, sharers } = operation;
      const rest = [keys.length, value, ttl, ifFenced(operation, token)];
      if (previous === undefined) return [nameOf(operation), ...rest];
      return [sharers === undefined ? 'adopt' : 'adopt-share', ...rest, '', '', previous];
    }
    case 'confirm':
      return [nameOf(operation), keys.length, operation.value, 0, operation.token];
    case 'release':
      return [operation.sharers === undefined ? kind : 'release-share', keys.length, operation.value, 0, ''];
    case 'inspect':
      if (permit !== undefined) return ['inspect-permit', keys.length, '', permit.of, ''];
      return [kind, keys.length, '', 0, ifFenced(operation, 0)];
    case 'enter':
      return [kind, keys.length, operation.waiter.member, operation.waiter.since, ''];
    case 'leave':
      if (permit !== undefined) return ['leave-permit', keys.length, operation.member, permit.of, ''];
      return [kind, keys.length, operation.member, operation.isHung === true ? 1 : 0, ''];
    case 'waiting':
      return [kind, keys.length, '', 0, ''];
  }
}

function nameOf({ kind, sharers }: Operation): string {
  return sharers === undefined ? kind : `${kind}-share`;
}

const NO_WAITER = { member: '', since: '' } as const;

function ifFenced(operation: LockKeys, number: number): number | '' {
  return operation.fences.length > 0 ? number : '';
}

/** The number, out of range or not a whole one, for which an operation must not be sent. Undefined: none. */
export function badNumberIn(operation: Operation): string | undefined {
  const { kind, permit } = operation;
  if (permit !== undefined && !(isCount(permit.of, 1) && permit.of <= MOST_SLOTS))
    return `permits ${permit.of}`;
  if (kind === 'acquire' || kind === 'extend') {
    if (!isCount(operation.ttl, 1)) return `ttl ${operation.ttl}`;
  }
  if (kind === 'acquire' && !isCount(operation.proposal)) return `proposed token ${operation.proposal}`;
  if (kind === 'confirm' || (kind === 'extend' && operation.fences.length > 0)) {
    if (!isCount(operation.token, 1)) return `token ${operation.token}`;
  }
  const waiter = kind === 'acquire' || kind === 'enter' ? operation.waiter : undefined;
  return waiter === undefined || isCount(waiter.since) ? undefined : `time of asking ${waiter.since}`;
}

/** No TIME of a node is later, in microseconds: the year 2223. Beyond it, doubles would not hold sums exactly. */
const LATEST_TIME_US = 8e15;

/** Whether a value is a whole number that a double holds exactly. */
export function isCount(value: unknown, least = 0): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** Whether a value is a server's TIME in microseconds. */
export function isTimeUs(value: unknown): value is number {
  return isCount(value, 1) && value <= LATEST_TIME_US;
}

/** An answer that the library can't make use of. */
export class MalformedAnswerError extends Error {
  constructor(answer: unknown) {
    super(`an answer that is none of the script's: ${inspect(answer, SHORT)}`);
  }
}

const SHORT = {
  depth: 1,
  maxArrayLength: 8,
  maxStringLength: 80,
  breakLength: Number.POSITIVE_INFINITY,
} as const;

/**
 * Checks the numbers of a call's header.
 *
 * @throws {RangeError} one is not a whole number, or out of range
 */
export function checkNumbers(numbers: readonly (string | number)[]): void {
  for (const number of numbers) {
    if (typeof number === 'number' && !isCount(number)) {
      throw new RangeError(`nothing is sent with ${number} in it: it must be a whole number`);
    }
  }
}

/*
 * The library makes use of a server's answer only when all of it is in its script's form. Something else may answer
 * in the server's place: a proxy, a transaction, a driver's transformer. A malformed number would spoil tokens and
 * clocks for good.
 */

/**
 * Checks the whole answer to a call of the batch script, see `lua/batch.lua`, and turns it into replies.
 *
 * @param pending the operations of the call, in the order in which they were sent
 * @param isTimed whether the server was to tell its TIME
 * @returns one reply for each operation
 * @throws {MalformedAnswerError} it is not in the script's form
 */
export function readAnswer(
  answer: unknown,
  pending: readonly { readonly operation: Operation }[],
  isTimed: boolean,
): readonly Reply[] {
  if (!Array.isArray(answer) || answer.length !== pending.length + 1) throw new MalformedAnswerError(answer);
  const elements: readonly unknown[] = answer;
  if (isTimed ? !isTimeUs(elements[0]) : elements[0] !== 0) throw new MalformedAnswerError(answer);
  const replies: Reply[] = [];
  for (const { operation } of pending) {
    const element = elements[replies.length + 1];
    if (!isReplyTo(operation, element)) throw new MalformedAnswerError(element);
    // Most are a number alone.
    if (typeof element === 'number')
      replies.push(element === 1 ? DONE : { outcome: 'granted', counter: element });
    else replies.push(decode(element));
  }
  return replies;
}

/** Whether an element is a possible reply to the operation; `lua/prelude.lua` names the codes. */
function isReplyTo(operation: Operation, element: unknown): boolean {
  const { kind } = operation;
  if (typeof element === 'number') {
    const least = kind === 'release' || operation.fences.length > 0 ? 1 : 0;
    return (kind === 'acquire' || kind === 'release') && isCount(element, least);
  }
  if (!Array.isArray(element)) return false;
  const [code, first, second, third]: readonly unknown[] = element;
  const { length } = element;
  switch (code) {
    case 1:
      return (
        kind !== 'inspect' &&
        kind !== 'waiting' &&
        isGranted(operation, first) &&
        (length === 2 ||
          (length === 3 && kind === 'release' && second === 1) ||
          (length === 4 && kind === 'acquire' && second === 0 && isCount(third, 1)))
      );
    case 2:
      if (kind === 'inspect')
        return length === 4 && isCount(first) && typeof second === 'string' && isCount(third);
      if (kind === 'acquire' && operation.permit !== undefined)
        return isRefusal(element) && length === 5 && isCount(third) && isListOfCounts(element[4]);
      return isRefusal(element) && (length === 3 || (kind === 'acquire' && isQueued(element)));
    case 10:
      return kind === 'acquire' && isRefusal(element) && (length === 3 || isQueued(element));
    case 3:
      if (kind === 'inspect') return length === 2 && isCount(first);
      return length === 1 || (length === 3 && kind === 'release' && first === 0 && second === 1);
    case 4:
    case 8:
      return length === 2 && typeof first === 'string';
    case 5:
      return length === 2 && isCount(first, 1);
    case 6:
    case 7:
      return length === 1;
    case 9:
      return (
        kind === 'waiting' &&
        length % 2 === 1 &&
        element.every((field, at) => at === 0 || typeof field === 'string')
      );
    default:
      return false;
  }
}

function isListOfCounts(text: unknown): boolean {
  return typeof text === 'string' && /^(\d+(,\d+)*)?$/.test(text);
}

/** Whether it begins with for how long the key is held, and who holds it. */
function isRefusal([, remaining, holder]: readonly unknown[]): boolean {
  return isCount(remaining) && typeof holder === 'string';
}

/** Whether a refusal says where the waiter is: its rank, in how many queues, and perhaps when to ask again. */
function isQueued(refusal: readonly unknown[]): boolean {
  const { length } = refusal;
  return (length === 5 || length === 6) && refusal.slice(3).every((field) => isCount(field));
}

/** Whether a number is a possible grant: a token where there is one. */
function isGranted(operation: Operation, counter: unknown): boolean {
  const { kind, fences } = operation;
  const hasToken = kind === 'confirm' || ((kind === 'acquire' || kind === 'extend') && fences.length > 0);
  return isCount(counter, hasToken || kind === 'release' ? 1 : 0);
}

type Held = Extract<Reply, { outcome: 'held' }>;

function heldIn([, remaining, owner, first, second, again]: readonly unknown[]): Held {
  const remainingTtl = Number(remaining);
  // Only INSPECT answers with as many fields, and with the value itself.
  if (first !== undefined && second === undefined)
    return { outcome: 'held', remainingTtl, value: String(owner), counter: Number(first) };
  const held: Held = { outcome: 'held', remainingTtl, ...holderIn(String(owner)) };
  if (first === undefined) return held;
  if (typeof second === 'string') return { ...held, rank: Number(first), open: numbersIn(second) };
  const queued = { ...held, rank: Number(first), queues: Number(second) };
  return again === undefined ? queued : { ...queued, againMs: Number(again) };
}

/** Who holds a key: sharers, or the owner that its value names, if it names one. */
function holderIn(holder: string): Pick<Held, 'holder' | 'isShared'> {
  if (holder === '') return {};
  return holder === '&' ? { isShared: true } : { holder };
}

/** The table that turns the script's answers into replies; `lua/prelude.lua` names the codes. */
const decoders: Readonly<Record<number, (fields: readonly unknown[]) => Reply>> = {
  1: ([, counter, notified, others]) => {
    const granted = { outcome: 'granted', counter: Number(counter) } as const;
    if (others !== undefined) return { ...granted, others: Number(others) };
    return notified === undefined ? granted : { ...granted, notified: true };
  },
  2: heldIn,
  3: ([, counter, notified]) => {
    if (counter === undefined) return { outcome: 'missing' };
    if (notified === undefined) return { outcome: 'missing', counter: Number(counter) };
    return { outcome: 'missing', notified: true };
  },
  4: ([, type]) => ({ outcome: 'foreign', type: String(type) }),
  5: ([, counter]) => ({ outcome: 'superseded', counter: Number(counter) }),
  6: () => failed('late', 'the operation arrived after its deadline'),
  7: () => failed('quarantined', 'the node may not vote: its marker is missing, not active, or another one'),
  8: ([, message]) => failed('error', String(message)),
  10: (fields) => ({ ...heldIn(fields), isBehindWriter: true }),
  9: ([, ...pairs]) => ({ outcome: 'granted', counter: pairs.length / 2, waiters: waitersIn(pairs) }),
};

/** A member whose score is not a time was entered by something else. */
function waitersIn(pairs: readonly unknown[]): readonly Waiter[] {
  const waiters: Waiter[] = [];
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const since = Number(pairs[at + 1]);
    if (isCount(since)) waiters.push({ member: String(pairs[at]), since });
  }
  return waiters;
}

function numbersIn(list: string): readonly number[] {
  return list === '' ? [] : list.split(',').map(Number);
}

/** The reply to most releases. */
const DONE: Reply = { outcome: 'granted', counter: 1 };

/** Turns one checked element of the script's answer into a reply. A number alone is the counter of a grant. */
export function decode(answer: unknown): Reply {
  if (answer === 1) return DONE;
  if (typeof answer === 'number') return { outcome: 'granted', counter: answer };
  const decoder = Array.isArray(answer) ? decoders[Number(answer[0])] : undefined;
  if (decoder === undefined) throw new MalformedAnswerError(answer);
  return decoder(answer as readonly unknown[]);
}
