/** `tagOf[slot]`: the smallest number whose decimal digits hash to that slot; filled as far as was needed. */
const tagOf = new Map<number, number>();
let nextTag = 0;

/**
 * Names keys that accompany other ones. A key and its companion are always in one slot of a Redis Cluster, so that
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
    if (key.includes('{') && hashTagOf(key) !== undefined) return tagged + key;
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

const SLOTS = 16_384;

/**
 * What a Redis Cluster hashes instead of the whole key: from the first `{` to the next `}`. Undefined: empty, or
 * none.
 */
function hashTagOf(key: string): string | undefined {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open);
  return close > open + 1 ? key.slice(open + 1, close) : undefined;
}

/**
 * The slot that a Redis Cluster keeps a key in, 0 to 16383. It is the CRC-16/XMODEM of the key's hash tag, or of the
 * whole key. (The package cluster-key-slot hashes the wrong part of keys such as `{}a}`.)
 */
export function slotOf(key: string): number {
  return crc16(hashTagOf(key) ?? key) % SLOTS;
}

/** CRC-16/XMODEM over the UTF-8 bytes: the checksum that a Redis Cluster takes. */
function crc16(text: string): number {
  let crc = 0;
  for (const byte of Buffer.from(text, 'utf8')) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1) & 0xffff;
  }
  return crc;
}
