import type { Client, ConnectionState, Subscription, SubscriptionEvents } from '../client.ts';

/** The client of a URL: `connecting` until its driver is imported, and `ended` if there is none. */
export class LazyClient implements Client {
  readonly address: string;
  readonly isCluster = false;
  readonly #listeners = new Set<() => void>();
  readonly #unsubscribed = new Set<(client: Client) => void>();
  #client: Client | undefined;
  #state: 'connecting' | 'ended' = 'connecting';
  #stateReason = 'its driver is being loaded';

  /** @param loading resolves to what makes the client; rejects with an error that says why there is no driver */
  constructor(address: string, loading: Promise<() => Client>) {
    this.address = address;
    loading
      .then((connect) => {
        if (this.#state === 'connecting') this.#begin(connect());
      })
      .catch((error: Error) => this.#end(error.message));
  }

  get state(): ConnectionState {
    return this.#client?.state ?? this.#state;
  }

  get stateReason(): string {
    return this.#client?.stateReason ?? this.#stateReason;
  }

  onStateChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#client?.evalsha(sha1, keys, args) ?? Promise.reject(new Error(this.#stateReason));
  }

  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#client?.eval(source, keys, args) ?? Promise.reject(new Error(this.#stateReason));
  }

  send(words: readonly string[]): Promise<unknown> {
    return this.#client?.send?.(words) ?? Promise.reject(new Error(this.#stateReason));
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined {
    if (this.#client !== undefined) return this.#client.subscribe(channel, events);
    let subscription: Subscription | undefined;
    const subscribe = (client: Client) => {
      subscription = client.subscribe(channel, events);
    };
    this.#unsubscribed.add(subscribe);
    return {
      close: () => {
        this.#unsubscribed.delete(subscribe);
        subscription?.close();
      },
    };
  }

  /** A URL names one server. */
  slotOf(_key: string): number {
    return 0;
  }

  reconnect(): boolean {
    return this.#client?.reconnect() ?? false;
  }

  close(): void {
    if (this.#client === undefined) this.#end('the client was ended');
    else this.#client.close();
  }

  #begin(client: Client): void {
    this.#client = client;
    client.onStateChange(() => this.#tell());
    for (const subscribe of this.#unsubscribed) subscribe(client);
    this.#unsubscribed.clear();
    this.#tell();
  }

  #end(why: string): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#stateReason = why;
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
