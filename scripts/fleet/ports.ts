import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * Ports lie below every common ephemeral range on purpose. The kernel may hand an ephemeral port to any
 * outgoing connection while its node is down, so that the node cannot come back; worse, a client that dials
 * a dead ephemeral port can be given that very port as its own and end up connected to itself.
 */
const LOWEST_PORT = 10_400;
const PORT_COUNT = 10_000;

/** Where a Redis Cluster node opens its bus; this range begins where the one above ends. */
const CLUSTER_BUS_OFFSET = 10_000;

const ATTEMPTS = 200;

/** Ports this process holds, including those of nodes that are down and will want theirs back. */
const claimed = new Set<number>();

/** A port nobody listens on now. Another process may still bind it first: be ready to claim another. */
export async function claimPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORT_COUNT);
    if (claimed.has(port)) continue;
    claimed.add(port);
    if ((await isFree(port)) && (await isFree(port + CLUSTER_BUS_OFFSET))) return port;
    claimed.delete(port);
  }
  throw new Error(`no free port on 127.0.0.1 in ${ATTEMPTS} attempts from ${LOWEST_PORT} up`);
}

export function releasePort(port: number): void {
  claimed.delete(port);
}

async function isFree(port: number): Promise<boolean> {
  const listener = createServer();
  try {
    listener.listen({ host: '127.0.0.1', port, exclusive: true });
    await once(listener, 'listening');
  } catch {
    return false;
  }
  listener.close();
  await once(listener, 'close');
  return true;
}
