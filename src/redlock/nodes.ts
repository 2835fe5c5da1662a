import { URL } from 'node:url';
import { isolated } from '../base/callback.ts';
import { describe, describeKind, read, shorten } from '../base/describe.ts';
import type { Client } from '../wire/client.ts';
import type { DriverName } from '../wire/clients/driver.ts';
import { connectByUrl, DRIVER_NAMES, driverOf, refusalOf } from '../wire/clients/drivers.ts';
import { DuplicateError } from '../wire/clients/duplicate.ts';
import type { IoredisClient } from '../wire/clients/ioredis.ts';
import type { NodeRedisClient } from '../wire/clients/node-redis.ts';
import type { GlideClientLike } from '../wire/clients/valkey-glide.ts';
import { checkNodeUrl } from './node-url.ts';

/**
 * One node of the quorum. It is the URL of a Redis master (`redis://` or `rediss://`), a client of ioredis, iovalkey,
 * node-redis or GLIDE, or a {@link Client}. A driver's client only says how to connect: it is duplicated, and nothing
 * is sent on it.
 */
export type NodeSource = string | URL | IoredisClient | NodeRedisClient | GlideClientLike | Client;

/** Checks the sources of the nodes, before any connection is made. @throws {TypeError | RangeError} */
export function checkNodes(sources: readonly NodeSource[]): void {
  if (!read('nodes', () => Array.isArray(sources))) {
    throw new TypeError(`nodes must be an array: got ${describeKind(sources)}`);
  }
  const all = read('nodes', () => [...sources]);
  if (all.length === 0) throw new RangeError('nodes must name at least one node: got []');
  // A hole in the array is a node that is missing; forEach would pass over it.
  for (const [index, source] of all.entries()) checkSource(source, index);
  checkDistinct(all);
}

/**
 * Makes a client of every source, or of none; of a URL with this driver. @throws {TypeError} a driver refuses its
 * source
 */
export function openNodes(sources: readonly NodeSource[], driver?: DriverName): readonly Client[] {
  const opened: Client[] = [];
  return sources.map((source, index) => {
    if (isClient(source)) return source;
    try {
      const client = connectTo(source, driver);
      opened.push(client);
      return client;
    } catch (error) {
      for (const client of opened) client.close();
      if (error instanceof DuplicateError) {
        throw new TypeError(
          `nodes[${index}] could not be duplicated, and the library needs a connection of its own: ${error.message}`,
        );
      }
      // The driver's error may tell the password.
      throw new TypeError(`nodes[${index}] could not be opened: its driver refused it`);
    }
  });
}

function connectTo(source: Exclude<NodeSource, Client>, name: DriverName | undefined): Client {
  if (isUrl(source)) return connectByUrl(new URL(String(source)), name);
  const driver = driverOf(source);
  if (driver === undefined) throw new TypeError('no driver knows it');
  return driver.adopt(source);
}

/** Makes something with clients. If that fails, the connections that were begun end. */
export function madeWith<Made>(clients: readonly Client[], make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    for (const client of clients) isolated("a client's close()", () => client.close());
    throw error;
  }
}

function checkSource(source: unknown, index: number): void {
  const name = `nodes[${index}]`;
  const url = read(name, () => (isUrl(source) ? String(source) : undefined));
  if (url !== undefined) {
    checkNodeUrl(url, name);
    return;
  }
  if (read(name, () => isClient(source) || driverOf(source) !== undefined)) return;
  const refusal = read(name, () =>
    typeof source === 'object' && source !== null ? refusalOf(source) : undefined,
  );
  if (refusal !== undefined) throw new TypeError(`${name} is ${refusal}`);
  const drivers = DRIVER_NAMES.join(', ');
  // The options of a driver's client have a host.
  const isAddress = read(name, () => {
    const { host, port, socket } = Object(source) as Partial<Record<'host' | 'port' | 'socket', unknown>>;
    return (host ?? port ?? socket) !== undefined;
  });
  const hint = isAddress ? '; an address is given as a URL, as in redis://host:port' : '';
  throw new TypeError(`${name} must be a URL, or a client of ${drivers}: got ${describe(source)}${hint}`);
}

/** A URL may come from another realm: Jest and jsdom have a URL class of their own. */
function isUrl(source: unknown): source is string | URL {
  if (typeof source === 'string') return true;
  return typeof source === 'object' && source !== null && 'href' in source && 'searchParams' in source;
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
        const what = typeof identity === 'string' ? shorten(identity) : 'one and the same client';
        throw new TypeError(
          `nodes[${first}] and nodes[${index}] are the same server (${what}): every node must be a master of its own`,
        );
      }
      seen.set(identity, index);
    }
  }
}

function identitiesOf(source: NodeSource): readonly unknown[] {
  if (isUrl(source)) {
    const { hostname, port } = new URL(String(source));
    return [`${hostname.toLowerCase()}:${port || 6379}`];
  }
  return [source, isClient(source) ? source.address : driverOf(source)?.addressOf(source)];
}
