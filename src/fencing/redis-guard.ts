import { quote, read } from '../base/describe.ts';
import { assertPositiveInteger, assertResource, describe } from './arguments.ts';
import { fenceKey, OWN_PREFIX } from './fence-key.ts';
import { textOf } from './lua-files.ts';
import { assertFencingToken, StaleTokenError } from './token.ts';
import type { TokenRegister } from './token-register.ts';

const SCRIPT = textOf('guard');

/** In place of a duration: for ever. */
const FOR_EVER = '0';

/** What the guard needs of a Redis client. A client of ioredis or iovalkey is one as it is. */
export interface RedisEval {
  /** Runs a Lua script; the first `numKeys` of `args` are its keys. */
  eval(script: string, numKeys: number, ...args: string[]): PromiseLike<unknown>;
}

/** The same, as a client of node-redis has it, from version 5 on; a pool, a Cluster and a Sentinel client too. */
export interface NodeRedisEval {
  eval(script: string, options: { keys: string[]; arguments: string[] }): PromiseLike<unknown>;
  withTypeMapping(mapping: object): unknown;
}

export interface RedisGuardOptions {
  /**
   * How long the fence key of a key is kept after the last call for that key, in ms: 1 … 2^53 − 1.
   * Default: for ever. All processes must give the same.
   *
   * Risk: once the fence key is gone, *any* token is accepted. It must be longer than a holder may be paused, or its
   * write be under way, and still arrive. Think of hours or days.
   */
  readonly retentionMs?: number;
}

export interface GuardedWriteOptions {
  /** How long the value is kept, in ms: 1 … 2^53 − 1. Default: for ever. A `SET` either way: no older TTL stays. */
  readonly ttlMs?: number;
}

/** Guards the string keys of one Redis by fencing token. Every method is one atomic script call. */
export interface RedisGuard extends TokenRegister {
  /**
   * Registers the token, then reads the key. A new holder does this first: no write of an older holder can come after
   * what it read.
   *
   * @returns the value, or null when there is none.
   * @throws StaleTokenError when a higher token was registered; whatever the client throws.
   */
  read(key: string, token: number): Promise<string | null>;
  /**
   * Registers the token and sets the key.
   *
   * @throws StaleTokenError when a higher token was registered: nothing was written. Whatever the
   * client throws: after a timeout or a lost connection the write may have happened.
   */
  write(key: string, token: number, value: string, options?: GuardedWriteOptions): Promise<void>;
  /**
   * Registers the token and deletes the key. The token is remembered all the same.
   *
   * @returns whether there was a value.
   * @throws as `write` does.
   */
  delete(key: string, token: number): Promise<boolean>;
}

/**
 * A guard for data in one Redis (or Redis Cluster): the *protected* store, not the nodes of the lock.
 *
 * Next to each key it keeps a fence key in the same slot, `quorlock:guard:…`, with the highest token registered. The
 * fence key must not be deleted, lost in a failover, or evicted: set `maxmemory-policy` to `noeviction`, or to a
 * `volatile-…` one without `retentionMs`. A write that goes around the guard, such as a plain `SET`, goes through
 * unseen. Keys of the library's own, which begin with `quorlock:`, and fence keys behind a client-wide key prefix,
 * are refused with a RangeError.
 *
 * On a cluster a client-wide key prefix must contain a hash tag, or Redis answers CROSSSLOT.
 *
 * @throws TypeError for a client that is none, TypeError or RangeError for an option outside its bounds.
 */
export function redisGuard(client: RedisEval, options?: RedisGuardOptions): RedisGuard;
export function redisGuard(client: NodeRedisEval, options?: RedisGuardOptions): RedisGuard;
export function redisGuard(client: RedisEval | NodeRedisEval, options: RedisGuardOptions = {}): RedisGuard {
  const run = runnerOf(client);
  const retention = durationArg(
    read('options', () => options.retentionMs),
    'retentionMs',
  );

  /** Runs one operation and gives what follows 'ok' in its reply. */
  async function call(operation: string, key: string, token: number, ...rest: string[]): Promise<unknown> {
    assertResource(key, 'key');
    if (key.startsWith(OWN_PREFIX)) throw ownKeyError(key);
    assertFencingToken(token);
    const args = [key, fenceKey(key), operation, String(token), retention, ...rest];
    const reply = await run(args);
    const [outcome, detail] = Array.isArray(reply) ? (reply as readonly unknown[]) : [];
    switch (outcome) {
      case 'ok':
        return detail;
      case 'own':
        throw ownKeyError(key);
      case 'stale':
        throw new StaleTokenError(key, token, Number(detail));
      default:
        throw new TypeError(
          `client.eval must resolve to the script's reply, a list of strings, but gave ${describe(reply)}: ` +
            'give an ioredis-shaped client without reply transformers',
        );
    }
  }

  return {
    async register(key, token) {
      await call('register', key, token);
    },
    async read(key, token) {
      const value = await call('read', key, token);
      return typeof value === 'string' ? value : null;
    },
    async write(key, token, value, options = {}) {
      if (typeof value !== 'string') {
        throw new TypeError(`value must be a string, but is ${describe(value)}: serialise it first`);
      }
      const ttlMs = read('options', () => options.ttlMs);
      await call('write', key, token, value, durationArg(ttlMs, 'ttlMs'));
    },
    async delete(key, token) {
      return Number(await call('delete', key, token)) === 1;
    },
  };
}

/** Runs the script with these arguments, the first two of which are its keys. */
function runnerOf(client: RedisEval | NodeRedisEval): (args: readonly string[]) => PromiseLike<unknown> {
  if (typeof read('client', () => client?.eval) !== 'function') {
    throw new TypeError(
      `client must be a client of ioredis, iovalkey or node-redis, or have their eval(): got ${describe(client)}`,
    );
  }
  if (!('withTypeMapping' in client)) return (args) => client.eval(SCRIPT, 2, ...args);
  // The program's client may give Buffers for strings.
  const plain = client.withTypeMapping({}) as NodeRedisEval;
  return (args) => plain.eval(SCRIPT, { keys: args.slice(0, 2), arguments: args.slice(2) });
}

/** A fence key that could be written or deleted like data would let stale writes through. */
function ownKeyError(key: string): RangeError {
  return new RangeError(
    `key must not begin with "${OWN_PREFIX}", nor be a fence key, which are the library's own: got ${quote(key)}`,
  );
}

function durationArg(durationMs: number | undefined, name: string): string {
  if (durationMs === undefined) return FOR_EVER;
  assertPositiveInteger(durationMs, name);
  return String(durationMs);
}
