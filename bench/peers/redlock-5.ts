import Redlock from 'redlock';
import { closeClients, openClients } from './clients.ts';
import { untilGranted } from './pauses.ts';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/**
 * Eleven tries 100 to 300 ms apart by default. What a try got of the nodes stays there until the *last* one, or until
 * its ttl is over. After a split vote many tries block every caller, its own too. Tuned, a call is one try.
 */
const SETTINGS = { shipped: {}, tuned: { retryCount: 0 } };

export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const clients = await openClients(urls, settings);
  const redlock = new Redlock(clients, SETTINGS[settings === 'tuned' ? 'tuned' : 'shipped']);
  const once = async (resource: string) => {
    const lock = await redlock.acquire([resource], TTL_MS);
    return () => lock.release();
  };
  return {
    acquire: settings === 'tuned' ? (resource) => untilGranted(() => once(resource)) : once,
    close: async () => closeClients(clients),
  };
}
