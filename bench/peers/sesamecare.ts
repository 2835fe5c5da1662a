import { Redlock } from '@sesamecare-oss/redlock';
import { closeClients, openClients } from './clients.ts';
import { untilGranted } from './pauses.ts';
import { type Peer, type PeerSettings, TTL_MS } from './peer.ts';

/** A descendant of node-redlock 5: what is said in redlock-5.ts is true of it as well. */
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
