import { type Clock, SystemClock, type Timer } from '../../base/clock.ts';
import { slotOf } from '../../base/companion-key.ts';
import { messageOf } from '../../base/describe.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from '../client.ts';
import {
  type Connect,
  type Driver,
  DriverError,
  hostAndPort,
  NO_ANSWER,
  reconnectDelayMs,
  SILENCE_MS,
} from './driver.ts';
import { type DriverOptions, duplicateOf } from './duplicate.ts';
import { callSenderOf, type SendCall } from './ioredis-command.ts';
import { type ConnectionOptions, ConnectionReason } from './reason.ts';

/** What `Redis` and `Cluster` of ioredis and iovalkey have in common, as far as the library uses a program's client. */
export interface IoredisClient {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  /** Makes another client that connects to the same server or Cluster. */
  duplicate(...args: never[]): unknown;
}

type Listener = ((error: Error) => void) | ((...texts: string[]) => void) | ((node: OwnClient) => void);

/** A client of ioredis, version 5 or 6, that is the library's own. */
interface OwnClient {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  evalsha(sha1: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(source: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  call(command: string, ...args: string[]): Promise<unknown>;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
  connect(): Promise<void>;
  disconnect(reconnect?: boolean): void;
}

const METHODS: readonly (keyof OwnClient)[] = ['evalsha', 'eval', 'on', 'off', 'connect', 'disconnect'];

interface KnownOptions extends ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly sentinels?: readonly KnownOptions[] | null;
  readonly name?: string;
  readonly db?: number | null;
  readonly protocol?: number;
}

export const ioredis: Driver<IoredisClient> = {
  name: 'ioredis',
  is: isIoredisClient,
  refusal: (candidate) => (isAnyClient(candidate) ? oldClient(candidate) : undefined),
  addressOf,
  adopt,
  load: async () => {
    try {
      return connectWith(await import('ioredis'));
    } catch (error) {
      throw new DriverError('ioredis', error);
    }
  },
};

/** A fork of ioredis, which makes the same clients. */
export const iovalkey: Driver<IoredisClient> = {
  ...ioredis,
  name: 'iovalkey',
  load: async () => {
    try {
      return connectWith(await import('iovalkey'));
    } catch (error) {
      throw new DriverError('iovalkey', error);
    }
  },
};

function isIoredisClient(candidate: unknown): candidate is IoredisClient & OwnClient {
  return isAnyClient(candidate) && oldClient(candidate) === undefined;
}

/**
 * What a client is that is too old, by members that newer ones have, and what to use. Undefined: it is not too old. A
 * 5.4.1 has those of 5.4.2.
 */
function oldClient(client: OwnClient): string | undefined {
  if (!('createScanStream' in client)) return 'a client of ioredis 4: use ioredis 5.4.2 or a newer one';
  if (client.isCluster || isNew(client)) return undefined;
  return 'a client of ioredis 5 before 5.4.2: use that or a newer one';
}

/** Whether a client, or what makes clients, is of 5.4.1 or newer. That of 5.4.0 prints a line for every answer. */
function isNew(candidate: object): boolean {
  const method: unknown = Reflect.get(candidate, 'setSocketTimeout');
  return method !== undefined && !String(method).includes('GOT DATA');
}

/** Whether something is a client of ioredis or iovalkey, of any version. */
function isAnyClient(candidate: unknown): candidate is IoredisClient & OwnClient {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const client = candidate as Partial<Record<keyof OwnClient, unknown>>;
  return (
    typeof client.status === 'string' &&
    typeof client.options === 'object' &&
    client.options !== null &&
    METHODS.every((name) => typeof client[name] === 'function')
  );
}

function connectWith({ Redis }: { readonly Redis?: unknown }): Connect {
  if (typeof Redis !== 'function' || !isNew(Redis.prototype))
    throw new Error('it is too old: use 5.4.2 or a newer one');
  const Class = Redis as new (options: object) => OwnClient;
  return ({ tls, ...server }) =>
    clientOver(new Class({ ...server, ...(tls && { tls: {} }), ...SAFE_OPTIONS }));
}

function adopt(client: IoredisClient): Client {
  const { db, redisOptions, protocol } = client.options as KnownOptions & {
    readonly redisOptions?: DriverOptions;
  };
  // The driver itself takes what is no number for 0.
  const wanted = client.isCluster ? ownClusterOptions(redisOptions) : ownRedisOptions(Number(db) || 0);
  const own = duplicateOf(client, {
    kind: 'an ioredis client',
    args: client.isCluster ? [[], wanted] : [wanted],
    wanted,
    is: isIoredisClient,
    isNew: ({ status }) => status === 'connecting' || status === 'wait',
    end: (useless) => {
      if (useless.status !== 'connecting') return;
      // Without a listener the driver would print that this ends it.
      useless.on('error', ignore);
      useless.disconnect();
    },
  });
  return clientOver(own, protocol === 2);
}

/** @param speaksOldProtocol whether the server is known to speak RESP2, and may not know how to refuse RESP3 */
export function clientOver(own: OwnClient, speaksOldProtocol = false): Client {
  if (!own.isCluster) fallBackToOldProtocol(own, speaksOldProtocol);
  return new IoredisAdapter(own);
}

const SAFE_CONNECTION = {
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 2_000,
  disconnectTimeout: 100,
  // It costs a timer and a listener for each command; see watchOver.
  socketTimeout: undefined,
  connectionName: 'quorlock',
} as const;

/**
 * The driver options a lock needs: a command is sent now or fails now. Nothing is queued for later, and nothing is
 * sent twice. The driver replaces a connection that was lost, or died without a word, soon and without end.
 */
const SAFE_OPTIONS = {
  ...SAFE_CONNECTION,
  // The driver's own check needs INFO. The library's handshake on each connection waits for a server that is loading.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  retryStrategy: reconnectDelayMs,
} as const;

/** Settings by which a program may change its client's commands and answers. The library's client has none. */
const PLAIN_COMMANDS = {
  keyPrefix: '',
  enableAutoPipelining: false,
  showFriendlyErrorStack: false,
  scripts: null,
} as const;

const PLAIN_CONNECTION = {
  ...PLAIN_COMMANDS,
  stringNumbers: false,
  replyMapping: 'legacy',
  monitor: false,
  commandTimeout: null,
  reconnectOnError: null,
} as const;

const NONE: readonly never[] = [];

/** The pause before a cluster that is being rearranged is asked again. The driver can't be told not to ask again. */
const SHORTEST_DELAY_MS = 10;

/**
 * The library's own connection to the server of a program's `Redis`: how to connect stays the program's. `db`: the
 * database that the program's client was made for, whichever it has selected since.
 */
function ownRedisOptions(db: number): DriverOptions {
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
    sentinelRetryStrategy: reconnectDelayMs,
    himportFieldsets: NONE,
  };
}

/**
 * As {@link ownRedisOptions}, for a `Cluster`. `redisOptions`: the program's for each server, which ioredis 5 would
 * drop.
 */
function ownClusterOptions(redisOptions: DriverOptions | undefined): DriverOptions {
  return {
    ...PLAIN_COMMANDS,
    // For a server of the Cluster that is being connected to. Without a Cluster, `evalsha` fails before anything is
    // sent.
    enableOfflineQueue: true,
    lazyConnect: false,
    clusterRetryStrategy: reconnectDelayMs,
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

/** The address of a client: `host:port`, a socket's path, or the name under which sentinels know it. */
function addressOf(client: Pick<IoredisClient, 'options' | 'isCluster'>): string {
  const { path, host, port, sentinels, name } = client.options as KnownOptions;
  if (client.isCluster) return `cluster ${firstStartupNode(client)}`;
  if (sentinels) return `sentinel ${name} of ${hostAndPort(sentinels[0]?.host, sentinels[0]?.port)}`;
  return path ?? hostAndPort(host, port);
}

function firstStartupNode(client: object): string {
  const { startupNodes = [] } = client as { startupNodes?: readonly unknown[] };
  const [node] = startupNodes;
  if (typeof node === 'number') return hostAndPort(undefined, node);
  if (typeof node === 'string') {
    if (!URL.canParse(node) || !node.includes('://')) return node.slice(node.lastIndexOf('@') + 1);
    const { hostname, port } = new URL(node);
    return hostAndPort(hostname, Number(port || 6379));
  }
  if (typeof node !== 'object' || node === null) return 'of unknown address';
  const { host, port } = node as KnownOptions;
  return hostAndPort(host, port);
}

/** The events after which an ioredis client's status may have changed. */
const STATUS_EVENTS = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'wait'] as const;

class IoredisAdapter implements Client {
  readonly address: string;
  readonly isCluster: boolean;
  readonly #client: OwnClient;
  readonly #call: SendCall;
  readonly #listeners = new Set<() => void>();
  readonly #following: readonly (readonly [event: string, listener: () => void])[];
  readonly #reason: ConnectionReason;
  readonly #stopWatching: () => void;
  #everFailed = false;
  #selectError: string | undefined;

  constructor(client: OwnClient) {
    this.#client = client;
    this.address = addressOf(client);
    this.isCluster = client.isCluster;
    this.#reason = new ConnectionReason(client.options);
    this.#call =
      callSenderOf(client) ??
      ((command, script, keys, args) => client[command](script, keys.length, ...keys, ...args));
    this.#following = [
      ['connecting', () => this.#reason.connecting()],
      ['connect', () => this.#reason.connected()],
      ['ready', () => this.#ready()],
      ['close', () => this.#lost()],
      ...STATUS_EVENTS.map((event): [string, () => void] => [event, () => this.#tell()]),
    ];
    for (const [event, listener] of this.#following) client.on(event, listener);
    this.#stopWatching = watchOver(client);
    // Without a listener the driver prints connection errors, also after the end; here a vote carries them.
    client.on('error', (error: Error) => this.#noteError(error));
    if (client.status === 'ready') this.#ready();
  }

  get state(): ConnectionState {
    switch (this.#client.status) {
      case 'ready':
        return this.#selectError === undefined ? 'ready' : 'down';
      case 'end':
        return 'ended';
      default:
        return this.#everFailed ? 'down' : 'connecting';
    }
  }

  get stateReason(): string {
    if (this.#selectError !== undefined) return `its database could not be selected: ${this.#selectError}`;
    return this.#reason.text(this.#client.status === 'end');
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#refusal() ?? this.#call('evalsha', sha1, keys, args);
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#refusal() ?? this.#call('eval', source, keys, args);
  }

  send([command = '', ...args]: readonly string[]): Promise<unknown> {
    return this.#refusal() ?? this.#client.call(command, ...args);
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined {
    // In a Cluster, PUBLISH does not tell how many subscribers have heard it.
    if (this.isCluster) return undefined;
    return new IoredisSubscription(this.#client, channel, events);
  }

  slotOf(key: string): number {
    return this.isCluster ? slotOf(key) : 0;
  }

  reconnect(): boolean {
    if (this.#client.status !== 'ready') return false;
    this.#client.disconnect(true);
    return true;
  }

  close(): void {
    for (const [event, listener] of this.#following) this.#client.off(event, listener);
    this.#stopWatching();
    this.#client.disconnect();
  }

  #noteError(error: Error): void {
    this.#reason.failed(error);
    // The reason for a connection that is lost already is now more exact.
    if (this.state !== 'ready') this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  /** A Cluster without a connection would queue commands until it has one. */
  #refusal(): Promise<never> | undefined {
    if (!this.isCluster || this.#client.status === 'ready') return undefined;
    return Promise.reject(new Error(this.stateReason));
  }

  #lost(): void {
    this.#reason.closed();
    this.#everFailed = true;
    this.#selectError = undefined;
  }

  /**
   * Selects the database once more on every connection: when the driver's own SELECT fails, it goes on in database 0.
   */
  #ready(): void {
    this.#reason.ready();
    const { options, select } = this.#client as {
      options: KnownOptions;
      select?(db: number): Promise<unknown>;
    };
    if (!options.db || select === undefined) return;
    select.call(this.#client, options.db).catch((error: unknown) => {
      if (this.#client.status !== 'ready') return;
      this.#selectError = this.#reason.clean(messageOf(error));
      this.#tell();
    });
  }
}

/** A connection that only listens: it is made anew for ever, and nothing waits for it. */
const LISTENER_OPTIONS = {
  lazyConnect: true,
  // A server that loads its data takes subscriptions.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  keyPrefix: '',
  connectionName: 'quorlock:wake',
};

/**
 * Subscribes to a channel on an ioredis client's own connection, where that speaks RESP3. Elsewhere it opens another
 * connection to the same server: with RESP2, a connection that has subscribed takes no other commands.
 */
class IoredisSubscription implements Subscription {
  readonly #client: OwnClient;
  readonly #channel: string;
  readonly #events: SubscriptionEvents;
  #own: OwnClient | undefined;
  #stopWatching: (() => void) | undefined;
  #isClosed = false;
  readonly #ready = () => this.#subscribe();
  readonly #lost = () => this.#events.lost();
  readonly #message = (channel?: string, message?: string) => {
    if (channel === this.#channel) this.#events.heard(message ?? '');
  };

  /** @param client one of the library's own; a connection of its own takes over its options */
  constructor(client: OwnClient, channel: string, events: SubscriptionEvents) {
    this.#client = client;
    this.#channel = channel;
    this.#events = events;
    client.on('ready', this.#ready);
    if (client.status === 'ready') this.#subscribe();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.off('ready', this.#ready);
    this.#stopHearing(this.#own ?? this.#client);
    if (this.#own === undefined) {
      this.#client.unsubscribe(this.#channel).catch(ignore);
    } else {
      this.#own.off('ready', this.#ready);
      this.#stopWatching?.();
      this.#own.disconnect();
    }
  }

  #subscribe(): void {
    if (this.#own === undefined && protocolOf(this.#client) !== 3) {
      this.#connect();
      return;
    }
    const connection = this.#own ?? this.#client;
    // Where the subscription has a connection of its own, the main client's return says nothing.
    if (connection.status !== 'ready') return;
    this.#stopHearing(connection);
    connection.on('message', this.#message);
    connection.on('close', this.#lost);
    connection.subscribe(this.#channel).then(() => {
      if (!this.#isClosed) this.#events.subscribed();
    }, ignore);
  }

  #connect(): void {
    const client = this.#client as OwnClient & { duplicate(options: object): OwnClient };
    const own = client.duplicate(LISTENER_OPTIONS);
    this.#own = own;
    this.#client.off('ready', this.#ready);
    // Without a listener the driver prints connection errors; it tries again by itself.
    own.on('error', ignore);
    this.#stopWatching = watchOver(own);
    own.on('ready', this.#ready);
    own.connect().catch(ignore);
  }

  #stopHearing(connection: OwnClient): void {
    connection.off('message', this.#message);
    connection.off('close', this.#lost);
  }
}

/** The protocol that client and server agreed on; unknown to ioredis 5, which speaks RESP2 only. */
function protocolOf(client: object): unknown {
  const { condition } = client as { readonly condition?: { readonly protocol?: unknown } | null };
  return condition?.protocol;
}

/** A failure shows in the client's state, and in the subscription's own events. */
function ignore(): void {}

/** So often a connection is looked at within the time that it may be silent. */
const LOOKS = 4;

/** Longer than the driver ever waits by itself before it connects again. */
const OVERDUE_MS = 1_000;

type Watched = Pick<OwnClient, 'status' | 'on' | 'connect'> & object;

/**
 * Does what the driver does badly, or does not do where its own timers are a test's fake ones. A connection that leaves its
 * oldest command without an answer is given up: the driver's `socketTimeout` takes a timer and a listener for each
 * command. And a client that waits to connect again connects.
 *
 * @returns stops it, as every `disconnect()` needs: a client that waits to connect again would stay `reconnecting`
 */
export function watchOver(client: Watched, clock: Clock = new SystemClock()): () => void {
  // Beside the driver's types; a Cluster has none, and nor has a client that only behaves like the driver's.
  const inner = client as {
    readonly commandQueue?: { peekFront(): unknown };
    readonly stream?: { destroy(error: Error): unknown };
  };
  let timer: Timer | undefined;
  let isStopped = false;
  const after = (delayMs: number, step: () => void) => {
    timer?.cancel();
    if (!isStopped) timer = clock.after(delayMs, step, { keepAlive: false });
  };
  client.on('connect', () => {
    const { stream } = inner;
    let oldest: unknown;
    let unanswered = 0;
    const look = () => {
      const first = inner.commandQueue?.peekFront();
      unanswered = first !== undefined && first === oldest ? unanswered + 1 : 0;
      oldest = first;
      if (unanswered === LOOKS) stream?.destroy(new Error(NO_ANSWER));
      else after(SILENCE_MS / LOOKS, look);
    };
    look();
  });
  client.on('close', () => timer?.cancel());
  client.on('reconnecting', () =>
    after(OVERDUE_MS, () => {
      if (client.status === 'reconnecting') client.connect().catch(ignore);
    }),
  );
  client.on('+node', (node: OwnClient) => watchOver(node, clock));
  return () => {
    isStopped = true;
    timer?.cancel();
  };
}

/**
 * Has a client go on with RESP2 where HELLO is forbidden, or a proxy hangs up on it. Where the server does not know
 * RESP3 the driver does so itself. `speaksOldProtocol`: the program's own client speaks RESP2 there, so it is tried
 * whatever fails first.
 */
function fallBackToOldProtocol(client: OwnClient, speaksOldProtocol: boolean): void {
  const options = client.options as { protocol?: number };
  let isGreeting = false;
  client.on('connect', () => {
    isGreeting = true;
  });
  client.on('ready', () => {
    isGreeting = false;
  });
  client.on('error', ({ message }: Error) => {
    if (isGreeting && /\bhello\b/i.test(message)) options.protocol = 2;
  });
  client.on('close', () => {
    if (isGreeting && speaksOldProtocol) options.protocol = 2;
    isGreeting = false;
  });
}
