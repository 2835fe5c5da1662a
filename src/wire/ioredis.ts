import { Redis } from 'ioredis';
import { slotOf } from '../base/companion-key.ts';
import { messageOf } from '../base/describe.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from './client.ts';
import { callSenderOf, type SendCall } from './ioredis-command.ts';
import { duplicateOf, type IoredisClient, type OwnClient } from './ioredis-duplicate.ts';
import { SAFE_OPTIONS } from './ioredis-options.ts';
import { fallBackToOldProtocol } from './ioredis-protocol.ts';
import { type ConnectionOptions, IoredisReason } from './ioredis-reason.ts';
import { endSilenceWithConnection, reconnectInRealTime } from './ioredis-silence.ts';
import { IoredisSubscription, type Subscribable } from './ioredis-subscription.ts';

/** Options that a URL must not set in its query: the driver would prefer them. */
export const SAFE_OPTION_NAMES: readonly string[] = Object.keys(SAFE_OPTIONS);

/** Connects to one node with safe driver options. */
export function connectByUrl(url: URL): Client {
  // `href` is the URL's normal form: of `REDISS://` the driver makes a connection without TLS.
  return clientOver(new Redis(url.href, SAFE_OPTIONS));
}

/**
 * Connects to the server of a program's client.
 *
 * @throws {DuplicateError} it can't be duplicated
 */
export function connectAs(client: IoredisClient): Client {
  const { protocol } = client.options as KnownOptions;
  return clientOver(duplicateOf(client), protocol === 2);
}

/** @param speaksOldProtocol whether the server is known to speak RESP2, and may not know how to refuse RESP3 */
export function clientOver(own: OwnClient, speaksOldProtocol = false): Client {
  if (!own.isCluster) fallBackToOldProtocol(own, speaksOldProtocol);
  endSilenceWithConnection(own);
  return new IoredisAdapter(own);
}

interface KnownOptions extends ConnectionOptions {
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly sentinels?: readonly KnownOptions[] | null;
  readonly name?: string;
  readonly db?: number;
  readonly protocol?: number;
}

/** The address of a client: `host:port`, a socket's path, or the name under which sentinels know it. */
export function addressOf(client: Pick<IoredisClient, 'options' | 'isCluster'>): string {
  const { path, host, port, sentinels, name } = client.options as KnownOptions;
  if (client.isCluster) return `cluster ${firstStartupNode(client)}`;
  if (sentinels) return `sentinel ${name} of ${hostAndPort(sentinels[0]?.host, sentinels[0]?.port)}`;
  return path ?? hostAndPort(host, port);
}

function hostAndPort(host = 'localhost', port = 6379): string {
  return `${/^[^[]*:/.test(host) ? `[${host}]` : host}:${port}`.toLowerCase();
}

function firstStartupNode(client: object): string {
  const { startupNodes } = client as { startupNodes?: readonly unknown[] };
  const [node] = startupNodes ?? [];
  if (typeof node === 'object' && node !== null) {
    const { host, port } = node as KnownOptions;
    return hostAndPort(host, port);
  }
  if (typeof node === 'number') return hostAndPort(undefined, node);
  return typeof node === 'string' ? withoutCredentials(node) : 'of unknown address';
}

/** A URL, or `host:port`, reduced to its address. */
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
  readonly #client: OwnClient;
  readonly #call: SendCall;
  readonly #listeners = new Set<() => void>();
  readonly #following: readonly (readonly [event: string, listener: (error: Error) => void])[];
  readonly #reason: IoredisReason;
  readonly #stopReconnecting: () => void;
  #everFailed = false;
  /** Why the client is not in the database that it should be in. */
  #selectError: string | undefined;

  constructor(client: OwnClient) {
    this.#client = client;
    this.address = addressOf(client);
    this.isCluster = client.isCluster;
    const options = client.options as KnownOptions;
    this.#reason = new IoredisReason(options);
    this.#call =
      callSenderOf(client) ??
      ((command, script, keys, args) => client[command](script, keys.length, ...keys, ...args));
    const tell = () => this.#tell();
    this.#following = [
      ['connecting', () => this.#reason.connecting()],
      ['connect', () => this.#reason.connected()],
      ['ready', () => this.#reason.ready()],
      ['close', () => this.#lost()],
      ['ready', () => this.#select(options.db ?? 0, tell)],
      ...STATUS_EVENTS.map((event): [string, () => void] => [event, tell]),
    ];
    for (const [event, listener] of this.#following) client.on(event, listener);
    this.#stopReconnecting = reconnectInRealTime(client);
    // Without a listener the driver prints connection errors, also after the end; here a vote carries them.
    client.on('error', (error) => this.#noteError(error));
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
      default:
        return this.#everFailed ? 'down' : 'connecting';
    }
  }

  get stateReason(): string {
    if (this.#selectError !== undefined) return `its database could not be selected: ${this.#selectError}`;
    return this.#reason.text(this.#client.status);
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

  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined {
    // In a Cluster, PUBLISH does not tell how many subscribers have heard it.
    if (this.isCluster) return undefined;
    return new IoredisSubscription(this.#client as OwnClient & Subscribable, channel, events);
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
    this.#stopReconnecting();
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
   * Selects the client's database once more on every connection. When the driver's own SELECT fails, the driver only
   * emits an error and goes on in database 0, where the locks of other programs are not seen.
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
