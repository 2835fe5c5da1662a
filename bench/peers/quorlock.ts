import { subscribe } from 'node:diagnostics_channel';
import { type QuorlockChannels, Redlock, type RedlockOptions } from 'quorlock';
import { Quorums } from '../../examples/recipes/quorums.ts';
import { DRIVERS, type Peer, type PeerSettings, TTL_MS } from './peer.ts';

const NODES_A_QUORUM = 5;
const AN_HOUR_MS = 3_600_000;

const CHANNELS = [
  'quorlock:acquire',
  'quorlock:extend',
  'quorlock:release',
  'quorlock:using',
  'quorlock:lock:lost',
  'quorlock:lock:handed-on',
  'quorlock:node',
  'quorlock:node:vote',
  'quorlock:warning',
] as const satisfies readonly (keyof QuorlockChannels)[];

/** As shipped, but for what the settings say: it is given the URLs, and opens its own connections. */
export async function start(urls: readonly string[], settings: PeerSettings): Promise<Peer> {
  const options: RedlockOptions = {
    waitTime: Number.POSITIVE_INFINITY,
    fencing: settings !== 'plain',
    driver: DRIVERS.find((driver) => driver === settings) ?? 'ioredis',
    ...(settings === 'lasting' ? { maxTtl: AN_HOUR_MS } : {}),
  };
  if (settings === 'heard') {
    for (const name of CHANNELS) {
      for (const channel of [name, `tracing:${name}:start`, `tracing:${name}:asyncEnd`])
        subscribe(channel, () => undefined);
    }
  }
  const redlocks: Redlock[] = [];
  for (let first = 0; first < urls.length; first += NODES_A_QUORUM) {
    redlocks.push(new Redlock(urls.slice(first, first + NODES_A_QUORUM), options));
  }
  const of = chooser(redlocks, settings);
  return {
    acquire: async (resource, ttl = TTL_MS) => {
      const lock = await of(resource).acquire(resource, { ttl });
      return () => lock.release();
    },
    close: async () => {
      await Promise.all(redlocks.map((redlock) => redlock.close()));
    },
  };
}

function chooser(redlocks: readonly Redlock[], settings: PeerSettings): (resource: string) => Redlock {
  const [only] = redlocks;
  if (only === undefined) throw new RangeError('there are no nodes');
  if (settings !== 'spread') return () => only;
  const quorums = new Quorums(new Map(redlocks.map((redlock, index) => [`quorum ${index}`, redlock])));
  return (resource) => quorums.of(resource);
}
