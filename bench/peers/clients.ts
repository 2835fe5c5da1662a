import { once } from 'node:events';
import { Redis } from 'ioredis';
import type { PeerSettings } from './peer.ts';

/** One connected client a node, with the driver's default options but for pipelining: every peer is handed such. */
export async function openClients(urls: readonly string[], settings: PeerSettings): Promise<Redis[]> {
  const clients = urls.map((url) => new Redis(url, { enableAutoPipelining: settings === 'pipelined' }));
  await Promise.all(clients.map((client) => once(client, 'ready')));
  return clients;
}

export function closeClients(clients: readonly Redis[]): void {
  for (const client of clients) client.disconnect();
}
