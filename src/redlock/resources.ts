import { describe, quote, quoteAll, read, shorten } from '../base/describe.ts';
import {
  fenceKeyOf,
  OWN_PREFIX,
  queueKeyOf,
  semaphoreKeyOf,
  sharersKeyOf,
  slotKeyOf,
} from '../quorum/fencing-token.ts';
import type { Client } from '../wire/client.ts';
import type { LockKeys } from '../wire/operation.ts';

/** One resource, or several that are locked together. */
export type Resources = string | readonly string[];

/** A lock over more would keep the servers from other clients for too long. */
const MOST_RESOURCES = 1_000;

/** The largest sum of all names' lengths: a node is not sent more than a few times that at once. */
const MOST_CHARACTERS = 1_048_576;

/**
 * The resources sorted and without duplicates, so that two locks over the same ones are the same lock.
 * @throws {TypeError | RangeError} not a string or a list of strings; none, an empty one, too many or too long ones,
 *   or one with half of a character
 */
export function normalizeResources(resources: Resources, whole = 'resources'): readonly string[] {
  if (
    typeof resources === 'string' &&
    resources !== '' &&
    resources.length <= MOST_CHARACTERS &&
    resources.isWellFormed()
  )
    return [resources];
  const isList = read(whole, () => Array.isArray(resources));
  const { length, list } = read(whole, () =>
    isList
      ? { length: resources.length, list: [...resources.slice(0, MOST_RESOURCES)] as readonly unknown[] }
      : { length: 1, list: [resources] },
  );
  if (length === 0) throw new RangeError(`${whole} must name at least one resource: got []`);
  if (length > MOST_RESOURCES) {
    throw new RangeError(`${whole} must name at most ${MOST_RESOURCES} resources: got ${length}`);
  }
  for (const [index, resource] of list.entries()) {
    const name = isList ? `${whole}[${index}]` : 'resource';
    if (typeof resource !== 'string')
      throw new TypeError(`${name} must be a string: got ${describe(resource)}`);
    if (resource === '') throw new RangeError(`${name} must not be empty: got ""`);
    checkWellFormed(name, resource);
  }
  const names = [...new Set(list as readonly string[])].sort();
  const characters = names.reduce((sum, { length }) => sum + length, 0);
  if (characters <= MOST_CHARACTERS) return names;
  const what = isList ? 'the names of resources' : 'resource';
  throw new RangeError(`${what} must have at most ${MOST_CHARACTERS} characters: got ${characters}`);
}

/**
 * Half of a surrogate pair has no UTF-8 form: two names that differ in it would be one key on a node.
 *
 * @throws {RangeError} there is one
 */
export function checkWellFormed(name: string, text: string): void {
  if (!text.isWellFormed())
    throw new RangeError(`${name} must have no half of a character: got ${quote(text)}`);
}

export function checkResource(resource: unknown): string {
  if (typeof resource === 'string') return resource;
  throw new TypeError(`resource must be a string: got ${describe(resource)}`);
}

export interface KeySettings {
  readonly keyPrefix: string;
  readonly fencing: boolean;
}

/** The keys of a lock over these resources. @throws {RangeError} a key would be one of the library's own */
export function keysFor(resources: readonly string[], { keyPrefix, fencing }: KeySettings): LockKeys {
  const keys: string[] = [];
  for (const resource of resources) {
    const key = keyPrefix + resource;
    keys.push(key);
    if (key.startsWith(OWN_PREFIX)) {
      throw new RangeError(
        `a lock's key must not begin with "${OWN_PREFIX}", which is the library's own: got ${quote(key)}`,
      );
    }
  }
  return { keys, fences: fencing ? keys.map(fenceKeyOf) : [], queues: keys.map(queueKeyOf) };
}

/** The keys of a lock over one resource that any number of readers share. */
export function sharedKeysFor(resource: string, settings: KeySettings): LockKeys {
  return { ...keysFor([resource], settings), sharers: sharersKeyOf(settings.keyPrefix + resource) };
}

/** The keys of one slot of a semaphore. The waiters for all of its slots wait in one queue. */
export function slotKeysFor(
  resource: string,
  permit: NonNullable<LockKeys['permit']>,
  settings: KeySettings,
): LockKeys {
  const [name = ''] = keysFor([resource], settings).keys;
  const key = slotKeyOf(name, permit.slot);
  return {
    keys: [key],
    fences: settings.fencing ? [fenceKeyOf(key)] : [],
    queues: [queueKeyOf(semaphoreKeyOf(name))],
    permit,
  };
}

/** A name that no resource of a program has. */
const PROBE = 'quorlock tries out what locks need';

/** Keys in the form of a lock's keys, to try out at a node what locks need. */
export function probeKeysFor({ keyPrefix, fencing }: KeySettings): readonly string[] {
  const key = keyPrefix + PROBE;
  const keys = [key, queueKeyOf(key), sharersKeyOf(key)];
  return fencing ? [...keys, fenceKeyOf(key)] : keys;
}

/** Checks that every Redis Cluster among the nodes keeps all these keys in one slot. @throws {RangeError} */
export function checkSlots(clients: readonly Client[], { keys, fences }: LockKeys): void {
  for (const client of clients) {
    if (!client.isCluster) continue;
    const slots = new Set([...keys, ...fences].map((key) => client.slotOf(key)));
    if (slots.size > 1) {
      throw new RangeError(
        `the keys of one lock must be in one slot of a Redis Cluster, and ${shorten(client.address)} has ` +
          `${quoteAll(keys)} in ${slots.size}. Give the resources a common ` +
          'hash tag, as in "{user:7}:cart"',
      );
    }
  }
}
