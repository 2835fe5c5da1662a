import { type Scored, SortedSet } from './sorted-set.ts';

/** An argument of a command: text, as it travels; a number stands for its digits. */
export type Argument = string | number;

/** A command's error reply; the message begins with Redis's own code word. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/** The types of Redis values other than strings. Of these, only a sorted set's members play a part. */
export type ForeignType = 'list' | 'hash' | 'set' | 'zset' | 'stream';

interface Entry {
  readonly type: 'string' | ForeignType;
  readonly value: string;
  /** The members of a sorted set; undefined for any other type. */
  readonly members: SortedSet | undefined;
  /** Milliseconds of the server's wall clock after which it is gone; undefined for a key without expiry. */
  expiresAtMs: number | undefined;
}

/** Below this many keys it is not worth looking for expired ones. */
const SMALLEST_SWEEP = 1_024;

const NO_MEMBERS: readonly Scored[] = [];

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/**
 * The keys of a simulated server, by the commands that the library's scripts use. Keys expire by the server's wall
 * clock, as in Redis, so a step of it makes them live shorter or longer.
 */
export class KeyStore {
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();
  #sweepAt = SMALLEST_SWEEP;
  /** Whether the running script, if there is one, has written. Known only while there is a writeError. */
  #hasWritten = false;
  #isInScript = false;
  /**
   * The error of commands that write; undefined if they work. As in Redis, an error that begins with `OOM` is only
   * for commands that may need more memory: DEL works. It does not stop a script that has written already.
   */
  writeError: string | undefined;

  /** @param nowMs the server's wall clock in whole milliseconds, as Redis keeps expiries */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** GET. */
  get(key: string): string | undefined {
    const entry = this.#live(key);
    if (entry !== undefined && entry.type !== 'string') throw new RedisError(WRONG_TYPE);
    return entry?.value;
  }

  /** SET, with PX if there is a ttl. */
  set(key: string, value: string, ttl?: Argument): void {
    this.#checkMemory();
    this.#putString(key, value, ttl === undefined ? undefined : expiryOf(ttl));
  }

  /** SET NX PX: whether it was set. */
  setIfMissing(key: string, value: string, ttl: Argument): boolean {
    this.#checkMemory();
    const ttlMs = expiryOf(ttl);
    if (this.#live(key) !== undefined) return false;
    this.#putString(key, value, ttlMs);
    return true;
  }

  /** SET PX GET: the earlier value. */
  exchange(key: string, value: string, ttl: Argument): string | undefined {
    this.#checkMemory();
    const ttlMs = expiryOf(ttl);
    const before = this.get(key);
    this.#putString(key, value, ttlMs);
    return before;
  }

  /** DEL: how many keys went. */
  delete(key: string): number {
    this.#checkWritable();
    const existed = this.#live(key) !== undefined;
    this.#entries.delete(key);
    return existed ? 1 : 0;
  }

  /** ZADD: how many members are new. */
  addMember(key: string, score: Argument, member: string): number {
    this.#checkMemory();
    const known = this.#membersOf(key);
    const members = known ?? new SortedSet();
    if (known === undefined) this.#put(key, { type: 'zset', value: '', members, expiresAtMs: undefined });
    const before = members.size;
    members.add(member, Number(score));
    return members.size - before;
  }

  /** ZREM: how many members went. */
  removeMember(key: string, member: string): number {
    this.#checkWritable();
    const members = this.#membersOf(key);
    if (members?.remove(member) !== true) return 0;
    if (members.size === 0) this.#entries.delete(key);
    return 1;
  }

  /** ZPOPMIN. */
  popFirstMember(key: string): Scored | undefined {
    this.#checkWritable();
    const members = this.#membersOf(key);
    const popped = members?.popFirst();
    if (members?.size === 0) this.#entries.delete(key);
    return popped;
  }

  /** ZRANGE WITHSCORES: at most `count` members, from the first on. */
  firstMembers(key: string, count: number): readonly Scored[] {
    return this.#membersOf(key)?.first(count) ?? NO_MEMBERS;
  }

  /** ZSCORE. */
  scoreOf(key: string, member: string): number | undefined {
    return this.#membersOf(key)?.scoreOf(member);
  }

  /** ZRANK. */
  rankOf(key: string, member: string): number | undefined {
    return this.#membersOf(key)?.rankOf(member);
  }

  /** ZCARD. */
  countMembers(key: string): number {
    return this.#membersOf(key)?.size ?? 0;
  }

  /** ZRANGE -1 -1 WITHSCORES. */
  lastMember(key: string): Scored | undefined {
    return this.#membersOf(key)?.last;
  }

  /** ZREMRANGEBYSCORE, of all scores from 0 to below this one. */
  removeBelow(key: string, score: number): void {
    this.#checkWritable();
    const members = this.#membersOf(key);
    members?.removeBelow(score);
    if (members?.size === 0) this.#entries.delete(key);
  }

  /** PTTL: -1 for a key without expiry, -2 for none. */
  ttlOf(key: string): number {
    const entry = this.#live(key);
    if (entry === undefined) return -2;
    return entry.expiresAtMs === undefined ? -1 : entry.expiresAtMs - this.#nowMs();
  }

  /** PEXPIRE, which deletes a key whose time would be over. */
  expire(key: string, ttl: Argument): void {
    this.#checkWritable();
    const ttlMs = integerOf(ttl);
    const entry = this.#live(key);
    if (entry === undefined) return;
    if (ttlMs > 0) entry.expiresAtMs = this.#nowMs() + ttlMs;
    else this.#entries.delete(key);
  }

  /** PEXPIREAT, in milliseconds of the server's wall clock; it deletes a key whose time is over. */
  expireAt(key: string, atMs: number): void {
    this.expire(key, atMs - this.#nowMs());
  }

  /** TYPE. */
  typeOf(key: string): 'none' | Entry['type'] {
    return this.#live(key)?.type ?? 'none';
  }

  /** Puts a value of another type there, as LPUSH or SADD would: one element, `member` with a score of 1 in a zset. */
  putForeign(key: string, type: ForeignType): void {
    this.#checkMemory();
    const members = type === 'zset' ? new SortedSet() : undefined;
    members?.add('member', 1);
    this.#put(key, { type, value: '', members, expiresAtMs: undefined });
  }

  /** Runs a script that uses the commands; see {@link writeError}. */
  runScript<Result>(script: () => Result): Result {
    this.#isInScript = true;
    this.#hasWritten = false;
    try {
      return script();
    } finally {
      this.#isInScript = false;
      this.#hasWritten = false;
    }
  }

  /** FLUSHALL, and the loss of memory in a crash. */
  clear(): void {
    this.#entries.clear();
  }

  /** The same keys with the same expiries, on the same clock. */
  copy(): KeyStore {
    const copy = new KeyStore(this.#nowMs);
    copy.replaceBy(this);
    return copy;
  }

  /** Forgets everything and takes over another store's keys. */
  replaceBy(other: KeyStore): void {
    this.#entries.clear();
    for (const [key, entry] of other.#entries)
      this.#entries.set(key, { ...entry, members: entry.members?.copy() });
  }

  /** The keys that have not expired. */
  keys(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => this.#live(key) !== undefined);
  }

  /** Evicts a key, as maxmemory does with an evicting policy. */
  evict(key: string): void {
    this.#entries.delete(key);
  }

  /** The number of keys, including expired ones that no command has met since. */
  get size(): number {
    return this.#entries.size;
  }

  #membersOf(key: string): SortedSet | undefined {
    const entry = this.#live(key);
    if (entry !== undefined && entry.members === undefined) throw new RedisError(WRONG_TYPE);
    return entry?.members;
  }

  #putString(key: string, value: string, ttlMs: number | undefined): void {
    const expiresAtMs = ttlMs === undefined ? undefined : this.#nowMs() + ttlMs;
    this.#put(key, { type: 'string', value, members: undefined, expiresAtMs });
  }

  #put(key: string, entry: Entry): void {
    this.#entries.set(key, entry);
    if (this.#entries.size < this.#sweepAt) return;
    for (const known of this.#entries.keys()) this.#live(known);
    this.#sweepAt = Math.max(SMALLEST_SWEEP, this.#entries.size * 2);
  }

  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry?.expiresAtMs === undefined || this.#nowMs() <= entry.expiresAtMs) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  /** Before a command that writes. */
  #checkWritable(): void {
    const error = this.writeError;
    if (error === undefined) return;
    if (!isForWantOfMemory(error)) throw new RedisError(error);
    this.#hasWritten = this.#isInScript;
  }

  /** Before a command that writes and may need more memory. */
  #checkMemory(): void {
    const error = this.writeError;
    if (error !== undefined && isForWantOfMemory(error) && !this.#hasWritten) throw new RedisError(error);
    this.#checkWritable();
  }
}

function isForWantOfMemory(error: string): boolean {
  return error.startsWith('OOM');
}

function integerOf(text: Argument): number {
  if (typeof text === 'number' ? !Number.isSafeInteger(text) : !/^-?\d+$/.test(text))
    throw new RedisError('ERR value is not an integer or out of range');
  return Number(text);
}

/** PX's argument. */
function expiryOf(ttl: Argument): number {
  const ttlMs = integerOf(ttl);
  if (ttlMs <= 0) throw new RedisError("ERR invalid expire time in 'set' command");
  return ttlMs;
}
