import type { Lease } from '../lock/lease.ts';

/** Leases by each of their keys. */
export class LeaseIndex {
  readonly #byKey = new Map<string, Lease | Set<Lease>>();

  add(lease: Lease): void {
    for (const key of lease.target.keys) {
      const known = this.#byKey.get(key);
      if (known === undefined) this.#byKey.set(key, lease);
      else if (known instanceof Set) known.add(lease);
      else this.#byKey.set(key, new Set([known, lease]));
    }
  }

  delete(lease: Lease): void {
    for (const key of lease.target.keys) {
      const known = this.#byKey.get(key);
      if (known === lease) this.#byKey.delete(key);
      else if (known instanceof Set && known.delete(lease) && known.size === 0) this.#byKey.delete(key);
    }
  }

  /** The leases over any of these keys. */
  at(keys: readonly string[]): Set<Lease> {
    const found = new Set<Lease>();
    for (const key of keys) {
      const known = this.#byKey.get(key);
      if (known instanceof Set) for (const lease of known) found.add(lease);
      else if (known !== undefined) found.add(known);
    }
    return found;
  }
}
