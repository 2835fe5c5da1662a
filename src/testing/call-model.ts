import { type Argument, type KeyStore, RedisError } from './key-store.ts';
import { COUNTER_LIMIT, countOf, digits, holderIn, isWrongType } from './lua-values.ts';
import { type BatchReply, FAILED, FOREIGN, HELD } from './reply-codes.ts';

/** The server, as the batch script sees it. */
export interface BatchServer {
  readonly store: KeyStore;
  readonly runId: string;
  /** Its TIME, in microseconds. */
  readonly timeUs: number;
  /** PUBLISH: how many subscribers have heard it. */
  publish(channel: string, message: string): number;
}

/** State, run_id, nonce, number of nodes, largest ttl. */
const ACTIVE_MARKER = /^active ([0-9a-fA-F]+) \S+ (\d+) (\d+)$/;

/** Number of nodes, largest ttl, clamp, retention, grace, block. */
const QUORUM = /^(\d*) (\d+) (\d+) (\d+) (\d+) (\d+)$/;

/** The bounds that `wire/lua/prelude.lua` has. */
const MOST_CLAMP_US = 1e12;
const LARGEST_BLOCK = 100;

function isWithin(number: number, least: number, most: number): boolean {
  return Number.isInteger(number) && number >= least && number <= most;
}

/** What every operation of one call shares, as `wire/lua/prelude.lua` has it. */
export class Call {
  readonly server: BatchServer;
  readonly store: KeyStore;
  /** The server's TIME, in microseconds; 0 if nothing of the call depends on it. */
  readonly timeUs: number;
  /** Milliseconds, the longest ttl that the caller uses. */
  readonly maxTtl: number;
  /** Milliseconds for which a free key is reserved for a notified waiter. */
  readonly grace: Argument;
  /** Whether the deadline has passed. */
  readonly isLate: boolean;
  readonly #quorum: string;
  readonly #markerKey: string;
  readonly #nodeCount: string;
  readonly #clampUs: number;
  readonly #retentionMs: number;
  /** How many tokens an acquire takes. */
  readonly #block: number;
  #mayVote: boolean | undefined;

  constructor(server: BatchServer, [markerKey = '']: readonly string[], args: readonly Argument[]) {
    const [quorum, deadline] = args;
    const [, nodeCount = '', maxTtl, clamp, retention, grace = '', block] = QUORUM.exec(String(quorum)) ?? [];
    this.server = server;
    this.store = server.store;
    this.timeUs = deadline === '' ? 0 : server.timeUs;
    this.maxTtl = Number(maxTtl);
    this.grace = grace;
    this.isLate = deadline !== '' && server.timeUs > Number(deadline);
    this.#markerKey = markerKey;
    this.#nodeCount = nodeCount;
    this.#clampUs = Number(clamp);
    this.#retentionMs = Number(retention);
    this.#block = Number(block);
    this.#quorum = String(quorum);
  }

  /** @throws {RedisError} what the quorum has is out of bounds */
  check(): void {
    if (!isWithin(this.#clampUs, 0, MOST_CLAMP_US) || !isWithin(this.#block, 1, LARGEST_BLOCK)) {
      throw new RedisError(`ERR not what a quorum has: ${this.#quorum}`);
    }
  }

  /** Whether the node's marker lets it vote. */
  voting(): boolean {
    this.#mayVote ??= this.#nodeCount === '' || this.#hasActiveMarker();
    return this.#mayVote;
  }

  ownerOf(key: string): { readonly owner?: string | undefined; readonly foreign?: BatchReply } {
    const type = this.store.typeOf(key);
    if (type !== 'none' && type !== 'string') return { foreign: [FOREIGN, type] };
    return { owner: this.store.get(key) };
  }

  /** The reply for a key that this other value owns. */
  refusal(key: string, value: string): BatchReply {
    const remaining = this.store.ttlOf(key);
    return remaining === -1 ? [FOREIGN, 'string without expiry'] : [HELD, remaining, holderIn(value)];
  }

  /** A proposed token, clamped to this node's TIME. A proposal that is not a number counts as too low. */
  clamp(number: Argument): number {
    const proposal = Number(number);
    const lowest = this.timeUs - this.#clampUs;
    return proposal >= lowest ? Math.floor(Math.min(proposal, this.timeUs + this.#clampUs)) : lowest;
  }

  /**
   * Raises a counter by at least a block of tokens, and at least to `floor`. A value that is not a counter is a lost
   * counter.
   */
  raise(fence: string, floor: number): number {
    const before = this.#replaceCounter(fence, floor);
    const raised = (before ?? 0) + this.#block;
    if (before === undefined || raised <= floor || raised >= COUNTER_LIMIT) return floor;
    this.setCounter(fence, raised);
    return raised;
  }

  /** Undefined if it is lost, also where the key has something else than a counter. */
  counter(fence: string): number | undefined {
    return this.store.typeOf(fence) === 'string' ? countOf(this.store.get(fence)) : undefined;
  }

  /** The token in an argument, or the reply of an operation that has to stop, because it is not a token. */
  tokenOf(number: Argument): { readonly token?: number; readonly none?: BatchReply } {
    const token = countOf(number);
    return token === undefined ? { none: [FAILED, `not a token: ${number}`] } : { token };
  }

  /**
   * The token of an extension, undefined if it is plain. Or the reply of an operation that has to stop, because its
   * token or ttl is not one.
   */
  termsOf(
    ttl: Argument,
    number: Argument | undefined,
  ): { readonly token?: number; readonly none?: BatchReply | undefined } {
    const none = this.badTtl(ttl);
    return none !== undefined || number === undefined ? { none } : this.tokenOf(number);
  }

  /** The reply of an operation that has to stop because its ttl is not one; undefined for a good ttl. */
  badTtl(ttl: Argument): BatchReply | undefined {
    return countOf(ttl) === undefined ? [FAILED, `not a ttl: ${ttl}`] : undefined;
  }

  setCounter(fence: string, counter: number): void {
    this.store.set(fence, digits(counter), this.#lifetimeOf(fence));
  }

  /** For how long a counter lives from now on: never shorter than it was going to. */
  #lifetimeOf(fence: string): number {
    return Math.max(this.#retentionMs, this.store.ttlOf(fence));
  }

  #replaceCounter(fence: string, counter: number): number | undefined {
    try {
      return countOf(this.store.exchange(fence, digits(counter), this.#lifetimeOf(fence)));
    } catch (error) {
      if (!isWrongType(error)) throw error;
      this.setCounter(fence, counter);
      return undefined;
    }
  }

  #hasActiveMarker(): boolean {
    if (this.store.typeOf(this.#markerKey) !== 'string') return false;
    const marker = this.store.get(this.#markerKey) ?? '';
    const [, runId = '', nodes, maxTtl] = ACTIVE_MARKER.exec(marker) ?? [];
    return nodes === this.#nodeCount && Number(maxTtl) >= this.maxTtl && this.server.runId === runId;
  }
}
