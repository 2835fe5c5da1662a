import { describe, describeKind, quote, read } from '../base/describe.ts';
import type { HandedTokens } from '../lock/attempts.ts';
import type { LockJSON } from '../lock/lock.ts';
import { isReserved, isShared } from '../quorum/fencing-token.ts';
import type { LockKeys } from '../wire/operation.ts';
import { boolean, checkPermits, checkTtl, duration, integer, isPlain, type Settings } from './options.ts';
import { keysFor, normalizeResources, sharedKeysFor, slotKeysFor } from './resources.ts';

/** Nodes refuse a counter that is much higher. */
const HIGHEST_TOKEN = Number.MAX_SAFE_INTEGER - 1_000;

const LONGEST_VALUE = 1_024;

/** A lock that another process has handed over, once it is certain that it is one. */
export interface HandedLock extends HandedTokens {
  readonly resources: readonly string[];
  readonly target: LockKeys;
  readonly ttl: number;
}

/**
 * Checks what `adopt` was called with. It may come from anywhere.
 * @throws {TypeError | RangeError} the first field that is not what `handOver()` returns, by its name
 */
export function checkHandedLock(json: unknown, settings: Settings): HandedLock {
  if (!isPlain(json)) {
    const hint = typeof json === 'string' ? '; JSON.parse() makes one of it' : '';
    throw new TypeError(
      `json must be an object, as lock.handOver() returns it: got ${describeKind(json)}${hint}`,
    );
  }
  const given: Partial<Record<keyof LockJSON, unknown>> = read('json', () => ({ ...json }));
  if (given.isHandedOver !== true) {
    throw new TypeError(
      `json.isHandedOver must be true: got ${describe(given.isHandedOver)}. Two processes must not hold one lock: adopt ` +
        'what lock.handOver() returns, which ends it for the process that had it',
    );
  }
  const { resources: all } = given;
  if (!read('json.resources', () => Array.isArray(all))) {
    throw new TypeError(`json.resources must be an array: got ${describeKind(all)}`);
  }
  const resources = normalizeResources(all as readonly string[], 'json.resources');
  const value = checkValue(given.value);
  const ttl = checkTtl(settings, given.ttl, 'json.ttl');
  duration('json.validity', given.validity, 0);
  const isForReaders = boolean('json.isShared', given.isShared);
  const target = targetOf(resources, isForReaders, given.permit, settings);
  return { resources, value, ttl, target, ...tokensOf(given, settings) };
}

function checkValue(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError(`json.value must be a string: got ${describe(value)}`);
  // A key with such a value is shared or reserved: it has no holder who could hand it over.
  if (value === '' || value.length > LONGEST_VALUE || isShared(value) || isReserved(value)) {
    throw new RangeError(`json.value must be the value of a lock: got ${quote(value)}`);
  }
  return value;
}

function targetOf(
  resources: readonly string[],
  isForReaders: boolean,
  permit: unknown,
  settings: Settings,
): LockKeys {
  const [resource = ''] = resources;
  const isOfOne = isForReaders || permit !== null;
  if (isOfOne && resources.length > 1) {
    const what = isForReaders ? 'a read lock' : 'a permit';
    throw new RangeError(`json.resources must name the one resource of ${what}: got ${resources.length}`);
  }
  if (permit === null) {
    return isForReaders ? sharedKeysFor(resource, settings) : keysFor(resources, settings);
  }
  if (isForReaders) throw new TypeError(`json.permit must be null for a read lock: got ${describe(permit)}`);
  if (!isPlain(permit))
    throw new TypeError(`json.permit must be an object, or null: got ${describe(permit)}`);
  const { slot, of }: Partial<Record<'slot' | 'of', unknown>> = read('json.permit', () => ({ ...permit }));
  const permits = checkPermits(of, 'json.permit.of');
  const taken = { slot: integer('json.permit.slot', slot, 0, permits - 1), of: permits };
  return slotKeysFor(resource, taken, settings);
}

function tokensOf(
  { token, counter }: Partial<Record<keyof LockJSON, unknown>>,
  { fencing }: Settings,
): Pick<HandedLock, 'token' | 'counter'> {
  if (fencing !== (token !== null)) {
    throw new TypeError(
      `json.token must ${fencing ? 'be a fencing token' : 'be null'}: got ${describe(token)}. This Redlock was made ` +
        `with fencing: ${fencing}, and programs that share locks need the same`,
    );
  }
  if (!fencing) return { token: 0, counter: 0 };
  const highest = integer('json.counter', counter, 1, HIGHEST_TOKEN);
  return { counter: highest, token: integer('json.token', token, 1, highest, 'json.counter') };
}
