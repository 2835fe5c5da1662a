import { type Acquire, encode, keysOf, type Operation, type Release } from './operation.ts';

/** Whatever has to do with one operation. */
interface PendingOperation {
  readonly operation: Operation;
}

/** What the script reads beside the header, see `lua/batch.lua`. */
export interface EncodedOperations {
  readonly keys: string[];
  readonly args: (string | number)[];
}

/**
 * The order in which operations are sent that were asked for in this one: releases go first, together, but for those of
 * a key that something before them is about. What is done with a key so stays in its order.
 */
export function inSendingOrder<Item extends PendingOperation>(items: readonly Item[]): readonly Item[] {
  if (items.length === 1) return items;
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
 * Adds operations to a call, in this order: what most calls are about as runs, see `lua/runs.lua`, the others one by one.
 *
 * @param isHeard whether a waiter would hear this node's calls; if not, it must not be called
 */
export function encodeAll(
  pending: readonly PendingOperation[],
  isHeard: boolean,
  { keys, args }: EncodedOperations,
): void {
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
}

const NONE: readonly never[] = [];

function encodeAcquires(acquires: readonly Acquire[], { keys, args }: EncodedOperations): void {
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

/** The plain releases from a place on, no key twice. */
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

/** The plain acquires from a place on that have their terms in common. */
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

/** Of one key, and nobody waits if it is refused. */
function isPlainAcquire(operation: Operation, isHeard: boolean): operation is Acquire {
  return (
    operation.kind === 'acquire' &&
    operation.keys.length === 1 &&
    operation.sharers === undefined &&
    operation.size === undefined &&
    (operation.waiter === undefined || !isHeard)
  );
}

function keyOf({ keys }: Operation): string {
  return keys[0] ?? '';
}
