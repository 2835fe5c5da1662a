/** The slots of a Redis Cluster. */
const SLOTS = 16_384;

/**
 * The part of a key that a Redis Cluster hashes instead of the whole: what stands between the first `{` and the first
 * `}` after it, unless that is empty. Undefined if there is none.
 */
export function hashTagOf(key: string): string | undefined {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open);
  return close > open + 1 ? key.slice(open + 1, close) : undefined;
}

/**
 * The slot that a Redis Cluster keeps a key in, 0 to 16383: CRC-16/XMODEM of its hash tag or the whole key, as the
 * Redis Cluster specification has it. (The package cluster-key-slot hashes the wrong part of keys such as `{}a}`.)
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
