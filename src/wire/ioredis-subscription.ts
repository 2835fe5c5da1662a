import type { Subscription, SubscriptionEvents } from './client.ts';
import { endSilenceWithConnection, reconnectInRealTime } from './ioredis-silence.ts';

/** The part of an ioredis client, version 5 or 6, that subscribes. */
export interface Subscribable {
  readonly status: string;
  on(event: string, listener: (...args: string[]) => void): unknown;
  off(event: string, listener: (...args: string[]) => void): unknown;
  subscribe(channel: string): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
  duplicate(options: object): Subscribable;
  connect(): Promise<void>;
  disconnect(): void;
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
export class IoredisSubscription implements Subscription {
  readonly #client: Subscribable;
  readonly #channel: string;
  readonly #events: SubscriptionEvents;
  #own: Subscribable | undefined;
  #stopReconnecting: (() => void) | undefined;
  #isClosed = false;
  readonly #ready = () => this.#subscribe();
  readonly #lost = () => this.#events.lost();
  readonly #message = (channel?: string, message?: string) => {
    if (channel === this.#channel) this.#events.heard(message ?? '');
  };

  /** @param client one of the library's own; a connection of its own takes over its options */
  constructor(client: Subscribable, channel: string, events: SubscriptionEvents) {
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
      this.#stopReconnecting?.();
      this.#own.disconnect();
    }
  }

  #subscribe(): void {
    const isShared = this.#own === undefined && protocolOf(this.#client) === 3;
    if (!isShared && this.#own === undefined) {
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
    const own = this.#client.duplicate(LISTENER_OPTIONS);
    this.#own = own;
    this.#client.off('ready', this.#ready);
    // Without a listener the driver prints connection errors; it tries again by itself.
    own.on('error', ignore);
    endSilenceWithConnection(own);
    this.#stopReconnecting = reconnectInRealTime(own);
    own.on('ready', this.#ready);
    own.connect().catch(ignore);
  }

  #stopHearing(connection: Subscribable): void {
    connection.off('message', this.#message);
    connection.off('close', this.#lost);
  }
}

/** The protocol that client and server agreed on; unknown to ioredis 5, which speaks RESP2 only. */
function protocolOf(client: object): unknown {
  const { condition } = client as { readonly condition?: { readonly protocol?: unknown } | null };
  return condition?.protocol;
}

/** A failure shows in the subscription's own events. */
function ignore(): void {}
