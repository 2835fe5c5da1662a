import { hashTagOf, slotOf } from './hash-slot.ts';

/** `tagOf[slot]`: the smallest number whose decimal digits hash to that slot; filled as far as was needed. */
const tagOf = new Map<number, number>();
let nextTag = 0;

/**
 * Names keys that accompany other ones: a companion for every key, always in the same slot of a Redis Cluster, so that
 * one script may touch both.
 *
 * The three forms differ in a word before any part of `key`, so that no two keys share a companion. Nodes store keys
 * under these names: another form would forget all of them.
 *
 * @param purpose the use of the companions; begins their names
 */
export function companions(purpose: string): (key: string) => string {
  // Made once: to join many pieces takes several times as long.
  const [tagged, whole, slot] = [`${purpose}:tagged:`, `${purpose}:whole:{`, `${purpose}:slot:{`];
  return (key) => {
    if (hashTagOf(key) !== undefined) return tagged + key;
    if (!key.includes('}')) return `${whole}${key}}`;
    // Braces around a key that contains `}` would end too early. A tag that hashes alike takes their place.
    return `${slot}${tagFor(slotOf(key))}}:${key}`;
  };
}

function tagFor(slot: number): number {
  for (;;) {
    const known = tagOf.get(slot);
    if (known !== undefined) return known;
    const found = slotOf(String(nextTag));
    if (!tagOf.has(found)) tagOf.set(found, nextTag);
    nextTag += 1;
  }
}
