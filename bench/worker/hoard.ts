import type { Peer, Release } from '../peers/peer.ts';
import type { HoardTerms } from './protocol.ts';

/** Locks that are taken and not given back. */
export class Hoard {
  readonly #held: Release[] = [];

  /** Takes locks until it has `count`. */
  async grow(peer: Peer, { resource, upTo, ttl, atOnce }: HoardTerms): Promise<number> {
    let next = this.#held.length;
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        while (next < upTo) {
          next += 1;
          this.#held.push(await peer.acquire(`${resource}:${next}`, ttl));
        }
      }),
    );
    return this.#held.length;
  }
}
