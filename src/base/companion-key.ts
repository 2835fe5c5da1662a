/** The slots of a Redis Cluster. */
const SLOTS = 16_384;

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
  // A cluster hashes what stands between the first `{` and the first `}` after it, unless that is
  // empty; then, and without braces, the whole key.
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open);
  if (close > open + 1) return `${purpose}:tagged:${key}`;
  if (!key.includes('}')) return `${purpose}:whole:{${key}}`;
  // Braces around a key that contains `}` would end too early. So a tag that hashes alike.
  return `${purpose}:slot:{${tagFor(crc16(key) % SLOTS)}}:${key}`;
}

function tagFor(slot: number): number {
  for (;;) {
    const known = tagOf.get(slot);
    if (known !== undefined) return known;
    const found = crc16(String(nextTag)) % SLOTS;
    if (!tagOf.has(found)) tagOf.set(found, nextTag);
    nextTag += 1;
  }
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
