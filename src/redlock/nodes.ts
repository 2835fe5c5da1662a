import { describe } from '../base/describe.ts';
import type { Client } from '../wire/client.ts';
import {
  addressOf,
  adoptIoredis,
  connectByUrl,
  type IoredisClient,
  isIoredisClient,
  SAFE_OPTION_NAMES,
} from '../wire/ioredis.ts';

/**
 * One node of the quorum: the URL of a Redis master, `redis://` or `rediss://`, or an ioredis client, `Redis` or
 * `Cluster`, that stays its owner's, or a {@link Client} of another driver.
 */
export type NodeSource = string | URL | IoredisClient | Client;

/**
 * Checks what is to become nodes, before anything is connected to.
 *
 * @throws {TypeError} a source that is none, or the same one twice
 * @throws {RangeError} no source at all
 */
export function checkNodes(sources: readonly NodeSource[]): void {
  if (!Array.isArray(sources)) throw new TypeError(`nodes must be an array: got ${describe(sources)}`);
  if (sources.length === 0) throw new RangeError('nodes must name at least one node: got []');
  sources.forEach(checkSource);
  checkDistinct(sources);
}

/** Makes a client of every source. */
export function openNodes(sources: readonly NodeSource[]): readonly Client[] {
  return sources.map((source) => {
    if (typeof source === 'string' || source instanceof URL) return connectByUrl(String(source));
    return isClient(source) ? source : adoptIoredis(source);
  });
}

function checkSource(source: unknown, index: number): void {
  if (typeof source === 'string' || source instanceof URL) {
    checkUrl(String(source), index);
    return;
  }
  if (!isClient(source) && !isIoredisClient(source)) {
    throw new TypeError(`nodes[${index}] must be a URL or an ioredis client: got ${describe(source)}`);
  }
}

/** Says what is wrong with a URL without repeating it: it may hold a password. */
function checkUrl(text: string, index: number): void {
  const name = `nodes[${index}]`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !['redis:', 'rediss:'].includes(url.protocol)) {
    const got = url === undefined ? 'something that is no URL' : `a URL with ${url.protocol}//`;
    throw new TypeError(`${name} must be a redis:// or rediss:// URL: got ${got}`);
  }
  if (!/^\/?\d*$/.test(url.pathname)) {
    throw new TypeError(
      `the path of ${name} must be the number of a database: got ${describe(url.pathname)}`,
    );
  }
  try {
    decodeURIComponent(url.username + url.password);
  } catch {
    throw new TypeError(`the user and password of ${name} must be percent-encoded: got a stray %`);
  }
  for (const option of url.searchParams.keys()) {
    if (!SAFE_OPTION_NAMES.includes(option)) continue;
    throw new TypeError(`the query of ${name} must not set ${option}: locks need the library's own setting`);
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
