import { describe, messageOf } from '../base/describe.ts';
import { type DriverOptions, missingOption, ownClusterOptions, ownRedisOptions } from './ioredis-options.ts';

/** What `Redis` and `Cluster` of ioredis 5 or 6 have in common, as far as the library uses a program's client. */
export interface IoredisClient {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  /** Makes another client that connects to the same server or Cluster. */
  duplicate(...args: never[]): unknown;
}

/** An ioredis client that is the library's own. */
export interface OwnClient {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  evalsha(sha1: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(source: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  on(event: string, listener: (error: Error) => void): unknown;
  off(event: string, listener: (error: Error) => void): unknown;
  connect(): Promise<void>;
  disconnect(reconnect?: boolean): void;
}

const METHODS: readonly (keyof OwnClient)[] = ['evalsha', 'eval', 'on', 'off', 'connect', 'disconnect'];

/** Whether something is an ioredis client, even one that can't be duplicated. */
export function isIoredisClient(candidate: unknown): candidate is IoredisClient & OwnClient {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const client = candidate as Partial<Record<keyof OwnClient, unknown>>;
  return (
    typeof client.status === 'string' &&
    typeof client.options === 'object' &&
    client.options !== null &&
    METHODS.every((name) => typeof client[name] === 'function')
  );
}

/** What was returned by a `duplicate()` is the library's for good, and no other node's or Redlock's. */
const given = new WeakSet<object>();

/** Why a client can't be duplicated. */
export class DuplicateError extends Error {}

/**
 * A client of the library's own that connects as the program's does. The library sends nothing on the program's client
 * and does not listen to it, so the program may do with it as it likes.
 *
 * @throws {DuplicateError} there is none; then nothing is left open
 */
export function duplicateOf(client: IoredisClient): OwnClient {
  if (typeof client.duplicate !== 'function') throw new DuplicateError('it has no duplicate()');
  const { db, redisOptions } = client.options as {
    readonly db?: number | null;
    readonly redisOptions?: DriverOptions;
  };
  // The driver itself takes what is no number for 0.
  const wanted = client.isCluster ? ownClusterOptions(redisOptions) : ownRedisOptions(Number(db) || 0);
  const own = callDuplicate(client, wanted);
  if (own === client) throw new DuplicateError('its duplicate() returned the client itself');
  if (!isIoredisClient(own)) {
    throw new DuplicateError(`its duplicate() must return an ioredis client: got ${describe(own)}`);
  }
  if (given.has(own) || (own.status !== 'connecting' && own.status !== 'wait')) {
    throw new DuplicateError('its duplicate() returned a client that was there before');
  }
  given.add(own);
  const missing = missingOption(wanted, own.options as DriverOptions);
  if (missing === undefined) return own;
  if (own.status === 'connecting') {
    // Without a listener the driver would print that this ends it.
    own.on('error', () => undefined);
    own.disconnect();
  }
  throw new DuplicateError(`its duplicate() does not take over the option ${missing}`);
}

function callDuplicate(client: IoredisClient, wanted: DriverOptions): unknown {
  const duplicate = client.duplicate as (...args: unknown[]) => unknown;
  try {
    return client.isCluster ? duplicate.call(client, [], wanted) : duplicate.call(client, wanted);
  } catch (error) {
    throw new DuplicateError(`its duplicate() threw ${withoutSecrets(messageOf(error))}`);
  }
}

/** A message without the user and the password of a URL in it. */
function withoutSecrets(message: string): string {
  return message.replace(/\/\/[^\s/]*@/g, '//');
}
