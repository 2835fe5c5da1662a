import { channel, type TracingChannel, tracingChannel } from 'node:diagnostics_channel';
import type { Clock } from './clock.ts';
import { type LockLostError, QuorlockError } from './errors.ts';
import type { FailureReason, NodeVote } from './vote.ts';
import type { RedlockWarning } from './warning.ts';

/** How a lock is held: alone, together with other readers, or as one of a semaphore's permits. */
export type LockMode = 'exclusive' | 'shared' | 'semaphore';

/** What every message about a lock has. None has the lock's value, which would let its reader release the lock. */
export interface LockMessage {
  /** The names of the resources: sorted, without duplicates. */
  readonly resources: readonly string[];
  readonly mode: LockMode;
  /** The fencing token. Undefined as long as there is no lock, and with `fencing: false`. */
  readonly token?: number | undefined;
}

/** What every message about a call has. The message is filled in until the call has ended. */
export interface CallMessage extends LockMessage {
  /** Milliseconds that the call took. Undefined as long as it is under way. */
  readonly elapsedMs?: number;
  /**
   * What each node said, the last time that the nodes were asked for this call; a node that was not waited for is
   * `pending`. Undefined or empty if no node was asked.
   */
  readonly votes?: readonly NodeVote[];
  /** What the call rejects with. */
  readonly error?: unknown;
}

/** A call that asks for a lock: `acquire`, `tryAcquire`, `downgrade`, `adopt`, or the acquire of a `using`. */
export interface AcquireMessage extends CallMessage {
  /** The ttl that was asked for, in milliseconds. */
  readonly ttl: number;
  /** How long the call waits, in milliseconds. 0: it makes one attempt. Infinity: no time bounds it. */
  readonly waitTime: number;
  /** How often the nodes were asked for this call. 0: another caller of this process has handed the lock on. */
  readonly attempts: number;
  /**
   * Whether the call got the lock. Undefined as long as it waits. False without an error: a `tryAcquire` found the lock
   * held.
   */
  readonly granted?: boolean;
}

/** What every message about a held lock has. */
export interface HoldMessage extends LockMessage {
  /** The message of the call that got this lock, the very object. Undefined if no listener heard that call. */
  readonly acquire: AcquireMessage | undefined;
  /** Milliseconds since that call had the lock. Undefined if no listener heard that call. */
  readonly heldMs: number | undefined;
}

/** One extension, by the holder or by the auto-extension of a `using`. */
export interface ExtendMessage extends CallMessage, HoldMessage {
  /** The ttl that was asked for, in milliseconds. */
  readonly ttl: number;
}

/** The release of a lock, which never fails, or its `handOver`. What comes after it for the same lock publishes nothing. */
export interface ReleaseMessage extends CallMessage, HoldMessage {
  /** As in the report of the release. Undefined as long as it is under way. */
  readonly freed?: boolean;
  readonly handedOver?: boolean;
}

/** A lock was lost before its holder had released it. */
interface LostMessage extends HoldMessage {
  /** Why. */
  readonly error: LockLostError;
}

/**
 * What a node is to its operators. `up`: it votes. `slow`: it does not answer, or answers too late to vote. `clock`:
 * its clock went ahead, so its votes do not count for a while. `quarantined`: it may have lost its memory. `refused`:
 * it can't be a node of this quorum as it is. `down`: there is no connection. `connecting`: the first one is being
 * made.
 */
export type NodeState = 'connecting' | 'up' | 'slow' | 'clock' | 'quarantined' | 'refused' | 'down';

/** The state of a node has changed, as this Redlock knows it. */
interface NodeMessage {
  /** The node's address. */
  readonly node: string;
  readonly state: NodeState;
  /** Why it does not vote, or its votes do not count, and what to do; empty if they do. */
  readonly why: string;
  readonly before: NodeState;
  /** For how many milliseconds it was in the state before. */
  readonly lastedMs: number;
}

/** What one node said to one operation. */
export interface VoteMessage {
  /** The node's address. */
  readonly node: string;
  readonly operation:
    | 'acquire'
    | 'confirm'
    | 'extend'
    | 'release'
    | 'inspect'
    | 'enter'
    | 'leave'
    | 'waiting';
  readonly outcome: Exclude<NodeVote['outcome'], 'pending'>;
  /** Why it failed, if it did. */
  readonly reason: FailureReason | undefined;
  /** From handing the operation to the node until its vote, in milliseconds. */
  readonly latencyMs: number;
  /** Whether the result was certain before, so that the vote did not count. */
  readonly late: boolean;
}

/**
 * What quorlock publishes on the channels of `node:diagnostics_channel`, and the type of each one's messages. The
 * first four are tracing channels: of `quorlock:acquire` there are `tracing:quorlock:acquire:start`, `:end`,
 * `:asyncStart`, `:asyncEnd` and `:error`. The same object goes on all of them, and is filled in meanwhile.
 */
export interface QuorlockChannels {
  'quorlock:acquire': AcquireMessage;
  'quorlock:extend': ExtendMessage;
  'quorlock:release': ReleaseMessage;
  /** From the call until the routine has settled and the lock is released. */
  'quorlock:using': CallMessage;
  'quorlock:lock:lost': LostMessage;
  /** A lock was handed on to the next caller of this process, without a call to a node. It is that caller's message. */
  'quorlock:lock:handed-on': LockMessage;
  'quorlock:node': NodeMessage;
  'quorlock:node:vote': VoteMessage;
  /** Each warning, as `onWarning` has it. */
  'quorlock:warning': RedlockWarning;
}

/** A message while it is filled in. */
export type Draft<Message> = { -readonly [Field in keyof Message]: Message[Field] };

interface PlainChannel<Message> {
  /** A caller asks first: a message costs nothing as long as none listens. */
  readonly hasSubscribers: boolean;
  publish(message: Message): void;
}

function plain<Name extends keyof QuorlockChannels>(name: Name): PlainChannel<QuorlockChannels[Name]> {
  return channel(name);
}

type Tracing<Name extends keyof QuorlockChannels> = TracingChannel<unknown, QuorlockChannels[Name]>;

function tracing<Name extends keyof QuorlockChannels>(name: Name): Tracing<Name> {
  const made: Tracing<Name> = tracingChannel(name);
  // Not every runtime has it.
  if (!('hasSubscribers' in made)) {
    const { start, end, asyncStart, asyncEnd, error } = made;
    const get = () => [start, end, asyncStart, asyncEnd, error].some(({ hasSubscribers }) => hasSubscribers);
    Object.defineProperty(made, 'hasSubscribers', { get });
  }
  return made;
}

/** The channels. They are this process's: a copy of the library that another program part loads has the same. */
export const acquiring = tracing('quorlock:acquire');
export const extending = tracing('quorlock:extend');
export const releasing = tracing('quorlock:release');
export const usings = tracing('quorlock:using');
export const lost = plain('quorlock:lock:lost');
export const handedOn = plain('quorlock:lock:handed-on');
export const nodeChanged = plain('quorlock:node');
export const voted = plain('quorlock:node:vote');
export const warned = plain('quorlock:warning');

/**
 * Makes a call and publishes its course, as `tracePromise` of Node does, with two differences. The result is not in the
 * message: it is a lock, which has a value. And the caller's function stays in the stacks of errors, which V8 follows
 * through `await` alone.
 *
 * @param message what start publishes; `call` fills it in
 */
export async function traced<Message extends CallMessage, Result>(
  { start, end, asyncStart, asyncEnd, error }: TracingChannel<unknown, Message>,
  message: Message,
  clock: Clock,
  call: () => Promise<Result>,
): Promise<Result> {
  const draft: Draft<CallMessage> = message;
  const startedAtMs = clock.monotonic();
  const running = start.runStores(message, call);
  end.publish(message);
  try {
    try {
      return await running;
    } finally {
      draft.elapsedMs = clock.monotonic() - startedAtMs;
    }
  } catch (reason) {
    draft.error = reason;
    if (reason instanceof QuorlockError && reason.votes.length > 0) draft.votes = reason.votes;
    error.publish(message);
    throw reason;
  } finally {
    asyncStart.publish(message);
    asyncEnd.publish(message);
  }
}
