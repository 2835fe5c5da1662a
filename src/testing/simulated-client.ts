import type { Random } from '../base/random.ts';
import type { Client, ConnectionState, Subscription, SubscriptionEvents } from '../wire/client.ts';
import { type Command, Connection, type NetworkRules } from './connection.ts';
import { type SimulatedServer, sha1Of } from './simulated-node.ts';
import { Subscriptions } from './subscriptions.ts';
import type { Event } from './timeline.ts';
import { describeCall, type Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

const DEFAULT_RULES: Readonly<NetworkRules> = {
  latency: { least: 0.1, most: 0.5 },
  loss: 0,
  overtaking: 0,
  doubling: 0,
  doublingDelay: { least: 1, most: 10 },
  reconnectDelay: 50,
  resends: false,
};

/** The trace of a client's commands, and the client's name in it. */
export interface ClientTrace {
  readonly from: string;
  readonly to: Trace;
}

/**
 * A Redis client on a simulated machine, connected to a simulated server over a simulated network. Like a driver
 * with safe settings it refuses commands while there is no connection, and makes a new one by itself.
 */
export class SimulatedClient implements Client {
  readonly address: string;
  readonly isCluster: boolean = false;
  readonly rules: NetworkRules;
  readonly #trace: ClientTrace | undefined;
  readonly #server: SimulatedServer;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #listeners = new Set<() => void>();
  readonly #subscriptions = new Subscriptions();
  #state: ConnectionState = 'connecting';
  #stateReason = 'it is connecting for the first time';
  #connection: Connection | undefined;
  #reconnect: Event | undefined;
  #unsent: Command[] = [];
  #cut = { requests: false, replies: false };

  constructor(
    server: SimulatedServer,
    clock: VirtualClock,
    random: Random,
    rules: Partial<NetworkRules> = {},
    trace?: ClientTrace,
  ) {
    this.address = server.address;
    this.rules = { ...DEFAULT_RULES, ...rules };
    this.#trace = trace;
    this.#server = server;
    this.#clock = clock;
    this.#random = random;
    this.#connect();
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get stateReason(): string {
    return this.#stateReason;
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#send((server) => server.evalsha(sha1, keys, args), this.#tracer(sha1, keys, args));
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#send(
      (server) => server.eval(source, keys, args),
      this.#tracer(this.#trace === undefined ? '' : sha1Of(source), keys, args),
    );
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription {
    return this.#subscriptions.add(channel, events);
  }

  slotOf(_key: string): number {
    return 0;
  }

  reconnect(): boolean {
    if (this.#state !== 'ready') return false;
    this.#lose('a new connection is made', true);
    return true;
  }

  close(): void {
    this.#reconnect?.cancel();
    const unanswered = this.#endConnection({ requestsArrive: true });
    this.#enter('ended', 'the client was closed');
    for (const { reject } of [...unanswered, ...this.#unsent.splice(0)]) {
      reject(new Error('the client was closed before the answer came'));
    }
    this.#subscriptions.lost();
  }

  /**
   * The connection breaks, for both ends. Requests on the way arrive all the same, or are lost; replies on the way are
   * lost, and commands without an answer fail.
   */
  disconnect({ requestsArrive }: { readonly requestsArrive: boolean }): void {
    if (this.#connection !== undefined) this.#lose('the connection was reset', requestsArrive);
  }

  /** Stops all messages in these directions; neither end notices. Messages on the way wait for {@link mend}. */
  cut(direction: 'requests' | 'replies' | 'both'): void {
    if (direction !== 'replies') this.#cut.requests = true;
    if (direction !== 'requests') this.#cut.replies = true;
    this.#connection?.cut(this.#cut);
  }

  /** Undoes {@link cut}: the messages that waited arrive now. */
  mend(): void {
    this.#cut = { requests: false, replies: false };
    this.#connection?.mend();
  }

  #send(run: Command['run'], done: Command['done']): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#state === 'ready') this.#connection?.ask({ run, done, resolve, reject });
      else reject(new Error(`there is no connection to ${this.address}: ${this.#stateReason}`));
    });
  }

  #tracer(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Command['done'] {
    const trace = this.#trace;
    if (trace === undefined) return undefined;
    return (reply) => {
      const what = reply === undefined ? 'a call that fails' : describeCall(sha1, keys, args, reply);
      trace.to.note(this.address, `for ${trace.from}: ${what}`);
    };
  }

  #connect(): void {
    const connection = new Connection(this.#server, this.#clock, this.#random, this.rules, {
      ready: () => {
        this.#enter('ready', '');
        for (const command of this.#unsent.splice(0)) connection.ask(command);
        if (this.#connection === connection) this.#subscriptions.connected(connection);
      },
      heard: (channel, message) => this.#subscriptions.heard(channel, message),
      lost: (why) => this.#lose(why, false),
    });
    this.#connection = connection;
    connection.cut(this.#cut);
    connection.open();
  }

  #lose(why: string, requestsArrive: boolean): void {
    const unanswered = this.#endConnection({ requestsArrive });
    this.#enter('down', why);
    this.#subscriptions.lost();
    this.#reconnect = this.#clock.arrive(this.rules.reconnectDelay, () => {
      if (this.#state === 'down') this.#connect();
    });
    if (this.rules.resends) this.#unsent.push(...unanswered);
    else for (const { reject } of unanswered) reject(new Error(`${why} before the answer came`));
  }

  #endConnection(how: { readonly requestsArrive: boolean }): readonly Command[] {
    const unanswered = this.#connection?.close(how) ?? [];
    this.#connection = undefined;
    return unanswered;
  }

  #enter(state: ConnectionState, why: string): void {
    this.#state = state;
    this.#stateReason = why;
    for (const listener of [...this.#listeners]) listener();
  }
}
