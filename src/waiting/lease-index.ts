import type { Lease } from '../lock/lease.ts';

/** Leases by each of their keys' queues, so that the permits of a semaphore are found together. */
export class LeaseIndex {
  readonly #byQueue = new Map<string, Lease | Set<Lease>>();

  add(lease: Lease): void {
    for (const queue of lease.names.queues) {
      const known = this.#byQueue.get(queue);
      if (known === undefined) this.#byQueue.set(queue, lease);
      else if (known instanceof Set) known.add(lease);
      else this.#byQueue.set(queue, new Set([known, lease]));
    }
  }

  delete(lease: Lease): void {
    for (const queue of lease.names.queues) {
      const known = this.#byQueue.get(queue);
      if (known === lease) this.#byQueue.delete(queue);
      else if (known instanceof Set && known.delete(lease) && known.size === 0) this.#byQueue.delete(queue);
    }
  }

  /** The leases over keys with any of these queues. */
  at(queues: readonly string[]): Set<Lease> {
    const found = new Set<Lease>();
    for (const queue of queues) {
      const known = this.#byQueue.get(queue);
      if (known instanceof Set) for (const lease of known) found.add(lease);
      else if (known !== undefined) found.add(known);
    }
    return found;
  }
}
