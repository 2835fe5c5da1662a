import { expect, vi } from 'vitest';
import type { Fleet, FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import type { Lock } from '../../src/index.ts';

/**
 * A ttl that outlives every poll of these tests by far, so that keys which are found gone were given back and
 * did not just expire.
 */
export const LONG_TTL_MS = 30_000;

const WITHIN_MS = 25_000;

/** The keys of a pattern on every node that is up, each as `node 2: lock:orders`. */
export async function keysOn(fleet: Fleet, pattern = 'lock:*'): Promise<readonly string[]> {
  const found = await Promise.all(
    fleet.nodes.map(async (node) => {
      const keys = node.state === 'up' ? await node.command('KEYS', pattern) : [];
      return (Array.isArray(keys) ? keys : []).map((key) => `node ${node.index}: ${key}`);
    }),
  );
  return found.flat();
}

/** Passes as soon as no node that is up has such a key; fails with those that are left. */
export async function expectNoKeys(fleet: Fleet, pattern = 'lock:*'): Promise<void> {
  await vi.waitFor(async () => expect(await keysOn(fleet, pattern)).toEqual([]), {
    timeout: WITHIN_MS,
    interval: 20,
  });
}

/** What every node has under a key; a node that is not up counts as having nothing. */
export function valuesOf(fleet: Fleet, key: string): Promise<unknown[]> {
  return Promise.all(fleet.nodes.map((node) => (node.state === 'up' ? node.command('GET', key) : null)));
}

/**
 * Passes when every node that is up has the lock: a majority is enough to be granted one, and a node that was late for
 * that has it after an extension, if no other client has asked that node for it.
 */
export async function expectHeldOnAll(fleet: Fleet, lock: Lock, keyPrefix = 'lock:'): Promise<void> {
  await eventually('every node has the lock', async () => {
    const values = await Promise.all(lock.resources.map((resource) => valuesOf(fleet, keyPrefix + resource)));
    const isHeldAt = (index: number) => values.every((each) => each[index] === lock.value);
    if (fleet.nodes.every(({ state }, index) => state !== 'up' || isHeldAt(index))) return true;
    await lock.extend();
    return false;
  });
}

/** Takes a key as any other Redlock would, for as long as no test runs. */
export async function holdElsewhere(nodes: readonly FleetNode[], key: string): Promise<void> {
  for (const node of nodes) await node.command('SET', key, 'another holder', 'PX', 600_000);
}

/** Gives back what {@link holdElsewhere} took. */
export async function letGoElsewhere(nodes: readonly FleetNode[], key: string): Promise<void> {
  for (const node of nodes) await node.command('DEL', key);
}
