/** An argument of a command: text, as it travels; a number stands for its digits. */
export type Argument = string | number;

/** A command's error reply; the message begins with Redis's own code word. */
export class RedisError extends Error {
  override readonly name = 'RedisError';
}

/** The types of Redis values that are no strings. What they hold plays no part. */
export type ForeignType = 'list' | 'hash' | 'set' | 'zset' | 'stream';

interface Entry {
  readonly type: 'string' | ForeignType;
  readonly value: string;
  /** Milliseconds of the server's wall clock after which it is gone; undefined for a key without expiry. */
  expiresAtMs: number | undefined;
}

/** Below this many keys it is not worth looking for expired ones. */
const SMALLEST_SWEEP = 1_024;

const WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value';

/**
 * The keys of a simulated server, by the commands that the library's scripts use. Keys expire by the server's wall
 * clock, as in Redis, so a step of it makes them live shorter or longer.
 */
export class KeyStore {
  readonly #nowMs: () => number;
  readonly #entries = new Map<string, Entry>();
  #sweepAt = SMALLEST_SWEEP;
  /** The error of every command that writes; undefined if they work. */
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
    const ttlMs = ttl === undefined ? undefined : expiryOf(ttl);
    this.#checkWritable();
    this.#put(key, { type: 'string', value, expiresAtMs: this.#after(ttlMs) });
  }

  /** SET NX PX: whether it was set. */
  setIfMissing(key: string, value: string, ttl: Argument): boolean {
    expiryOf(ttl);
    this.#checkWritable();
    if (this.#live(key) !== undefined) return false;
    this.set(key, value, ttl);
    return true;
  }

  /** SET PX GET: the value there was. */
  exchange(key: string, value: string, ttl: Argument): string | undefined {
    expiryOf(ttl);
    this.#checkWritable();
    const before = this.get(key);
    this.set(key, value, ttl);
    return before;
  }

  /** DEL: how many keys went. */
  delete(key: string): number {
    this.#checkWritable();
    const existed = this.#live(key) !== undefined;
    this.#entries.delete(key);
    return existed ? 1 : 0;
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
    if (ttlMs > 0) entry.expiresAtMs = this.#after(ttlMs);
    else this.#entries.delete(key);
  }

  /** TYPE. */
  typeOf(key: string): 'none' | Entry['type'] {
    return this.#live(key)?.type ?? 'none';
  }

  /** Puts a value of another type there, as LPUSH or SADD would. */
  putForeign(key: string, type: ForeignType): void {
    this.#checkWritable();
    this.#put(key, { type, value: '', expiresAtMs: undefined });
  }

  /** FLUSHALL, and what becomes of memory in a crash. */
  clear(): void {
    this.#entries.clear();
  }

  /** The same keys with the same expiries, on the same clock. */
  copy(): KeyStore {
    const copy = new KeyStore(this.#nowMs);
    copy.replaceBy(this);
    return copy;
  }

  /** Forgets everything and takes over what another one has. */
  replaceBy(other: KeyStore): void {
    this.#entries.clear();
    for (const [key, entry] of other.#entries) this.#entries.set(key, { ...entry });
  }

  /** The keys that have not expired. */
  keys(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => this.#live(key) !== undefined);
  }

  /** Takes a key away, as maxmemory does with an evicting policy. */
  evict(key: string): void {
    this.#entries.delete(key);
  }

  /** How many keys there are, expired ones that nobody has asked for since included. */
  get size(): number {
    return this.#entries.size;
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

  #after(ttlMs: number | undefined): number | undefined {
    return ttlMs === undefined ? undefined : this.#nowMs() + ttlMs;
  }

  #checkWritable(): void {
    if (this.writeError !== undefined) throw new RedisError(this.writeError);
  }
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
