import { describeSpan, onOneLine, plural, quoteAll, shorten } from './describe.ts';
import { describeStatements, describeVotes } from './describe-votes.ts';
import { named } from './named.ts';
import { holderOf, longestRemainingTtl, type NodeVote } from './vote.ts';

/** The stable names of all errors. Compare these, not messages. */
export type ErrorCode =
  | 'QUORLOCK_HELD'
  | 'QUORLOCK_NO_QUORUM'
  | 'QUORLOCK_WAIT_TIMEOUT'
  | 'QUORLOCK_EXPIRED'
  | 'QUORLOCK_LOST'
  | 'QUORLOCK_RELEASED'
  | 'QUORLOCK_HANDED_OVER'
  | 'QUORLOCK_NOT_A_LOCK'
  | 'QUORLOCK_UPGRADE'
  | 'QUORLOCK_EXTEND_FAILED'
  | 'QUORLOCK_NOT_INITIALIZED'
  | 'QUORLOCK_CLOSED';

/** The details of an error. */
export interface ErrorDetails {
  readonly resources: readonly string[];
  readonly votes?: readonly NodeVote[] | undefined;
  readonly elapsedMs?: number | undefined;
}

/** The base of every error that is about a lock. Bad arguments are `TypeError` and `RangeError` instead. */
export abstract class QuorlockError extends Error {
  abstract readonly code: ErrorCode;
  /** The resources that were to be locked, sorted. */
  readonly resources: readonly string[];
  /** Each node's last vote. Empty where no node was asked. */
  readonly votes: readonly NodeVote[];
  /** Milliseconds that the call took until this error; 0 where it was certain without asking the nodes. */
  readonly elapsedMs: number;
  /** Milliseconds the present holder's keys live on if it does not extend them; undefined if no node named one. */
  readonly holderRemainingTtl: number | undefined;
  /**
   * The name that the present holder's process gave itself. Undefined if readers hold it, if no majority of nodes
   * named the same one, or if the holder's library names none.
   */
  readonly holder: string | undefined;

  constructor(message: string, details: ErrorDetails) {
    const votes = details.votes ?? [];
    super(votes.length === 0 ? message : `${message} [${describeVotes(votes)}]`);
    this.name = new.target.name;
    this.resources = details.resources;
    this.votes = votes;
    this.elapsedMs = details.elapsedMs ?? 0;
    this.holderRemainingTtl = longestRemainingTtl(votes);
    this.holder = holderOf(votes)?.owner;
  }
}

/** What the very process that asked for a lock held of it. */
export interface OwnHold {
  /** Milliseconds for which it had held it. */
  readonly heldForMs: number;
  /** Of a semaphore: how many permits it held. */
  readonly permits: number | undefined;
  /** Whether it held a read lock, and the call wanted the lock alone. */
  readonly isToBeUpgraded: boolean;
}

function describeOwnHold({ heldForMs, permits, isToBeUpgraded }: OwnHold): string {
  const since = describeSpan(heldForMs);
  if (isToBeUpgraded) {
    return (
      `This process itself has had a read lock of it for ${since}, and a read lock can't become a write lock. Look for a write ` +
      'inside of a usingRead(), and release the read lock first'
    );
  }
  const what = permits === undefined ? 'held it' : `had ${permits} of its permits`;
  return (
    `This process itself has ${what} for ${since}: look for a using() inside of a using(), or for a lock that is not ` +
    'released; one that waits for itself is to show the lock that is there, with { within: lock }'
  );
}

/** The holder that a majority named, and for how long it is one if it does not extend the lock; undefined: none. */
function describeHolder({ votes = [] }: ErrorDetails): string | undefined {
  const holder = holderOf(votes);
  if (holder === undefined) return undefined;
  const name = holder.owner === undefined ? 'readers' : shorten(onOneLine(holder.owner));
  return `${name}, ${describeSpan(longestRemainingTtl(votes) ?? 0)} left`;
}

/** Another client holds the lock, or another part of this program, and the call was not to wait. */
export class LockHeldError extends QuorlockError {
  readonly code = 'QUORLOCK_HELD';

  /** What this very process held of the lock; undefined if nothing. */
  readonly ownHold: OwnHold | undefined;

  constructor(details: ErrorDetails & { readonly ownHold?: OwnHold | undefined }) {
    const { resources, ownHold } = details;
    const why =
      ownHold === undefined
        ? `is held by ${describeHolder(details) ?? 'another holder'}. Give`
        : `is held. ${describeOwnHold(ownHold)}. Else give`;
    super(`${quoteAll(resources)} ${why} acquire() a waitTime, or try again later`, details);
    this.ownHold = ownHold;
  }
}

/** Fewer nodes than a majority could vote: Redis is in trouble, not the lock contended. */
export class NoQuorumError extends QuorlockError {
  readonly code = 'QUORLOCK_NO_QUORUM';

  constructor(details: ErrorDetails) {
    const votes = details.votes ?? [];
    const silent = votes.filter(({ outcome }) => outcome === 'failed' || outcome === 'foreign').length;
    const majority = Math.floor(votes.length / 2) + 1;
    const isSlow = votes.some((vote) => vote.outcome === 'failed' && vote.reason === 'timeout');
    super(
      `no quorum${details.resources.length === 0 ? '' : ` for ${quoteAll(details.resources)}`}: ${silent} of ${plural(votes.length, 'node')} did not vote and ` +
        `${majority} ${majority === 1 ? 'is' : 'are'} needed. Check the nodes that are named here` +
        (isSlow ? '; if they are only slow, raise nodeTimeout or the ttl' : ''),
      details,
    );
  }
}

/** Another client held the lock during all of waitTime, or another part of this program. */
export class WaitTimeoutError extends QuorlockError {
  readonly code = 'QUORLOCK_WAIT_TIMEOUT';

  /** What this very process held of the lock at the end; undefined if nothing. */
  readonly ownHold: OwnHold | undefined;

  constructor(details: ErrorDetails & { readonly waitTime: number; readonly ownHold?: OwnHold | undefined }) {
    const { resources, waitTime, ownHold } = details;
    const holder = describeHolder(details);
    super(
      `${quoteAll(resources)} was not free within a waitTime of ${waitTime} ms. ` +
        (ownHold === undefined
          ? `${holder === undefined ? '' : `It is held by ${holder}. `}Raise waitTime, or hold the lock for less long elsewhere`
          : `${describeOwnHold(ownHold)}. Else raise waitTime, or hold the lock for less long`),
      details,
    );
    this.ownHold = ownHold;
  }
}

/** A majority granted the lock, but so slowly that nothing was left of its validity. It was released. */
export class LockExpiredError extends QuorlockError {
  readonly code = 'QUORLOCK_EXPIRED';

  constructor(details: ErrorDetails & { readonly ttl: number }) {
    super(
      `${quoteAll(details.resources)} was granted, but its ttl of ${details.ttl} ms was used up before it could ` +
        'be handed over. Raise the ttl, or look for what made the nodes or this process slow',
      details,
    );
  }
}

/** A lock that was held is held no more: its validity ended, or a majority says that it is gone or another client's. */
export class LockLostError extends QuorlockError {
  readonly code = 'QUORLOCK_LOST';

  constructor(why: string, details: ErrorDetails) {
    super(
      `the lock on ${quoteAll(details.resources)} is lost: ${why}. Stop what it protected; another ` +
        'holder may have it now',
      details,
    );
  }
}

/** The lock was released by its own holder and is used all the same. */
export class LockReleasedError extends QuorlockError {
  readonly code = 'QUORLOCK_RELEASED';

  constructor(details: ErrorDetails) {
    super(`the lock on ${quoteAll(details.resources)} has been released. Acquire it again to go on`, details);
  }
}

/** The lock was handed over to another process by its own holder, and is used here all the same. */
export class LockHandedOverError extends QuorlockError {
  readonly code = 'QUORLOCK_HANDED_OVER';

  constructor(details: ErrorDetails) {
    super(
      `the lock on ${quoteAll(details.resources)} has been handed over with handOver(). The process that adopts it goes ` +
        'on; acquire it again to go on here',
      details,
    );
  }
}

/** No majority extended the lock. It stays valid for what is left of its old validity. */
export class ExtendFailedError extends QuorlockError {
  readonly code = 'QUORLOCK_EXTEND_FAILED';

  /** Milliseconds of validity left when the extension failed. */
  readonly remainingValidity: number;

  constructor(details: ErrorDetails & { readonly remainingValidity: number }) {
    super(
      `the lock on ${quoteAll(details.resources)} could not be extended on a majority. It stays valid for ` +
        `${Math.floor(details.remainingValidity)} ms; extend it again or finish before then`,
      details,
    );
    this.remainingValidity = details.remainingValidity;
  }
}

/** A majority can't grant the lock: on too many nodes the resource's key is something else. */
export class NotALockError extends QuorlockError {
  readonly code = 'QUORLOCK_NOT_A_LOCK';

  constructor(details: ErrorDetails) {
    super(
      `the key of ${quoteAll(details.resources)} exists and is not a lock: it has another type or no expiry. ` +
        'Choose another resource name or keyPrefix; nothing was changed',
      details,
    );
  }
}

/** A routine needs a lock alone, and the lock passed as `within` is a read lock of the same resource. */
export class UpgradeError extends QuorlockError {
  readonly code = 'QUORLOCK_UPGRADE';

  constructor(details: ErrorDetails) {
    super(
      `${quoteAll(details.resources)} is read under the lock that within shows. A read lock can't ` +
        'become a write lock: two readers who tried would wait for each other. Release it first, acquire the write ' +
        'lock, and read again',
      details,
    );
  }
}

/** initialize() could not have every node vote. */
export class InitializeError extends QuorlockError {
  readonly code = 'QUORLOCK_NOT_INITIALIZED';

  /** The nodes where it did not work, and why. The others vote. */
  readonly failures: readonly { readonly node: string; readonly why: string }[];

  constructor(failures: InitializeError['failures']) {
    const list = describeStatements(failures.map(({ node, why }) => ({ node, text: why })));
    super(`not every node could be initialized. Call initialize() again once this is fixed [${list}]`, {
      resources: [],
    });
    this.failures = failures;
  }
}

/**
 * Gives an error of the library the stack of the place where this is called. In an async function that a caller awaits,
 * that is the caller's stack. The error was made after a wait, where a timer or a socket was the caller. Costs nothing
 * as long as nothing fails.
 */
export function withCallersStack(error: unknown): unknown {
  if (error instanceof QuorlockError) Error.captureStackTrace(error, withCallersStack);
  return error;
}

/** The Redlock was closed before or during the call. */
export class ClosedError extends QuorlockError {
  readonly code = 'QUORLOCK_CLOSED';

  constructor(details: ErrorDetails) {
    super('this Redlock is closed. Make a new one to go on', details);
  }
}

// The names are literals: see {@link named}.
const NAMES = {
  QuorlockError,
  LockHeldError,
  NoQuorumError,
  WaitTimeoutError,
  LockExpiredError,
  LockLostError,
  LockReleasedError,
  LockHandedOverError,
  ExtendFailedError,
  NotALockError,
  UpgradeError,
  InitializeError,
  ClosedError,
};
for (const [name, errorClass] of Object.entries(NAMES)) named(errorClass, name);
