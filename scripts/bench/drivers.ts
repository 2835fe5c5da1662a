import { DRIVERS } from '../../bench/peers/peer.ts';
import { Fleet } from '../fleet/fleet.ts';
import { printTable } from './figures.ts';
import { BRIEF } from './peers/arguments.ts';
import { typical } from './peers/figures.ts';
import { cyclesInTurns } from './peers/measure.ts';
import type { Variant } from './peers/variants.ts';
import { WarmCrews } from './peers/warm-crews.ts';
import { Workspace } from './peers/workspace.ts';

const NODES = 5;
const WORKERS = [1, 64];
const ROUNDS = 3;

/** `npm run bench -- drivers`: one process, each driver in its turn. */
export async function drivers(): Promise<void> {
  using workspace = await Workspace.make();
  await using fleet = await Fleet.start(NODES);
  const { program } = workspace;
  const terms = { program, urls: fleet.urls, workers: WORKERS, ms: BRIEF.cyclesWarmUpMs };
  await using crews = new WarmCrews(terms);
  const rows = (['shipped', ...DRIVERS] as const).flatMap((settings) => {
    const variant: Variant = { peer: 'quorlock', settings };
    return WORKERS.map((workers) => ({ crews, fleet, variant, workers }));
  });
  const all = await cyclesInTurns(rows, ROUNDS);
  console.log(`one process, locks of their own; medians of ${ROUNDS} rounds of ${BRIEF.cyclesMs} ms`);
  printTable(
    ['driver', 'workers', 'cycles/s', 'client µs', 'nodes µs'],
    rows.map(({ variant, workers }, at) => {
      const { rate, clientUs, serverUs } = typical(all[at] ?? []);
      const figures = [rate, clientUs, serverUs].map((value = Number.NaN) =>
        value.toFixed(rate === value ? 0 : 1),
      );
      return [variant.settings === 'shipped' ? 'ioredis' : variant.settings, workers, ...figures];
    }),
  );
}
