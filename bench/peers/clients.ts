import { once } from 'node:events';
import { Redis } from 'ioredis';

/** One connected client a node, with the driver's default options: every peer but quorlock is handed such. */
export async function openClients(urls: readonly string[]): Promise<Redis[]> {
  const clients = urls.map((url) => new Redis(url));
  await Promise.all(clients.map((client) => once(client, 'ready')));
  return clients;
}

export function closeClients(clients: readonly Redis[]): void {
  for (const client of clients) client.disconnect();
}
