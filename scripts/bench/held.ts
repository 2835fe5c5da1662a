import { setTimeout as delay } from 'node:timers/promises';
import { Fleet } from '../fleet/fleet.ts';
import { quantile } from './figures.ts';
import { Crew } from './peers/crew.ts';
import { Workspace } from './peers/workspace.ts';

/** What locks cost while others are held. */
export interface HeldFigures {
  readonly held: number;
  /** Of an acquire in the process that holds them, nothing else being under way. */
  readonly sameP50Ms: number;
  /** The same in a process that holds none. */
  readonly otherP50Ms: number;
  /** Of 64 workers in the process that holds none. */
  readonly busyP50Ms: number;
  readonly busyRate: number;
  /** Of the process that holds them, for each. */
  readonly heapBytesEach: number;
  /** Of one node, for each: the lock and its counter. */
  readonly nodeBytesEach: number;
  /** Acquired a second, since the line before. */
  readonly fillRate: number;
}

const COUNTS = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
const NODES = 5;
const AT_ONCE = 256;
const TTL_MS = 3_600_000;
const WARM_UP_MS = 4_000;
const PROBE_MS = 600;
const FILL_WITHIN_MS = 300_000;

/** `npm run bench -- held`: the cost of locks as more and more others are held. */
export async function measureHeld(): Promise<readonly HeldFigures[]> {
  using workspace = await Workspace.make();
  await using fleet = await Fleet.start(NODES);
  const variant = { peer: 'quorlock', settings: 'lasting' } as const;
  const start = () => Crew.start(workspace.program, 1, variant, fleet.urls);
  await using same = await start();
  await using other = await start();
  for (const crew of [same, other]) {
    await crew.cycles('warm-up', 64, WARM_UP_MS);
    await crew.alone('warm-up', WARM_UP_MS / 2);
  }
  const heapBefore = (await same.heap()).heapBytes;
  const nodeBefore = await usedMemory(fleet);
  const all: HeldFigures[] = [];
  let before = 0;
  for (const count of COUNTS) {
    const startedAt = performance.now();
    await same.hoard({
      resource: 'held',
      upTo: count,
      ttl: TTL_MS,
      atOnce: AT_ONCE,
      withinMs: FILL_WITHIN_MS,
    });
    const filledMs = performance.now() - startedAt;
    const heapBytes = (await same.heap()).heapBytes - heapBefore;
    const nodeBytes = (await usedMemory(fleet)) - nodeBefore;
    // Servers go on moving their tables for a while after these have grown.
    await delay(PROBE_MS / 2);
    const sameP50Ms = quantile(await same.alone('probe', PROBE_MS), 0.5);
    const otherP50Ms = quantile(await other.alone('probe', PROBE_MS), 0.5);
    const busy = await other.cycles('busy', 64, PROBE_MS);
    all.push({
      held: count,
      sameP50Ms,
      otherP50Ms,
      busyP50Ms: busy.acquireP50Ms,
      busyRate: (busy.cycles * 1_000) / busy.elapsedMs,
      heapBytesEach: heapBytes / count,
      nodeBytesEach: nodeBytes / count,
      fillRate: ((count - before) * 1_000) / filledMs,
    });
    before = count;
  }
  return all;
}

/** Of one node. They all keep the same. */
async function usedMemory({ nodes: [node] }: Fleet): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(String(await node?.command('INFO', 'memory')))?.[1]);
}
