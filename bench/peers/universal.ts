import { createRedlock, IoredisAdapter } from 'redlock-universal';
import { closeClients, openClients } from './clients.ts';
import { untilGranted } from './pauses.ts';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/** Four tries 200 ms apart by default, always the same pause. Tuned, a call is one try, and pauses are ours. */
const SETTINGS = { shipped: {}, tuned: { retryAttempts: 0 } };

export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const clients = await openClients(urls, settings);
  const adapters = clients.map((client) => new IoredisAdapter(client));
  const once = async (resource: string) => {
    const lock = createRedlock({
      adapters,
      key: resource,
      ttl: TTL_MS,
      ...SETTINGS[settings === 'tuned' ? 'tuned' : 'shipped'],
    });
    const handle = await lock.acquire();
    return () => lock.release(handle);
  };
  return {
    acquire: settings === 'tuned' ? (resource) => untilGranted(() => once(resource)) : once,
    close: async () => closeClients(clients),
  };
}
