import { describe } from '../base/describe.ts';
import type { Client } from '../wire/client.ts';
import {
  addressOf,
  adoptIoredis,
  connectByUrl,
  type IoredisClient,
  isIoredisClient,
} from '../wire/ioredis.ts';

/**
 * One node of the quorum: the URL of a Redis master, `redis://` or `rediss://`, or an ioredis client, `Redis` or
 * `Cluster`, that stays its owner's, or a {@link Client} of another driver.
 */
export type NodeSource = string | URL | IoredisClient | Client;

/**
 * Makes a client of every source.
 *
 * @throws {TypeError} a source that is none, or the same one twice
 * @throws {RangeError} no source at all
 */
export function openNodes(sources: readonly NodeSource[]): readonly Client[] {
  if (!Array.isArray(sources)) throw new TypeError(`nodes must be an array: got ${describe(sources)}`);
  if (sources.length === 0) throw new RangeError('nodes must name at least one node: got []');
  sources.forEach(checkSource);
  checkDistinct(sources);
  return sources.map((source) => {
    if (typeof source === 'string' || source instanceof URL) return connectByUrl(String(source));
    return isClient(source) ? source : adoptIoredis(source);
  });
}

function checkSource(source: unknown, index: number): void {
  if (typeof source === 'string' || source instanceof URL) {
    const protocol = URL.canParse(String(source)) ? new URL(source).protocol : undefined;
    if (protocol === 'redis:' || protocol === 'rediss:') return;
    const got = protocol === undefined ? 'something that is no URL' : `a URL with ${protocol}//`;
    throw new TypeError(`nodes[${index}] must be a redis:// or rediss:// URL: got ${got}`);
  }
  if (!isClient(source) && !isIoredisClient(source)) {
    throw new TypeError(`nodes[${index}] must be a URL or an ioredis client: got ${describe(source)}`);
  }
}

function isClient(source: unknown): source is Client {
  return typeof source === 'object' && source !== null && 'slotOf' in source && 'onStateChange' in source;
}

/** One server must not have two votes. Two databases of a server are still one server. */
function checkDistinct(sources: readonly NodeSource[]): void {
  const seen = new Map<unknown, number>();
  for (const [index, source] of sources.entries()) {
    for (const identity of identitiesOf(source)) {
      const first = seen.get(identity);
      if (first !== undefined && first !== index) {
        const what = typeof identity === 'string' ? identity : 'one and the same client';
        throw new TypeError(
          `nodes[${first}] and nodes[${index}] are the same server (${what}): every node must be a master of its own`,
        );
      }
      seen.set(identity, index);
    }
  }
}

function identitiesOf(source: NodeSource): readonly unknown[] {
  if (typeof source === 'string' || source instanceof URL) {
    const { hostname, port } = new URL(source);
    return [`${hostname.toLowerCase() || 'localhost'}:${port || 6379}`];
  }
  return [source, isClient(source) ? source.address : addressOf(source)];
}
