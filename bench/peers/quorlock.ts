import { Redlock } from 'quorlock';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/** As shipped, but for tokens if they are not wanted: it is given the URLs, and opens its own connections. */
export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const redlock = new Redlock(urls, { waitTime: Number.POSITIVE_INFINITY, fencing: settings !== 'plain' });
  return {
    acquire: async (resource, ttl = TTL_MS) => {
      const lock = await redlock.acquire(resource, { ttl });
      return () => lock.release();
    },
    close: () => redlock.close(),
  };
}
