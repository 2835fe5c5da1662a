import { setImmediate as nextTurn } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { heapBytes } from '../../bench/worker/heap.ts';
import type { Lock } from '../../src/index.ts';
import { Fleet } from '../fleet/fleet.ts';
import { Workspace } from './peers/workspace.ts';

const LOCKS = 10_000;

/** Of them at a time are asked for while locks are taken. */
const AT_ONCE = 500;
const TTL_MS = 30_000;

/** What locks and waits take in a process, in bytes of its heap for each. */
export interface MemoryFigures {
  readonly locks: number;
  /** Held by `using`, which keeps them alive. */
  readonly using: number;
  /** Held after `acquire`. */
  readonly acquired: number;
  /** Of a resource that a caller waits for. */
  readonly waits: number;
  /** Of the waiting process, on the node that has the most. */
  readonly subscriptions: number;
}

/** `npm run bench -- memory`: what a held lock, its auto-extension included, and a wait for a lock take in this process. */
export async function measureMemory(): Promise<MemoryFigures> {
  using workspace = await Workspace.make();
  // As it is published: what compiles sources on the fly gives every function more to carry.
  const { Redlock } = (await import(
    pathToFileURL(workspace.quorlock).href
  )) as typeof import('../../src/index.ts');
  await using fleet = await Fleet.start(5);
  await using holder = new Redlock(fleet.urls, { ttl: TTL_MS, nodeTimeout: 2_000 });
  await using waiter = new Redlock(fleet.urls, { nodeTimeout: 2_000 });
  // What is compiled meanwhile, and what a driver keeps once, is no lock's.
  for (const redlock of [holder, waiter]) {
    const some = Array.from({ length: AT_ONCE }, (_, index) => `warm-up:${index}`);
    await Promise.all(some.map((resource) => redlock.using(resource, {}, async () => undefined)));
  }

  const before = heapBytes();
  const finish = new AbortController();
  const finished = new Promise<void>((resolve) => {
    finish.signal.addEventListener('abort', () => resolve());
  });
  const uses: Promise<void>[] = [];
  const hold = (resource: string) =>
    new Promise<void>((resolve, reject) => {
      const use = holder.using(resource, {}, () => {
        resolve();
        return finished;
      });
      use.catch(reject);
      uses.push(use);
    });
  for (let first = 0; first < LOCKS; first += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => hold(`bench:${first + index}`)));
  }
  const withLocks = heapBytes();

  const giveUp = new AbortController();
  const waits: Promise<unknown>[] = [];
  const terms = { waitTime: Number.POSITIVE_INFINITY, signal: giveUp.signal };
  for (let first = 0; first < LOCKS; first += AT_ONCE) {
    for (let index = first; index < first + AT_ONCE; index += 1) {
      waits.push(waiter.acquire(`bench:${index}`, terms).catch(() => undefined));
    }
    const last = `bench:${first + AT_ONCE - 1}`;
    while ((await waiter.waiting(last)).processes.length === 0) await nextTurn();
  }
  const withWaits = heapBytes();
  const subscribers = await Promise.all(
    fleet.nodes.map(async (node) => {
      const [, count] = (await node.command('PUBSUB', 'NUMSUB', ...(await channelsOf(node)))) as unknown[];
      return Number(count ?? 0);
    }),
  );

  giveUp.abort();
  await Promise.all(waits);
  finish.abort();
  await Promise.all(uses);

  // With what it gives back in the background.
  await Promise.all([holder.close(), waiter.close()]);
  uses.length = 0;
  waits.length = 0;

  await using second = new Redlock(fleet.urls, { ttl: TTL_MS, nodeTimeout: 2_000 });
  await second.using('warm-up', {}, async () => undefined);
  const beforeAcquired = heapBytes();
  const kept: Lock[] = [];
  for (let first = 0; first < LOCKS; first += AT_ONCE) {
    const some = Array.from({ length: AT_ONCE }, (_, index) => second.acquire(`kept:${first + index}`));
    kept.push(...(await Promise.all(some)));
  }
  const acquired = (heapBytes() - beforeAcquired) / kept.length;
  for (let first = 0; first < LOCKS; first += AT_ONCE) {
    await Promise.all(kept.slice(first, first + AT_ONCE).map((lock) => lock.release()));
  }
  return {
    locks: LOCKS,
    using: (withLocks - before) / LOCKS,
    acquired,
    waits: (withWaits - withLocks) / LOCKS,
    subscriptions: Math.max(...subscribers),
  };
}

async function channelsOf(node: Fleet['nodes'][number]): Promise<string[]> {
  return (await node.command('PUBSUB', 'CHANNELS', 'quorlock:wake:*')) as string[];
}
