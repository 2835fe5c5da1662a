import { hashTagOf, slotOf } from './hash-slot.ts';

/** `tagOf[slot]`: the smallest number whose decimal digits hash to that slot; filled as far as was needed. */
const tagOf = new Map<number, number>();
let nextTag = 0;

/**
 * Names keys that accompany other ones: another name for every key, and always in the same slot of a Redis Cluster, so
 * that one script may touch both.
 *
 * The three forms differ in a word before any part of `key`, so that no two keys share a companion. The names are
 * kept in stores: another form would forget everything kept under this one.
 *
 * @param purpose what the companions are for; begins their names
 */
export function companions(purpose: string): (key: string) => string {
  // Made once: a name of many pieces takes several times its length.
  const [tagged, whole, slot] = [`${purpose}:tagged:`, `${purpose}:whole:{`, `${purpose}:slot:{`];
  return (key) => {
    if (hashTagOf(key) !== undefined) return tagged + key;
    if (!key.includes('}')) return `${whole}${key}}`;
    // Braces around a key that contains `}` would end too early. So a tag that hashes alike.
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
