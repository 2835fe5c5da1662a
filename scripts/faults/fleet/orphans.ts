import { nap, now } from '../../support/time.ts';
import type { Masters } from './masters/masters.ts';

const POLL_EVERY_MS = 100;

/** Keys expire in whole milliseconds, and this machine may be busy. */
const SLACK_MS = 1_500;

/** Keys with an owner, and whatever says who shares one. */
const OF_LOCKS = ['lock:*', 'quorlock:sharers:*', 'quorlock:slot:*'];

const NEVER = new AbortController().signal;

/**
 * Keys of locks that are on nodes when no process holds a lock, and whatever a dead holder left has had its time: each
 * with the number of its node.
 */
export async function orphansOn(masters: Masters, maxTtl: number): Promise<readonly string[]> {
  const deadline = now() + maxTtl + SLACK_MS;
  for (;;) {
    const found = (await Promise.all(masters.nodes.map(lockKeysOn))).flat();
    if (found.length === 0 || now() > deadline) return found;
    await nap(POLL_EVERY_MS, NEVER);
  }
}

async function lockKeysOn(node: Masters['nodes'][number]): Promise<readonly string[]> {
  // A deployment of a test is small enough for KEYS.
  const found = await Promise.all(OF_LOCKS.map((pattern) => node.command('KEYS', pattern)));
  const keys = found.flatMap((some) => (Array.isArray(some) ? some.map(String) : []));
  return Promise.all(
    keys.map(async (key) => {
      const value = await node.command('GET', key).catch(() => 'no string');
      return `${key} (${String(value)}) on node ${node.index + 1}`;
    }),
  );
}
