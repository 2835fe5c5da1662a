import { describe, messageOf } from '../base/describe.ts';
import { type DriverOptions, missingOption, ownClusterOptions, ownRedisOptions } from './ioredis-options.ts';

/**
 * What `Redis` and `Cluster` of ioredis, version 5 or 6, have in common, as far as the library uses a program's own
 * client.
 */
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

/** Says why a client can't be duplicated. */
export class DuplicateError extends Error {}

/**
 * A client of the library's own that connects as the program's does. The library sends nothing on the program's client
 * and does not listen to it, so the program may do with it as it likes.
 *
 * @throws {DuplicateError} there is none; then nothing is left open
 */
export function duplicateOf(client: IoredisClient): OwnClient {
  if (typeof client.duplicate !== 'function') throw new DuplicateError('it has no duplicate()');
  const { db = 0 } = client.options as { readonly db?: number };
  const wanted = client.isCluster ? ownClusterOptions() : ownRedisOptions(db);
  const own = callDuplicate(client, wanted);
  if (own === client) throw new DuplicateError('its duplicate() returned the client itself');
  if (!isIoredisClient(own)) {
    throw new DuplicateError(`its duplicate() must return an ioredis client: got ${describe(own)}`);
  }
  const missing = missingOption(wanted, own.options as DriverOptions);
  if (missing === undefined) return own;
  // Without a listener the driver would print the error that this end causes.
  own.on('error', () => undefined);
  own.disconnect();
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
