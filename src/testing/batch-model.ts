import { type Argument, type KeyStore, RedisError } from './key-store.ts';
import { digits, failureOf, type ScriptReply, toNumber } from './lua-values.ts';

/** What the batch script can see of its server. */
export interface BatchServer {
  readonly store: KeyStore;
  readonly runId: string;
  /** Its TIME, in microseconds. */
  readonly timeUs: number;
}

/** The reply codes of `wire/lua/prelude.lua`. */
const GRANTED = 1;
const HELD = 2;
const MISSING = 3;
const FOREIGN = 4;
const SUPERSEDED = 5;
const LATE = 6;
const QUARANTINED = 7;
const FAILED = 8;

/** State, run_id, nonce, number of nodes, largest ttl. */
const ACTIVE_MARKER = /^active ([0-9a-fA-F]+) \S+ (\d+) (\d+)$/;

type Reply = readonly [code: number, ...fields: readonly (number | string)[]];

/** One operation of a batch, its arguments taken apart. */
interface Request {
  readonly keys: readonly string[];
  /** The fence counters that belong to the keys; empty if it is plain. */
  readonly fences: readonly string[];
  readonly value: string;
  readonly ttl: Argument;
  /** Undefined if it is plain. */
  readonly number: number | undefined;
}

/** Where the arguments of the operations begin, and how many each has. */
const HEADER_LENGTH = 5;
const OPERATION_LENGTH = 5;

/** The batch script, `wire/lua/*.lua`, in TypeScript. The conformance suite holds the two equal. */
export function runBatch(
  server: BatchServer,
  keys: readonly string[],
  args: readonly Argument[],
): readonly ScriptReply[] {
  const batch = new Batch(server, keys, args);
  const replies: ScriptReply[] = [server.timeUs];
  let key = args[1] === '' ? 0 : 1;
  for (let at = HEADER_LENGTH; at < args.length; at += OPERATION_LENGTH) {
    const count = Number(args[at + 1]);
    const number = args[at + 4] ?? '';
    const fenced = number !== '';
    const request: Request = {
      keys: keys.slice(key, key + count),
      fences: fenced ? keys.slice(key + count, key + 2 * count) : [],
      value: String(args[at + 2] ?? ''),
      ttl: args[at + 3] ?? '',
      number: fenced ? Number(number) : undefined,
    };
    replies.push(batch.run(String(args[at] ?? ''), request));
    key += fenced ? 2 * count : count;
  }
  return replies;
}

class Batch {
  readonly #store: KeyStore;
  readonly #runId: string;
  readonly #timeUs: number;
  readonly #markerKey: string;
  readonly #nodeCount: string;
  readonly #maxTtl: number;
  readonly #clampUs: number;
  readonly #retention: Argument;
  readonly #isLate: boolean;
  #mayVote: boolean | undefined;

  constructor(server: BatchServer, keys: readonly string[], args: readonly Argument[]) {
    const [deadline, nodeCount = '', maxTtl, clamp, retention = ''] = args;
    this.#store = server.store;
    this.#runId = server.runId;
    this.#timeUs = server.timeUs;
    this.#markerKey = keys[0] ?? '';
    this.#nodeCount = String(nodeCount);
    this.#maxTtl = Number(maxTtl);
    this.#clampUs = Number(clamp);
    this.#retention = retention;
    this.#isLate = server.timeUs > Number(deadline);
  }

  run(name: string, request: Request): Reply {
    try {
      switch (name) {
        case 'acquire':
          return this.#acquire(request);
        case 'confirm':
          return this.#confirm(request);
        case 'extend':
          return this.#extend(request);
        case 'release':
          return this.#release(request);
        case 'inspect':
          return this.#inspect(request);
        default:
          return [FAILED, `there is no operation ${name}`];
      }
    } catch (error) {
      if (error instanceof RedisError) return [FAILED, error.message];
      throw error;
    }
  }

  #acquire({ keys, fences, value, ttl, number }: Request): Reply {
    if (this.#isLate) return [LATE];
    if (!this.#voting()) return [QUARANTINED];
    const taken: string[] = [];
    const undo = (message: string): Reply => {
      for (const key of taken) this.#store.delete(key);
      return [FAILED, message];
    };

    const refused = keys.length === 1 ? this.#takeOne(keys, value, ttl, taken) : this.#look(keys, value);
    if (refused !== undefined) return refused;
    if (keys.length > 1) {
      for (const key of keys.filter((key) => this.#store.typeOf(key) === 'none')) {
        const failure = failureOf(() => this.#store.set(key, value, ttl));
        if (failure !== undefined) return undo(failure);
        taken.push(key);
      }
    }

    if (number === undefined) return [GRANTED, 0];
    let token = 0;
    if (taken.length === 0) {
      for (const fence of fences) token = Math.max(token, this.#counter(fence) ?? 0);
      if (token > 0) return [GRANTED, token];
    }
    const floor = this.#clamp(number);
    for (const fence of fences) {
      const failure = failureOf(() => {
        token = Math.max(token, this.#raise(fence, floor));
      });
      if (failure !== undefined) return undo(failure);
    }
    if (fences.length > 1) for (const fence of fences) this.#setCounter(fence, token);
    return [GRANTED, token];
  }

  /** SET NX looks and takes in one call. */
  #takeOne([key = '']: readonly string[], value: string, ttl: Argument, taken: string[]): Reply | undefined {
    let isTaken = false;
    const failure = failureOf(() => {
      isTaken = this.#store.setIfMissing(key, value, ttl);
    });
    if (isTaken) {
      taken.push(key);
      return undefined;
    }
    const { owner, foreign } = this.#ownerOf(key);
    if (foreign !== undefined) return foreign;
    if (owner !== undefined && owner !== value) return this.#refusal(key);
    return failure === undefined ? undefined : [FAILED, failure];
  }

  /** Whether all of several keys can be taken, or are the caller's. */
  #look(keys: readonly string[], value: string): Reply | undefined {
    let held: Reply | undefined;
    for (const key of keys) {
      const { owner, foreign } = this.#ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === undefined || owner === value) continue;
      const reply = this.#refusal(key);
      if (reply[0] === FOREIGN) return reply;
      if (held === undefined || Number(reply[1]) > Number(held[1])) held = reply;
    }
    return held;
  }

  #confirm({ keys, fences, value, number = 0 }: Request): Reply {
    if (!this.#voting()) return [QUARANTINED];
    for (const [index, key] of keys.entries()) {
      const { owner, foreign } = this.#ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === undefined) return [MISSING];
      if (owner !== value) return this.#refusal(key);
      const counter = this.#counter(fences[index] ?? '');
      if (counter !== undefined && counter > number) return [SUPERSEDED, counter];
    }
    for (const fence of fences) this.#setCounter(fence, number);
    return [GRANTED, number];
  }

  #extend({ keys, fences, value, ttl, number }: Request): Reply {
    if (this.#isLate) return [LATE];
    if (!this.#voting()) return [QUARANTINED];
    const missing = new Set<string>();
    for (const [index, key] of keys.entries()) {
      const { owner, foreign } = this.#ownerOf(key);
      if (foreign !== undefined) return foreign;
      if (owner === undefined) {
        if (number === undefined) return [MISSING];
        missing.add(key);
      } else if (owner !== value) {
        return this.#refusal(key);
      }
      if (number !== undefined) {
        const counter = this.#counter(fences[index] ?? '');
        if (counter !== undefined && counter > number) return [SUPERSEDED, counter];
      }
    }
    for (const [index, key] of keys.entries()) {
      if (missing.has(key)) this.#store.set(key, value, ttl);
      else if (this.#store.ttlOf(key) < Number(ttl)) this.#store.expire(key, ttl);
      if (number !== undefined) this.#setCounter(fences[index] ?? '', number);
    }
    return [GRANTED, number ?? 0];
  }

  #release({ keys, value }: Request): Reply {
    let freed = 0;
    let other: Reply | undefined;
    for (const key of keys) {
      const { owner, foreign } = this.#ownerOf(key);
      if (foreign !== undefined) other ??= foreign;
      else if (owner === value) freed += this.#store.delete(key);
      else if (owner !== undefined) other ??= this.#refusal(key);
    }
    return freed > 0 ? [GRANTED, freed] : (other ?? [MISSING]);
  }

  #inspect({ keys: [key = ''], fences: [fence] }: Request): Reply {
    const { owner, foreign } = this.#ownerOf(key);
    if (foreign !== undefined) return foreign;
    const counter = fence === undefined ? 0 : (this.#counter(fence) ?? 0);
    if (owner === undefined) return this.#voting() ? [MISSING, counter] : [QUARANTINED];
    const reply = this.#refusal(key);
    return reply[0] === HELD ? [...reply, owner, counter] : reply;
  }

  /** Whether the node's marker lets it vote. */
  #voting(): boolean {
    this.#mayVote ??= this.#nodeCount === '' || this.#hasActiveMarker();
    return this.#mayVote;
  }

  #hasActiveMarker(): boolean {
    if (this.#store.typeOf(this.#markerKey) !== 'string') return false;
    const marker = this.#store.get(this.#markerKey) ?? '';
    const [, runId = '', nodes, maxTtl] = ACTIVE_MARKER.exec(marker) ?? [];
    return nodes === this.#nodeCount && Number(maxTtl) >= this.#maxTtl && this.#runId === runId;
  }

  #ownerOf(key: string): { readonly owner?: string | undefined; readonly foreign?: Reply } {
    const type = this.#store.typeOf(key);
    if (type !== 'none' && type !== 'string') return { foreign: [FOREIGN, type] };
    return { owner: this.#store.get(key) };
  }

  #refusal(key: string): Reply {
    const remaining = this.#store.ttlOf(key);
    return remaining === -1 ? [FOREIGN, 'string without expiry'] : [HELD, remaining];
  }

  #clamp(proposal: number): number {
    return Math.min(Math.max(proposal, this.#timeUs - this.#clampUs), this.#timeUs + this.#clampUs);
  }

  /** Raises a counter above all it ever answered, at least to `floor`. */
  #raise(fence: string, floor: number): number {
    const before = toNumber(this.#store.exchange(fence, digits(floor), this.#retention));
    if (before === undefined || before < floor) return floor;
    this.#setCounter(fence, before + 1);
    return before + 1;
  }

  #counter(fence: string): number | undefined {
    return toNumber(this.#store.get(fence));
  }

  #setCounter(fence: string, counter: number): void {
    this.#store.set(fence, digits(counter), this.#retention);
  }
}
