import type { LockMode } from '../base/diagnostics.ts';
import type { FailureReason, Reply } from '../base/vote.ts';
import { isCount } from './numbers.ts';

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

/** Whether the node's marker decides if it answers. */
export function isVote({ kind }: Operation): boolean {
  return kind === 'acquire' || kind === 'confirm' || kind === 'extend' || kind === 'inspect';
}

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

/** Whether its outcome depends on the node's TIME. */
export function isTimed(operation: Operation): boolean {
  return isVote(operation) || operation.kind === 'enter';
}

export function failed(reason: FailureReason, message: string): Reply {
  return { outcome: 'failed', reason, message };
}

/** All keys an operation touches, in the order the script reads them. */
export function keysOf(operation: Operation): readonly string[] {
  const { kind, keys, fences, queues, sharers, permit } = operation;
  if (sharers !== undefined && isOfLock(operation)) {
    return kind === 'release' ? [...keys, ...queues, sharers] : [...keys, ...fences, ...queues, sharers];
  }
  if (permit !== undefined && kind === 'inspect') return [...keys, ...queues];
  switch (kind) {
    case 'acquire':
      return fences.length > 0 ? [...keys, ...fences, ...queues] : [...keys, ...queues];
    case 'confirm':
    case 'extend':
    case 'inspect':
      return fences.length > 0 ? [...keys, ...fences] : keys;
    case 'release':
    case 'enter':
    case 'leave':
    case 'waiting':
      return [...keys, ...queues];
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
      const { value, ttl, waiter, previous, sharers } = operation;
      const number = ifFenced(operation, operation.proposal);
      const { member, since } = isHeard && waiter !== undefined ? waiter : NO_WAITER;
      const rest = [keys.length, value, ttl, number];
      if (permit !== undefined) return ['permit', ...rest, member, since, permit.of];
      if (sharers !== undefined) return ['share', ...rest, member, since, previous ?? ''];
      if (waiter === undefined || !isHeard) return [kind, ...rest];
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
      return [nameOf(operation), keys.length, operation.value, 0, ''];
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
