import { Redlock } from '../../src/index.ts';
import { Fleet } from '../fleet/fleet.ts';
import { printTable } from './figures.ts';

const RESOURCES = 1_000_000;
const WORKERS = 128;
const STEPS = 10;

/** What a server keeps after a million distinct resources were locked once: counters expire. */
export async function fenceMemory(): Promise<void> {
  await using fleet = await Fleet.start(1);
  const redlock = new Redlock(fleet.urls, {
    ttl: 1_000,
    maxTtl: 1_000,
    nodeTimeout: 500,
    fenceRetention: 3_000,
  });
  try {
    const rows: (string | number)[][] = [];
    let next = 0;
    for (let step = 1; step <= STEPS; step += 1) {
      const end = (RESOURCES / STEPS) * step;
      await Promise.all(
        Array.from({ length: WORKERS }, async () => {
          while (next < end) {
            next += 1;
            await (await redlock.acquire(`resource:${next}`)).release();
          }
        }),
      );
      const [node] = fleet.nodes;
      const used = /used_memory:(\d+)/.exec(String(await node?.command('INFO', 'memory')))?.[1];
      rows.push([end, Number(await node?.command('DBSIZE')), `${(Number(used) / 2 ** 20).toFixed(1)} MiB`]);
    }
    console.log('one master, fenceRetention 3 s');
    printTable(['distinct resources locked', 'keys on the server', 'memory of the server'], rows);
  } finally {
    await redlock.close();
  }
}
