import { RedlockMutex } from 'redis-semaphore';
import { closeClients, openClients } from './clients.ts';
import { tunedPauseMs } from './pauses.ts';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/**
 * A try every 10 ms for 10 s by default. Tuned, the pause is another one for every call (it can't change within one),
 * and the lock is not refreshed, which no other library here does either.
 */
const SETTINGS = {
  shipped: () => ({ lockTimeout: TTL_MS }),
  tuned: () => ({ lockTimeout: TTL_MS, retryInterval: tunedPauseMs(), refreshInterval: 0 }),
};

export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const clients = await openClients(urls, settings);
  return {
    acquire: async (resource) => {
      const mutex = new RedlockMutex(
        clients,
        resource,
        SETTINGS[settings === 'tuned' ? 'tuned' : 'shipped'](),
      );
      await mutex.acquire();
      return () => mutex.release();
    },
    close: async () => closeClients(clients),
  };
}
