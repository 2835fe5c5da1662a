import { Redis } from 'ioredis';
import { messageOf } from '../base/describe.ts';
import { slotOf } from '../base/hash-slot.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from './client.ts';
import { evalshaSenderOf, type SendEvalsha } from './ioredis-command.ts';
import { IoredisReason } from './ioredis-reason.ts';
import { endSilenceWithConnection, reconnectInRealTime, SOCKET_TIMEOUT_MS } from './ioredis-silence.ts';
import { IoredisSubscription, type Subscribable } from './ioredis-subscription.ts';

/** What an ioredis client, version 5 or 6, `Redis` or `Cluster`, has in common as far as it is used here. */
export interface IoredisClient {
  readonly status: string;
  readonly isCluster: boolean;
  readonly options: object;
  evalsha(sha1: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  eval(source: string, numberOfKeys: number, ...args: (string | number)[]): Promise<unknown>;
  on(event: string, listener: (error: Error) => void): unknown;
  off(event: string, listener: (error: Error) => void): unknown;
  connect(): Promise<void>;
}

/** Whether something handed in by a caller is an ioredis client. */
export function isIoredisClient(candidate: unknown): candidate is IoredisClient {
  if (typeof candidate !== 'object' || candidate === null) return false;
  const {
    status,
    evalsha,
    eval: evalScript,
    on,
  } = candidate as Partial<Record<keyof IoredisClient, unknown>>;
  return (
    typeof status === 'string' &&
    typeof evalsha === 'function' &&
    typeof evalScript === 'function' &&
    typeof on === 'function'
  );
}

/** Longest pause between two attempts to connect again. */
const LONGEST_RECONNECT_MS = 500;

function retryStrategy(attempt: number): number {
  return Math.min(25 * 2 ** Math.min(attempt, 10), LONGEST_RECONNECT_MS);
}

/**
 * The driver options a lock needs: a command is sent now or fails now. Nothing is queued for later, nothing is
 * sent twice, and a connection that was lost, or died without a word, is made anew for ever, soon.
 */
const SAFE_OPTIONS = {
  // The driver's own check needs INFO. A node is looked at on each connection anyway, and waits for one that is loading.
  enableReadyCheck: false,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  retryStrategy,
  connectTimeout: 2_000,
  disconnectTimeout: 100,
  socketTimeout: SOCKET_TIMEOUT_MS,
  connectionName: 'quorlock',
};

/** What a URL must not set in its query: the driver would prefer it. */
export const SAFE_OPTION_NAMES: readonly string[] = Object.keys(SAFE_OPTIONS);

/** Connects to one node with safe driver options. */
export function connectByUrl(url: URL): Client {
  // A URL's own spelling of itself: of `REDISS://` the driver makes a connection without TLS.
  const redis = new Redis(url.href, SAFE_OPTIONS);
  const adapter = new IoredisAdapter(redis, (again) => redis.disconnect(again));
  // Without a listener the driver prints connection errors; here a vote carries them. A client that was handed
  // in stays as its owner made it.
  redis.on('error', (error) => adapter.noteError(error));
  endSilenceWithConnection(redis);
  reconnectInRealTime(redis);
  return adapter;
}

/** Wraps a client that the caller made and will close. */
export function adoptIoredis(client: IoredisClient): Client {
  return new IoredisAdapter(client, undefined);
}

interface KnownOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly sentinels?: readonly KnownOptions[] | null;
  readonly name?: string;
  readonly keyPrefix?: string;
  readonly db?: number;
  readonly enableOfflineQueue?: boolean;
  readonly autoResendUnfulfilledCommands?: boolean;
  readonly stringNumbers?: boolean;
  readonly redisOptions?: KnownOptions;
}

/** A setting of a client under which the answers of the script are others, as the client's owner wrote it. */
export function unreadableSettingOf(client: IoredisClient): string | undefined {
  const { stringNumbers, redisOptions } = client.options as KnownOptions;
  if (stringNumbers) return 'stringNumbers: true';
  return redisOptions?.stringNumbers ? 'redisOptions.stringNumbers: true' : undefined;
}

/** Where a client connects to: `host:port`, a socket's path, or the name of what finds it. */
export function addressOf(client: IoredisClient): string {
  const { path, host, port, sentinels, name } = client.options as KnownOptions;
  if (client.isCluster) return `cluster ${firstStartupNode(client)}`;
  if (sentinels) return `sentinel ${name} of ${hostAndPort(sentinels[0]?.host, sentinels[0]?.port)}`;
  return path ?? hostAndPort(host, port);
}

function hostAndPort(host = 'localhost', port = 6379): string {
  return `${host.toLowerCase()}:${port}`;
}

function firstStartupNode(client: IoredisClient): string {
  const { startupNodes } = client as { startupNodes?: readonly unknown[] };
  const [node] = startupNodes ?? [];
  if (typeof node === 'object' && node !== null) {
    const { host, port } = node as KnownOptions;
    return hostAndPort(host, port);
  }
  if (typeof node === 'number') return hostAndPort(undefined, node);
  return typeof node === 'string' ? withoutCredentials(node) : 'of unknown address';
}

/** A URL, or `host:port`, as far as it is an address. */
function withoutCredentials(text: string): string {
  if (!URL.canParse(text) || !text.includes('://')) return text.slice(text.lastIndexOf('@') + 1);
  const { hostname, port } = new URL(text);
  return hostAndPort(hostname, Number(port || 6379));
}

/** The events after which an ioredis client's status may have changed. */
const STATUS_EVENTS = ['connecting', 'connect', 'ready', 'close', 'reconnecting', 'end', 'wait'] as const;

class IoredisAdapter implements Client {
  readonly address: string;
  readonly isCluster: boolean;
  readonly unsafeSettings: readonly string[];
  readonly #client: IoredisClient;
  readonly #disconnect: ((again: boolean) => void) | undefined;
  readonly #keyPrefix: string;
  readonly #evalsha: SendEvalsha;
  readonly #listeners = new Set<() => void>();
  readonly #following: readonly (readonly [event: string, listener: (error: Error) => void])[];
  readonly #reason: IoredisReason;
  #everFailed = false;
  /** Why the client is not in the database that it should be in. */
  #selectError: string | undefined;

  /** @param disconnect how to end the connection, and whether to make another one; undefined for a client that belongs to the caller */
  constructor(client: IoredisClient, disconnect: ((again: boolean) => void) | undefined) {
    this.#client = client;
    this.#disconnect = disconnect;
    this.address = addressOf(client);
    this.isCluster = client.isCluster;
    const options = client.options as KnownOptions;
    this.#reason = new IoredisReason(options);
    this.#keyPrefix = options.keyPrefix ?? '';
    this.#evalsha =
      evalshaSenderOf(client) ?? ((sha1, keys, args) => client.evalsha(sha1, keys.length, ...keys, ...args));
    this.unsafeSettings = disconnect === undefined ? unsafeSettingsOf(options) : [];
    const tell = () => this.#tell();
    this.#following = [
      // That of a client of our own goes on after the end, see connectByUrl.
      ...(disconnect === undefined ? [['error', (error: Error) => this.noteError(error)] as const] : []),
      ['connecting', () => this.#reason.connecting()],
      ['connect', () => this.#reason.connected()],
      ['ready', () => this.#reason.ready()],
      ['close', () => this.#lost()],
      ['ready', () => this.#select(options.db ?? 0, tell)],
      ...STATUS_EVENTS.map((event): [string, () => void] => [event, tell]),
    ];
    for (const [event, listener] of this.#following) client.on(event, listener);
    if (client.status !== 'ready') return;
    this.#reason.ready();
    this.#select(options.db ?? 0, tell);
  }

  get state(): ConnectionState {
    switch (this.#client.status) {
      case 'ready':
        return this.#selectError === undefined ? 'ready' : 'down';
      case 'end':
        return 'ended';
      case 'wait':
        // A lazy client connects when it is first needed, and this is when.
        this.#client.connect().catch(() => {
          // Its state tells.
        });
        return 'connecting';
      default:
        return this.#everFailed ? 'down' : 'connecting';
    }
  }

  get stateReason(): string {
    if (this.#selectError !== undefined) return `its database could not be selected: ${this.#selectError}`;
    return this.#reason.text(this.#client.status);
  }

  noteError(error: Error): void {
    this.#reason.failed(error);
    // What is told of a connection that is lost already is now more exact.
    if (this.state !== 'ready') this.#tell();
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#evalsha(sha1, keys, args);
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#client.eval(source, keys.length, ...keys, ...args);
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined {
    // PUBLISH does not tell how many in all of a Cluster have heard it.
    if (this.isCluster) return undefined;
    return new IoredisSubscription(this.#client as IoredisClient & Subscribable, channel, events, {
      retryStrategy,
    });
  }

  slotOf(key: string): number {
    return this.isCluster ? slotOf(this.#keyPrefix + key) : 0;
  }

  reconnect(): boolean {
    if (this.#disconnect === undefined || this.#client.status !== 'ready') return false;
    this.#disconnect(true);
    return true;
  }

  close(): void {
    for (const [event, listener] of this.#following) this.#client.off(event, listener);
    this.#disconnect?.(false);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }

  #lost(): void {
    this.#reason.closed();
    this.#everFailed = true;
    this.#selectError = undefined;
  }

  /**
   * Selects the client's database once more on every connection: when the driver's own SELECT fails it only emits an
   * error, and goes on in database 0, where nobody else's lock is seen.
   */
  #select(db: number, changed: () => void): void {
    const { select } = this.#client as { select?(db: number): Promise<unknown> };
    if (db === 0 || select === undefined) return;
    select.call(this.#client, db).catch((error: unknown) => {
      if (this.#client.status !== 'ready') return;
      this.#selectError = this.#reason.clean(messageOf(error));
      changed();
    });
  }
}

function unsafeSettingsOf(options: KnownOptions): readonly string[] {
  const settings = { ...options, ...options.redisOptions };
  const unsafe: string[] = [];
  if ((options.enableOfflineQueue ?? settings.enableOfflineQueue) !== false) {
    unsafe.push('enableOfflineQueue: set it to false, or commands queued during an outage run late');
  }
  if (settings.autoResendUnfulfilledCommands !== false) {
    unsafe.push('autoResendUnfulfilledCommands: set it to false, or commands run twice after a reconnect');
  }
  return unsafe;
}
