/** The state of a client's connection to its server. */
export type ConnectionState =
  /** The first connection is being made. */
  | 'connecting'
  /** Commands can be sent. */
  | 'ready'
  /** The connection failed or was lost; the client tries again by itself. */
  | 'down'
  /** The client was ended and will not connect again. */
  | 'ended';

/** The events of a subscription. */
export interface SubscriptionEvents {
  /** The server has confirmed it: messages that are published from now on arrive. Comes again after every loss. */
  subscribed(): void;
  /** A message was published. */
  heard(message: string): void;
  /** Messages that are published from now on do not arrive, until it is subscribed again. */
  lost(): void;
}

/** A subscription to one channel. The client makes it anew on every new connection. */
export interface Subscription {
  /** Ends it; no event comes after that. Does not wait. */
  close(): void;
}

/**
 * The port to a Redis client: all that the library needs of one. Adapters for drivers implement it, and so does a
 * simulated node.
 *
 * Commands must reach the server in the order they were sent, as long as one connection lasts.
 */
export interface Client {
  /** Where the node is, for messages: `host:port` or a socket's path. Never holds a password. */
  readonly address: string;
  readonly state: ConnectionState;
  /** Why the state is not `ready`, as far as it is known. Never holds a password. */
  readonly stateReason: string;
  /** Calls `listener` after every change of `state`, and on every new connection. Returns a function that stops it. */
  onStateChange(listener: () => void): () => void;
  /** EVALSHA. Rejects with the server's error, or when the connection is lost. May never settle. */
  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /** EVAL, for a server that does not have the script yet. */
  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown>;
  /**
   * Any command, as words: for the command line, which looks at a server's configuration. Undefined: this client runs
   * scripts only. The form of the reply is the driver's.
   */
  send?(words: readonly string[]): Promise<unknown>;
  /**
   * SUBSCRIBE, on this connection where the protocol allows it (RESP3) and else on one of its own. Undefined in a Redis
   * Cluster, where notifications are not reliable.
   */
  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined;
  /** Whether the node is a Redis Cluster: several servers, each with some of the keys and its own TIME. */
  readonly isCluster: boolean;
  /** The hash slot of a key in a Redis Cluster; the keys of one call must share it. 0 for a single server. */
  slotOf(key: string): number;
  /**
   * Drops the connection and makes a new one, which may lead to another server. The address of a master may be that
   * of its successor by now. Does not wait.
   *
   * @returns whether it does so: not while a connection is being made anyway
   */
  reconnect(): boolean;
  /** Drops the connection. Does not wait. */
  close(): void;
}
