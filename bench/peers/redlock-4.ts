import Redlock from 'redlock-4';
import { closeClients, openClients } from './clients.ts';
import { LONGEST_PAUSE_MS, SHORTEST_PAUSE_MS } from './pauses.ts';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/** Ten tries 100 to 300 ms apart by default; tuned, any number. Each gives back what it got before the next. */
const SETTINGS = {
  shipped: {},
  tuned: {
    retryCount: -1,
    retryDelay: (SHORTEST_PAUSE_MS + LONGEST_PAUSE_MS) / 2,
    retryJitter: (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS) / 2,
  },
};

export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const clients = await openClients(urls, settings);
  const redlock = new Redlock(clients, SETTINGS[settings === 'tuned' ? 'tuned' : 'shipped']);
  return {
    acquire: async (resource) => {
      const lock = await redlock.lock(resource, TTL_MS);
      return () => lock.unlock();
    },
    close: async () => closeClients(clients),
  };
}
