import type { Client, Subscription, SubscriptionEvents } from '../wire/client.ts';

/** Hears what one node publishes on one channel at a time. It is *open* while the server has the subscription. */
export class NodeSubscription {
  readonly #client: Client;
  #isOpen = false;

  constructor(client: Client) {
    this.#client = client;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Begins to listen, until the subscription is closed. Undefined where nothing can be heard. */
  listen(channel: string, events: SubscriptionEvents): Subscription | undefined {
    const subscription = this.#client.subscribe(channel, {
      subscribed: () => {
        this.#isOpen = true;
        events.subscribed();
      },
      heard: events.heard,
      lost: () => {
        this.#isOpen = false;
        events.lost();
      },
    });
    if (subscription === undefined) return undefined;
    return {
      close: () => {
        this.#isOpen = false;
        subscription.close();
      },
    };
  }
}
