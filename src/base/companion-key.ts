import { hashTagOf, slotOf } from './hash-slot.ts';

/** `tagOf[slot]`: the smallest number whose decimal digits hash to that slot; filled as far as was needed. */
const tagOf = new Map<number, number>();
let nextTag = 0;

/**
 * The name of a key that accompanies `key`: another name for every key, and always in the same slot of a Redis
 * Cluster, so that one script may touch both.
 *
 * The three forms differ in a word before any part of `key`, so that no two keys share a companion. The names are
 * kept in stores: another form would forget everything kept under this one.
 *
 * @param purpose what the companion is for; begins its name
 */
export function companionKey(purpose: string, key: string): string {
  if (hashTagOf(key) !== undefined) return `${purpose}:tagged:${key}`;
  if (!key.includes('}')) return `${purpose}:whole:{${key}}`;
  // Braces around a key that contains `}` would end too early. So a tag that hashes alike.
  return `${purpose}:slot:{${tagFor(slotOf(key))}}:${key}`;
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
