/*
 * Operations of one call travel as two flat lists, KEYS and ARGV. The naive form is the same five arguments for every
 * operation. Most operations are plain acquires and releases, and a server copies each argument. So a run of them
 * shares one header:
 *
 *     KEYS  marker | keys of the 1st operation | keys of the 2nd …
 *     ARGV  quorum | deadline | arguments of the 1st | arguments of the 2nd …
 *
 *     any operation   KEYS  n lock keys, n fence counters, n queues
 *                     ARGV  name, n, value, ttl, number
 *     a run of        KEYS  lock, lock, … | fence, fence, … | queue, queue, …
 *       acquires      ARGV  'acquires', how many, ttl, fenced | value, token | value, token …
 *     a run of        KEYS  lock, lock, … | queue, queue, …
 *       releases      ARGV  'releases', how many, '', '' | value | value …
 */

import { type Acquire, checkNumbers, encode, keysOf, type Operation, type Release } from './operation.ts';

/** What all calls of a quorum have in common. Numbers are whole ones, and not negative. */
export interface QuorumTerms {
  /** How many nodes it has; undefined: they vote without a marker. */
  readonly nodeCount: number | undefined;
  readonly maxTtl: number;
  readonly clampUs: number;
  readonly fenceRetentionMs: number;
  /** Milliseconds for which a free key is reserved for a notified waiter. */
  readonly graceMs: number;
  /** How many tokens an acquire takes. */
  readonly block: number;
}

/**
 * The first argument of every call: one, so that a call has few of them, each of which costs a server time.
 *
 * @throws {RangeError} a number is not a whole one, or out of range
 */
export function quorumText(terms: QuorumTerms): string {
  const { nodeCount, maxTtl, clampUs, fenceRetentionMs, graceMs, block } = terms;
  const numbers = [nodeCount ?? '', maxTtl, clampUs, fenceRetentionMs, graceMs, block];
  checkNumbers(numbers);
  return numbers.join(' ');
}

/** Anything that carries one operation. */
interface PendingOperation {
  readonly operation: Operation;
}

/** The keys and arguments of a call, or of a part of it, see `lua/batch.lua`. */
interface Encoded {
  readonly keys: string[];
  readonly args: (string | number)[];
}

/**
 * The order in which operations are sent. Releases go first, together, unless an earlier operation touches the same
 * key: the operations on one key keep their order.
 */
export function inSendingOrder<Item extends PendingOperation>(items: readonly Item[]): readonly Item[] {
  const releases: Item[] = [];
  const others: Item[] = [];
  // Two releases of a key keep their order anyway.
  const touched = new Set<string>();
  for (const item of items) {
    const { operation } = item;
    if (isPlainRelease(operation) && !touched.has(keyOf(operation))) {
      releases.push(item);
      continue;
    }
    others.push(item);
    for (const key of operation.keys) touched.add(key);
  }
  return others.length === 0 ? releases : releases.concat(others);
}

/**
 * A call: its header, and then operations in this order. Plain acquires and releases go as batches, see `lua/fast-acquires.lua` and
 * `lua/fast-releases.lua`, the others one by one.
 *
 * @param isHeard whether this process hears the node's notifications; if not, the node must not enter its waiters
 */
export function encodeAll(pending: readonly PendingOperation[], isHeard: boolean, header: Encoded): Encoded {
  const [alone] = pending;
  if (alone !== undefined && pending.length === 1) {
    const { operation } = alone;
    return {
      keys: header.keys.concat(keysOf(operation)),
      args: header.args.concat(encode(operation, isHeard)),
    };
  }
  const keys = [...header.keys];
  const args = [...header.args];
  const operations = pending.map(({ operation }) => operation);
  let at = 0;
  while (at < operations.length) {
    const operation = operations[at];
    const releases = operation?.kind === 'release' ? releasesFrom(operations, at) : NONE;
    const acquires = operation?.kind === 'acquire' ? acquiresFrom(operations, at, isHeard) : NONE;
    if (releases.length > 0) {
      args.push('releases', releases.length, '', '');
      for (const release of releases) {
        keys.push(keyOf(release));
        args.push(release.value);
      }
      for (const { queues } of releases) keys.push(queues[0] ?? '');
    } else if (acquires.length > 0) {
      encodeAcquires(acquires, { keys, args });
    } else if (operation !== undefined) {
      keys.push(...keysOf(operation));
      args.push(...encode(operation, isHeard));
    }
    at += Math.max(releases.length, acquires.length, 1);
  }
  return { keys, args };
}

const NONE: readonly never[] = [];

function encodeAcquires(acquires: readonly Acquire[], { keys, args }: Encoded): void {
  const isFenced = acquires[0]?.fences.length === 1;
  args.push('acquires', acquires.length, acquires[0]?.ttl ?? 0, isFenced ? 1 : '');
  for (const acquire of acquires) {
    keys.push(keyOf(acquire));
    args.push(acquire.value);
    if (isFenced) args.push(acquire.proposal);
  }
  if (isFenced) for (const { fences } of acquires) keys.push(fences[0] ?? '');
  for (const { queues } of acquires) keys.push(queues[0] ?? '');
}

/** The plain releases from a place on, up to the first repeated key. */
function releasesFrom(operations: readonly Operation[], start: number): readonly Release[] {
  const releases: Release[] = [];
  const keys = new Set<string>();
  for (let at = start; at < operations.length; at += 1) {
    const operation = operations[at];
    if (operation === undefined || !isPlainRelease(operation) || keys.has(keyOf(operation))) break;
    keys.add(keyOf(operation));
    releases.push(operation);
  }
  return releases;
}

/** The plain acquires from a place on, as long as they have the same ttl and fencing. */
function acquiresFrom(operations: readonly Operation[], start: number, isHeard: boolean): readonly Acquire[] {
  const acquires: Acquire[] = [];
  for (let at = start; at < operations.length; at += 1) {
    const operation = operations[at];
    if (operation === undefined || !isPlainAcquire(operation, isHeard)) break;
    const first = acquires[0] ?? operation;
    if (operation.ttl !== first.ttl || operation.fences.length !== first.fences.length) break;
    acquires.push(operation);
  }
  return acquires;
}

function isPlainRelease(operation: Operation): operation is Release {
  return operation.kind === 'release' && operation.keys.length === 1 && operation.sharers === undefined;
}

/** Whether it is about one key and its caller does not wait if it is refused. */
function isPlainAcquire(operation: Operation, isHeard: boolean): operation is Acquire {
  return (
    operation.kind === 'acquire' &&
    operation.keys.length === 1 &&
    operation.sharers === undefined &&
    operation.permit === undefined &&
    (operation.waiter === undefined || !isHeard)
  );
}

function keyOf({ keys }: Operation): string {
  return keys[0] ?? '';
}
