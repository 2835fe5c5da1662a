import type { Subscription, SubscriptionEvents } from '../wire/client.ts';

/** The part of a connection that subscribes. */
export interface SubscribingConnection {
  /**
   * @param acknowledged called when the server's confirmation has come back
   */
  subscribe(channel: string, acknowledged: () => void): void;
  unsubscribe(channel: string): void;
}

interface Entry {
  readonly channel: string;
  readonly events: SubscriptionEvents;
  /** Whether the server has it, as far as is known on this side. */
  isMade: boolean;
}

/** The subscriptions of one client, which outlive its connections. */
export class Subscriptions {
  readonly #entries = new Set<Entry>();
  #connection: SubscribingConnection | undefined;

  add(channel: string, events: SubscriptionEvents): Subscription {
    const entry: Entry = { channel, events, isMade: false };
    this.#entries.add(entry);
    this.#make(entry);
    return { close: () => this.#end(entry) };
  }

  /** There is a connection: it makes all subscriptions anew. */
  connected(connection: SubscribingConnection): void {
    this.#connection = connection;
    for (const entry of this.#entries) this.#make(entry);
  }

  heard(channel: string, message: string): void {
    for (const entry of [...this.#entries]) {
      if (entry.channel === channel && this.#entries.has(entry)) entry.events.heard(message);
    }
  }

  /** There is no connection any more. */
  lost(): void {
    this.#connection = undefined;
    for (const entry of [...this.#entries]) {
      if (!entry.isMade) continue;
      entry.isMade = false;
      if (this.#entries.has(entry)) entry.events.lost();
    }
  }

  #make(entry: Entry): void {
    this.#connection?.subscribe(entry.channel, () => {
      if (!this.#entries.has(entry)) return;
      entry.isMade = true;
      entry.events.subscribed();
    });
  }

  #end(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    const isShared = [...this.#entries].some(({ channel }) => channel === entry.channel);
    if (!isShared) this.#connection?.unsubscribe(entry.channel);
  }
}
