import type { Redlock } from '../../../../src/index.ts';

export function reindex(redlock: Redlock, urls: readonly string[]): Promise<number> {
  return redlock.using('index', { ttl: 10_000, maxHold: 600_000 }, async (lock) => {
    let bytes = 0;
    for (const url of urls) {
      lock.signal.throwIfAborted(); // between two steps
      const response = await fetch(url, { signal: lock.signal }); // and during one
      bytes += (await response.arrayBuffer()).byteLength;
    }
    return bytes;
  });
}
