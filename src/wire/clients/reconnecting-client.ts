import { SystemClock, type Timer } from '../../base/clock.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from '../client.ts';
import { NO_ANSWER, reconnectDelayMs, SILENCE_MS } from './driver.ts';
import { type ConnectionOptions, ConnectionReason } from './reason.ts';

/**
 * One connection of the library's own. Its driver tells too little of the connections that it makes anew by itself,
 * so a lost connection is ended. `connect` is emitted when the server takes it, `ready` when it can be used, `error`
 * when it is lost or could not be made.
 */
export interface Connection {
  connect(): Promise<unknown>;
  /** Has no effect, or none to rely on, before `connect` or `error`. */
  destroy(): void;
  on(event: string, listener: (error: Error) => void): unknown;
  sendCommand(words: readonly string[]): Promise<unknown>;
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>;
  unsubscribe(channel: string): Promise<unknown>;
}

export interface Dialler {
  readonly address: string;
  readonly options: ConnectionOptions;
  /** Whether a connection that has subscribed takes other commands as well. Asked when there is one. */
  readonly sharesSubscriptions: boolean;
  /** A connection that is not begun yet, by the name that the server is to list it under. */
  dial(name: string): Connection;
  /** The server took a connection, and it was lost before it was ready. */
  greetingFailed(error: unknown): void;
}

interface Listener {
  readonly channel: string;
  readonly events: SubscriptionEvents;
  /** Its own, where a connection that has subscribed takes no other commands. */
  line: Line | undefined;
  isSubscribed: boolean;
}

/** A client that makes a new connection whenever one is lost. */
export class ReconnectingClient implements Client {
  readonly address: string;
  readonly isCluster = false;
  readonly #dialler: Dialler;
  readonly #reason: ConnectionReason;
  readonly #line: Line;
  readonly #stateListeners = new Set<() => void>();
  readonly #listeners = new Set<Listener>();
  #hasFailed = false;
  #isGreeting = false;
  #isClosed = false;

  constructor(dialler: Dialler) {
    this.#dialler = dialler;
    this.address = dialler.address;
    this.#reason = new ConnectionReason(dialler.options);
    this.#line = new Line(() => dialler.dial('quorlock'), {
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
    return this.send(['EVALSHA', sha1, `${keys.length}`, ...keys, ...args.map(String)]);
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.send(['EVAL', source, `${keys.length}`, ...keys, ...args.map(String)]);
  }

  send(words: readonly string[]): Promise<unknown> {
    const { client } = this.#line;
    if (client === undefined) return Promise.reject(new Error(this.stateReason));
    return this.#line.send(client, words);
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

  #lost(error: unknown): void {
    if (this.#isGreeting) this.#dialler.greetingFailed(error);
    this.#isGreeting = false;
    this.#hasFailed = true;
    this.#reason.connecting();
    this.#reason.failed(error);
    this.#reason.closed();
    this.#tell();
    for (const listener of this.#listeners) if (listener.line === undefined) deaf(listener);
  }

  /** Has a connection listen, or one beside it. */
  #listen(client: Connection, listener: Listener): void {
    if (this.#dialler.sharesSubscriptions) {
      hear(client, listener, () => this.#listeners.has(listener) && client === this.#line.client);
      return;
    }
    listener.line ??= new Line(() => this.#dialler.dial('quorlock:wake'), {
      ready: (own) => hear(own, listener, () => own === listener.line?.client),
      lost: () => deaf(listener),
    });
  }

  #tell(): void {
    for (const listener of this.#stateListeners) listener();
  }
}

/** Subscribes on a connection. `isPresent` tells whether the subscription and the connection still matter. */
function hear(client: Connection, listener: Listener, isPresent: () => boolean): void {
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
  ready(client: Connection): void;
  lost(error: unknown): void;
}

/**
 * A connection to a server, made anew as a client of its own whenever it is lost. A driver's client can't be told to
 * connect anew, and gives up after some errors. It also keeps for the next connection what the last one should have
 * done.
 */
class Line {
  readonly #make: () => Connection;
  readonly #events: LineEvents;
  readonly #clock = new SystemClock();
  #client: Connection | undefined;
  #state: 'connecting' | 'greeting' | 'ready' | 'lost' | 'closed' = 'lost';
  /** Ends the wait for a connection; then that for the next one. */
  #timer: Timer | undefined;
  #attempts = 0;
  #unanswered = 0;
  #hasHeard = false;
  #silence: Timer | undefined;

  constructor(make: () => Connection, events: LineEvents) {
    this.#make = make;
    this.#events = events;
    this.#connect();
  }

  /** The present connection, if it works. */
  get client(): Connection | undefined {
    return this.#state === 'ready' ? this.#client : undefined;
  }

  send(client: Connection, words: readonly string[]): Promise<unknown> {
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

  #lost(client: Connection, error: unknown): void {
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

function end(client: Connection): void {
  try {
    client.destroy();
  } catch {
    // It has ended: version 5 says so by an error.
  }
}
