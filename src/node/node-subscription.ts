import { isolated } from '../base/callback.ts';
import type { Client, Subscription, SubscriptionEvents } from '../wire/client.ts';

/** The subscription to one channel at a time of one node. It is *open* while the server has it. */
export class NodeSubscription {
  readonly #client: Client;
  #isOpen = false;

  constructor(client: Client) {
    this.#client = client;
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Subscribes, until the subscription is closed. Undefined where the client can't subscribe. */
  listen(channel: string, events: SubscriptionEvents): Subscription | undefined {
    const subscription = isolated("a client's subscribe()", () =>
      this.#client.subscribe(channel, {
        subscribed: () => {
          this.#isOpen = true;
          events.subscribed();
        },
        heard: events.heard,
        lost: () => {
          this.#isOpen = false;
          events.lost();
        },
      }),
    );
    if (subscription === undefined) return undefined;
    return {
      close: () => {
        this.#isOpen = false;
        isolated("a subscription's close()", () => subscription.close());
      },
    };
  }
}
