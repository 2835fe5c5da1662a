import { SystemClock, type Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/describe.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from '../client.ts';
import {
  type Connect,
  type Driver,
  DriverError,
  hostAndPort,
  reconnectDelayMs,
  SILENCE_MS,
} from './driver.ts';
import { type DriverOptions, duplicateOf } from './duplicate.ts';
import { ConnectionReason } from './reason.ts';

/** A client of node-redis, as `createClient()` makes it, as far as the library uses a program's client. */
export interface NodeRedisClient {
  readonly isOpen: boolean;
  readonly isReady: boolean;
  /** How many connections the client has had. */
  readonly socketEpoch: number;
  /** Makes another client for the same server, which is not connected yet. */
  duplicate(...args: never[]): unknown;
}

/** A client of node-redis that is the library's own. */
interface OwnClient extends NodeRedisClient {
  readonly options?: object | undefined;
  duplicate(overrides: object): OwnClient;
  connect(): Promise<unknown>;
  destroy(): void;
  on(event: string, listener: (error: Error) => void): unknown;
  sendCommand(words: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

const METHODS: readonly (keyof OwnClient)[] = [
  'duplicate',
  'connect',
  'destroy',
  'on',
  'sendCommand',
  'subscribe',
];

interface KnownOptions {
  readonly RESP?: number | undefined;
  readonly database?: number | undefined;
  readonly password?: string | undefined;
  readonly socket?: {
    readonly host?: string;
    readonly port?: number;
    readonly path?: string;
    readonly tls?: boolean;
  };
}

export const nodeRedis: Driver<NodeRedisClient> = {
  name: 'redis',
  is: isNodeRedisClient,
  refusal,
  addressOf: (client) => addressOf(optionsOf(client)),
  adopt: (client) => {
    const wanted = ownOptions(optionsOf(client));
    const own = duplicateOf(client, {
      kind: 'a client of node-redis',
      args: [wanted],
      wanted,
      is: isNodeRedisClient,
      isNew: ({ isOpen, socketEpoch }) => !isOpen && socketEpoch === 0,
      end: () => undefined,
    });
    // A client that does not say which protocol it speaks may speak the old one.
    return new NodeRedisAdapter(own, optionsOf(client).RESP !== 3);
  },
  load: async () => {
    // A bundler takes an import that is tried for one of a package that may be missing.
    try {
      return connectWith(await import('redis'));
    } catch (error) {
      throw new DriverError('redis', error);
    }
  },
};

function isNodeRedisClient(candidate: unknown): candidate is NodeRedisClient & OwnClient {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const client = candidate as Partial<Record<keyof OwnClient, unknown>>;
  return (
    typeof client.isOpen === 'boolean' &&
    typeof client.socketEpoch === 'number' &&
    METHODS.every((name) => typeof client[name] === 'function')
  );
}

/** What else node-redis makes, by a member that nothing else of it has, and what to hand in instead. */
const OTHER_KINDS = [
  ['totalClients', 'a pool of node-redis: hand in a client, as createClient() makes it, or a URL'],
  [
    'getSentinelNode',
    'a Sentinel client of node-redis: hand in an ioredis client with sentinels, or a client of the master',
  ],
  [
    'getSlotMaster',
    'a Cluster client of node-redis: hand in a Cluster of ioredis, or clients of single masters',
  ],
  ['isOpen', 'a client of node-redis before 5.12: use a newer one'],
] as const;

function refusal(candidate: object): string | undefined {
  if (isNodeRedisClient(candidate) || !('sendCommand' in candidate)) return undefined;
  return OTHER_KINDS.find(([member]) => member in candidate)?.[1];
}

function connectWith({ createClient }: { readonly createClient?: unknown }): Connect {
  if (typeof createClient !== 'function') throw new Error('it is too old');
  return ({ host, port, tls, family, db, username, password }) => {
    const options = { username, password, database: db, socket: { host, port, tls, family } };
    const template: unknown = createClient({ ...options, ...ownOptions(options) });
    if (!isNodeRedisClient(template)) throw new Error('it is too old');
    return new NodeRedisAdapter(template, false);
  };
}

function optionsOf(client: object): KnownOptions {
  return (client as { readonly options?: KnownOptions }).options ?? {};
}

function addressOf({ socket }: KnownOptions): string {
  return socket?.path ?? hostAndPort(socket?.host, socket?.port);
}

/**
 * The options of a connection of the library's own. Those that say how to connect stay the program's: address, TLS,
 * user, password.
 */
function ownOptions({ socket, database }: KnownOptions): DriverOptions {
  return {
    // All that it says is in the other options as well.
    url: undefined,
    socket: {
      ...socket,
      connectTimeout: 2_000,
      // By itself the driver would end a connection that has nothing to do.
      socketTimeout: undefined,
      // A connection is not made again by the driver. It must not give up either: then it could not be ended any more.
      reconnectStrategy: () => 1,
    },
    database: database ?? 0,
    // With RESP3 a connection can subscribe as well.
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: undefined,
    // Type mappings and time limits.
    commandOptions: { timeout: undefined },
    keyPrefix: undefined,
    readonly: false,
    pingInterval: undefined,
    clientSideCache: undefined,
    emitInvalidate: false,
    maintNotifications: 'disabled',
    name: 'quorlock',
  };
}

/** A subscription to a channel. */
interface Listener {
  readonly channel: string;
  readonly events: SubscriptionEvents;
  /** Its own, where a connection that has subscribed takes no other commands. */
  line: Line | undefined;
  isSubscribed: boolean;
}

class NodeRedisAdapter implements Client {
  readonly address: string;
  readonly isCluster = false;
  readonly #template: OwnClient;
  readonly #speaksOldProtocol: boolean;
  readonly #reason: ConnectionReason;
  readonly #line: Line;
  readonly #stateListeners = new Set<() => void>();
  readonly #listeners = new Set<Listener>();
  /** Undefined: the old one, in a client of version 5, which asks for RESP2 as it asks for RESP3. */
  #protocol: 2 | 3 | undefined = 3;
  #hasFailed = false;
  #isGreeting = false;
  #isClosed = false;

  /**
   * @param template makes the connections, and is never connected itself
   * @param speaksOldProtocol whether the server may know RESP2 only, and hang up on a client that asks for RESP3
   */
  constructor(template: OwnClient, speaksOldProtocol: boolean) {
    this.#template = template;
    this.#speaksOldProtocol = speaksOldProtocol;
    const options = optionsOf(template);
    this.address = addressOf(options);
    this.#reason = new ConnectionReason({ tls: options.socket?.tls, password: options.password });
    this.#line = new Line(() => this.#connection('quorlock'), {
      connected: () => {
        this.#isGreeting = true;
        this.#reason.connected();
        this.#tell();
      },
      ready: (client) => {
        this.#isGreeting = false;
        this.#reason.ready();
        this.#tell();
        for (const listener of this.#listeners) this.#listen(client, listener);
      },
      lost: (error) => this.#lost(error),
    });
  }

  get state(): ConnectionState {
    if (this.#isClosed) return 'ended';
    if (this.#line.client !== undefined) return 'ready';
    return this.#hasFailed ? 'down' : 'connecting';
  }

  get stateReason(): string {
    return this.#line.client === undefined ? this.#reason.text(this.#isClosed) : '';
  }

  onStateChange(listener: () => void): () => void {
    this.#stateListeners.add(listener);
    return () => this.#stateListeners.delete(listener);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('EVALSHA', sha1, keys, args);
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('EVAL', source, keys, args);
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription {
    const listener: Listener = { channel, events, line: undefined, isSubscribed: false };
    this.#listeners.add(listener);
    const { client } = this.#line;
    if (client !== undefined) this.#listen(client, listener);
    return {
      close: () => {
        if (!this.#listeners.delete(listener)) return;
        if (listener.line !== undefined) listener.line.close();
        else this.#line.client?.unsubscribe(channel).catch(ignore);
      },
    };
  }

  slotOf(_key: string): number {
    return 0;
  }

  reconnect(): boolean {
    if (this.#line.client === undefined) return false;
    this.#line.drop('a new connection is made');
    return true;
  }

  close(): void {
    this.#isClosed = true;
    this.#line.close();
    for (const { line } of this.#listeners) line?.close();
    this.#listeners.clear();
  }

  #call(
    command: string,
    script: string,
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const { client } = this.#line;
    if (client === undefined) return Promise.reject(new Error(this.stateReason));
    // The driver takes texts only.
    return this.#line.send(client, [command, script, `${keys.length}`, ...keys, ...args.map(String)]);
  }

  #connection(name: string): OwnClient {
    // With RESP2 a name takes a command that the user may be forbidden, and the driver would connect for ever.
    return this.#template.duplicate({
      RESP: this.#protocol,
      name: this.#protocol === 3 ? name : undefined,
    });
  }

  #lost(error: unknown): void {
    // A server may not know RESP3, or forbid HELLO; a proxy may hang up on it.
    const mayBeProtocol = this.#speaksOldProtocol || /\bhello\b/i.test(messageOf(error));
    if (this.#isGreeting && mayBeProtocol) this.#protocol = this.#protocol === 2 ? undefined : 2;
    this.#isGreeting = false;
    this.#hasFailed = true;
    this.#reason.connecting();
    this.#reason.failed(error);
    this.#reason.closed();
    this.#tell();
    for (const listener of this.#listeners) if (listener.line === undefined) deaf(listener);
  }

  /** Has a connection listen, or one beside it. */
  #listen(client: OwnClient, listener: Listener): void {
    if (this.#protocol === 3) {
      hear(client, listener, () => this.#listeners.has(listener) && client === this.#line.client);
      return;
    }
    listener.line ??= new Line(() => this.#connection('quorlock:wake'), {
      ready: (own) => hear(own, listener, () => own === listener.line?.client),
      lost: () => deaf(listener),
    });
  }

  #tell(): void {
    for (const listener of this.#stateListeners) listener();
  }
}

/** Subscribes on a connection. `isPresent` tells whether the subscription and the connection still matter. */
function hear(client: OwnClient, listener: Listener, isPresent: () => boolean): void {
  const heard = (message: string) => {
    if (isPresent()) listener.events.heard(message);
  };
  client.subscribe(listener.channel, heard).then(() => {
    if (!isPresent()) return;
    listener.isSubscribed = true;
    listener.events.subscribed();
  }, ignore);
}

function deaf(listener: Listener): void {
  if (!listener.isSubscribed) return;
  listener.isSubscribed = false;
  listener.events.lost();
}

/** A failure shows in the state, and in the subscription's own events. */
function ignore(): void {}

/** Learns what becomes of the connections of a {@link Line}. */
interface LineEvents {
  /** The server takes the connection, and is being greeted. */
  connected?(): void;
  ready(client: OwnClient): void;
  lost(error: unknown): void;
}

/**
 * A connection to a server, which is made anew whenever it is lost. Each is a client of its own: a client of the driver
 * can't be told to connect anew, gives up after some errors, and keeps for the next connection what the last one should
 * have done.
 */
class Line {
  readonly #make: () => OwnClient;
  readonly #events: LineEvents;
  readonly #clock = new SystemClock();
  #client: OwnClient | undefined;
  #state: 'connecting' | 'greeting' | 'ready' | 'lost' | 'closed' = 'lost';
  /** Ends the wait for a connection; then that for the next one. */
  #timer: Timer | undefined;
  #attempts = 0;
  #unanswered = 0;
  #hasHeard = false;
  #silence: Timer | undefined;

  constructor(make: () => OwnClient, events: LineEvents) {
    this.#make = make;
    this.#events = events;
    this.#connect();
  }

  /** The present connection, if it works. */
  get client(): OwnClient | undefined {
    return this.#state === 'ready' ? this.#client : undefined;
  }

  /** Sends a command on the present connection. */
  send(client: OwnClient, words: readonly string[]): Promise<unknown> {
    const answer = client.sendCommand(words);
    this.#unanswered += 1;
    const heard = () => {
      this.#unanswered -= 1;
      this.#hasHeard = true;
    };
    answer.then(heard, heard);
    if (this.#silence === undefined) this.#listen();
    return answer;
  }

  /** Gives the present connection up. */
  drop(why: string): void {
    if (this.#client !== undefined) this.#lost(this.#client, new Error(why));
  }

  close(): void {
    const client = this.#client;
    const isConnecting = this.#state === 'connecting';
    this.#leave('closed');
    this.#silence?.cancel();
    if (client === undefined) return;
    if (!isConnecting) end(client);
    // Ended before it has a socket, it would go on without being seen. An error ends it, too.
    else for (const event of ['connect', 'error']) client.on(event, () => end(client));
  }

  #connect(): void {
    const client = this.#make();
    const lost = (error: unknown) => this.#lost(client, error);
    this.#client = client;
    this.#state = 'connecting';
    // Stays for good: without a listener for it, a late error would end the process.
    client.on('error', lost);
    client.on('connect', () => {
      if (client !== this.#client) return;
      this.#state = 'greeting';
      this.#events.connected?.();
    });
    client.on('ready', () => {
      if (client !== this.#client) return;
      this.#timer?.cancel();
      this.#state = 'ready';
      this.#attempts = 0;
      this.#events.ready(client);
    });
    this.#timer = this.#clock.after(SILENCE_MS, () => lost(new Error(NO_ANSWER)), { keepAlive: false });
    client.connect().catch(lost);
  }

  #lost(client: OwnClient, error: unknown): void {
    if (client !== this.#client) return;
    this.#leave('lost');
    end(client);
    this.#attempts += 1;
    this.#timer = this.#clock.after(reconnectDelayMs(this.#attempts), () => this.#connect());
    this.#events.lost(error);
  }

  #leave(state: 'lost' | 'closed'): void {
    this.#timer?.cancel();
    this.#client = undefined;
    this.#state = state;
  }

  /** Gives a connection up that leaves commands unanswered. */
  #listen(): void {
    this.#hasHeard = false;
    const listened = () => {
      this.#silence = undefined;
      if (this.#unanswered === 0) return;
      if (!this.#hasHeard) this.drop(NO_ANSWER);
      this.#listen();
    };
    this.#silence = this.#clock.after(SILENCE_MS, listened, { keepAlive: false });
  }
}

const NO_ANSWER = `no answer within ${SILENCE_MS} ms`;

function end(client: OwnClient): void {
  try {
    client.destroy();
  } catch {
    // It has ended: version 5 says so by an error.
  }
}
