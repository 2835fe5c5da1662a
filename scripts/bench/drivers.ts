import { DRIVERS } from '../../bench/peers/peer.ts';
import { Fleet } from '../fleet/fleet.ts';
import { printTable } from './figures.ts';
import { BRIEF } from './peers/arguments.ts';
import { type Figures, typical } from './peers/figures.ts';
import { measureCycles } from './peers/measure.ts';
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
  const rows = (['shipped', ...DRIVERS] as const).flatMap((settings) =>
    rowsOf({ peer: 'quorlock', settings }),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { variant, workers, rounds } of rows) {
      const crew = await crews.of(variant);
      rounds.push(await measureCycles(crew, { contendersEach: workers }, { fleet, pace: BRIEF }));
    }
  }
  console.log(`one process, locks of their own; medians of ${ROUNDS} rounds of ${BRIEF.cyclesMs} ms`);
  printTable(
    ['driver', 'workers', 'cycles/s', 'client µs', 'nodes µs'],
    rows.map(({ variant, workers, rounds }) => {
      const { rate, clientUs, serverUs } = typical(rounds);
      const figures = [rate, clientUs, serverUs].map((value = Number.NaN) =>
        value.toFixed(rate === value ? 0 : 1),
      );
      return [variant.settings === 'shipped' ? 'ioredis' : variant.settings, workers, ...figures];
    }),
  );
}

function rowsOf(variant: Variant) {
  return WORKERS.map((workers) => ({ variant, workers, rounds: [] as Figures[] }));
}
