import { Redlock } from 'quorlock';
import type { Peer } from './peer.ts';

/** As shipped: it is given the URLs, and opens its own connections. */
export async function start(urls: readonly string[]): Promise<Peer> {
  const redlock = new Redlock(urls, { waitTime: Number.POSITIVE_INFINITY });
  return {
    acquire: async (resource) => {
      const lock = await redlock.acquire(resource);
      return () => lock.release();
    },
    close: () => redlock.close(),
  };
}
