import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { Compiled } from '../support/compiled.ts';
import { printTable } from './figures.ts';
import type { SimulatorFigures, SimulatorJob } from './simulator-worker.ts';

const CYCLES = 100_000;
const ROUNDS = 3;

/** Room for what a simulation makes and forgets, so that little of it is copied. */
const YOUNG_GENERATION_MB = 96;

/** How many cycles of acquire and release one core simulates in a second. The best of some rounds. */
export async function simulator(): Promise<void> {
  using program = await Compiled.make(new URL('./simulator-worker.ts', import.meta.url));
  const jobs: readonly SimulatorJob[] = [
    { nodes: 1, machines: 8, callers: 1, cycles: CYCLES },
    { nodes: 3, machines: 8, callers: 1, cycles: CYCLES },
    { nodes: 5, machines: 8, callers: 1, cycles: CYCLES },
    { nodes: 3, machines: 2, callers: 32, cycles: CYCLES },
  ];
  const rows: (string | number)[][] = [];
  for (const job of jobs) {
    const rounds: SimulatorFigures[] = [];
    for (let round = 0; round < ROUNDS; round += 1) rounds.push(await run(program.path, job));
    const best = rounds.reduce((a, b) => (b.realMs < a.realMs ? b : a));
    rows.push([
      job.nodes,
      job.machines,
      job.callers,
      Math.round((best.cycles / best.realMs) * 1_000),
      (best.realMs / (best.virtualMs / 1_000)).toFixed(0),
    ]);
  }
  console.log(`${CYCLES} cycles of acquire and release, one thread, the best of ${ROUNDS} rounds`);
  printTable(['nodes', 'machines', 'callers each', 'cycles/s', 'real ms a virtual s'], rows);
}

async function run(path: string, job: SimulatorJob): Promise<SimulatorFigures> {
  const worker = new Worker(path, {
    workerData: job,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const [figures] = (await once(worker, 'message')) as [SimulatorFigures];
  await worker.terminate();
  return figures;
}
