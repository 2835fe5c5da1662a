/** The receiving end of a subscription. */
export interface Receiver {
  /** A message was published on a channel it has subscribed to. */
  push(channel: string, message: string): void;
}

/** The channels of a server and their subscribers. */
export class Channels {
  readonly #receivers = new Map<string, Set<Receiver>>();

  /** SUBSCRIBE. */
  subscribe(channel: string, receiver: Receiver): void {
    const receivers = this.#receivers.get(channel);
    if (receivers === undefined) this.#receivers.set(channel, new Set([receiver]));
    else receivers.add(receiver);
  }

  /** UNSUBSCRIBE. */
  unsubscribe(channel: string, receiver: Receiver): void {
    const receivers = this.#receivers.get(channel);
    receivers?.delete(receiver);
    if (receivers?.size === 0) this.#receivers.delete(channel);
  }

  /** The number of subscriptions. */
  get size(): number {
    return [...this.#receivers.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Drops a connection that is gone. */
  forget(receiver: Receiver): void {
    for (const channel of [...this.#receivers.keys()]) this.unsubscribe(channel, receiver);
  }

  /** Drops all connections. */
  clear(): void {
    this.#receivers.clear();
  }

  /** PUBLISH: how many subscribers it was sent to. */
  publish(channel: string, message: string): number {
    const receivers = this.#receivers.get(channel);
    if (receivers === undefined) return 0;
    for (const receiver of receivers) receiver.push(channel, message);
    return receivers.size;
  }
}
