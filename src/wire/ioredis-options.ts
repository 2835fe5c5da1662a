import { SOCKET_TIMEOUT_MS } from './ioredis-silence.ts';

/** Longest pause between two attempts to connect again. */
const LONGEST_RECONNECT_MS = 500;

function retryStrategy(attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_RECONNECT_MS);
}

/** One connection: nothing is sent twice, and no command waits for another connection. */
const SAFE_CONNECTION = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2_000,
  disconnectTimeout: 100,
  socketTimeout: SOCKET_TIMEOUT_MS,
  connectionName: 'quorlock',
} as const;

/**
 * The driver options a lock needs: a command is sent now or fails now. Nothing is queued for later, nothing is sent
 * twice, and the driver replaces a connection that was lost, or died without a word, soon and without end.
 */
export const SAFE_OPTIONS = {
  ...SAFE_CONNECTION,
  // The driver's own check needs INFO. The library's handshake on each connection waits for a server that is loading.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  retryStrategy,
} as const;

/** Settings by which a program may change its client's commands and answers. The library's client has none. */
const PLAIN_COMMANDS = {
  keyPrefix: '',
  enableAutoPipelining: false,
  showFriendlyErrorStack: false,
  scripts: null,
} as const;

/** As {@link PLAIN_COMMANDS}, for one connection. */
const PLAIN_CONNECTION = {
  ...PLAIN_COMMANDS,
  stringNumbers: false,
  replyMapping: 'legacy',
  monitor: false,
  commandTimeout: null,
  reconnectOnError: null,
} as const;

/** Driver options, by name. */
export type DriverOptions = Readonly<Record<string, unknown>>;

/**
 * The options of a connection of the library's own to the server of a program's `Redis`. Those that say how to connect
 * stay the program's: address, TLS, user, password, sentinels.
 *
 * @param db the database that the program's client was made for, whichever it has selected since
 */
export function ownRedisOptions(db: number): DriverOptions {
  return {
    ...SAFE_OPTIONS,
    ...PLAIN_CONNECTION,
    db,
    lazyConnect: false,
    readOnly: false,
    // With RESP3 a connection can subscribe as well. The driver asks for RESP2 where a server does not have it.
    protocol: 3,
    // A sentinel knows replicas too; only the master can be a node.
    role: 'master',
    // Without one the driver gives up when no sentinel answers.
    sentinelRetryStrategy: retryStrategy,
    himportFieldsets: NONE,
  };
}

/**
 * As {@link ownRedisOptions}, for a `Cluster`.
 *
 * @param redisOptions the program's own for each server, with user, password and TLS, which ioredis 5 would drop
 */
export function ownClusterOptions(redisOptions: DriverOptions | undefined): DriverOptions {
  return {
    ...PLAIN_COMMANDS,
    // For a server of the Cluster that is being connected to. Without a Cluster, `evalsha` fails before anything is
    // sent.
    enableOfflineQueue: true,
    lazyConnect: false,
    clusterRetryStrategy: retryStrategy,
    scaleReads: 'master',
    // A command whose outcome a connection does not tell is not sent again.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    retryDelayOnMoved: 0,
    retryDelayOnTryAgain: SHORTEST_DELAY_MS,
    shardedSubscribers: false,
    himportFieldsets: NONE,
    redisOptions: { ...redisOptions, ...SAFE_CONNECTION, ...PLAIN_CONNECTION },
  };
}

const NONE: readonly never[] = [];

/** The pause before a cluster that is being rearranged is asked again. The driver can't be told not to ask again. */
const SHORTEST_DELAY_MS = 10;

/** The first of the wanted options that a client does not have. Undefined: it has all of them. */
export function missingOption(wanted: DriverOptions, options: DriverOptions): string | undefined {
  for (const [name, value] of Object.entries(wanted)) {
    const actual = options[name];
    if (
      actual === value ||
      (isRecord(value) && isRecord(actual) && missingOption(value, actual) === undefined)
    )
      continue;
    // One may be a copy of an empty object, or be unset.
    if (isEmpty(value) && isEmpty(actual)) continue;
    return name;
  }
  return undefined;
}

function isRecord(value: unknown): value is DriverOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
