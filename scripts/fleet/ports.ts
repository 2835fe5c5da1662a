import { createSocket, type Socket } from 'node:dgram';
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

/**
 * Ports this process holds, including those of nodes that are down and will want theirs back. For as long the UDP port of
 * that number is bound: so no other process that asks here takes the port meanwhile, and none has to tidy up.
 */
const claimed = new Map<number, Socket>();

/** Of the claimed ports those that are released, in the order of that. Each keeps a file descriptor. */
const released = new Set<number>();
const MOST_RELEASED = 500;

/** A port without a listener now. A process that does not ask here may still bind it first: be ready to claim another. */
export async function claimPort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = LOWEST_PORT + Math.floor(Math.random() * PORT_COUNT);
    const mark = await markOf(port);
    if (mark === undefined) continue;
    claimed.set(port, mark);
    if ((await isFree(port)) && (await isFree(port + CLUSTER_BUS_OFFSET))) return port;
    releasePort(port);
  }
  throw new Error(`no free port on 127.0.0.1 in ${ATTEMPTS} attempts from ${LOWEST_PORT} up`);
}

/**
 * Another server may have the port, but not soon: a client of an earlier test, or one that no test has closed, may go on dialling
 * it, and would be a stranger among the next server's clients. Does nothing to a port that is released already.
 */
export function releasePort(port: number): void {
  if (!claimed.has(port)) return;
  released.add(port);
  const [oldest] = released;
  if (oldest === undefined || released.size <= MOST_RELEASED) return;
  released.delete(oldest);
  claimed.get(oldest)?.close();
  claimed.delete(oldest);
}

/** What keeps others from claiming the port; undefined: it is claimed. */
async function markOf(port: number): Promise<Socket | undefined> {
  const mark = createSocket('udp4');
  try {
    mark.bind({ address: '127.0.0.1', port, exclusive: true });
    await once(mark, 'listening');
  } catch {
    mark.close();
    return undefined;
  }
  return mark.unref();
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
