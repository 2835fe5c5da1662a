import { parentPort, workerData } from 'node:worker_threads';
import { Simulation } from '../../src/testing/simulation.ts';

/** What is simulated: machines whose callers lock and give back, each a resource of its own. */
export interface SimulatorJob {
  readonly nodes: number;
  readonly machines: number;
  readonly callers: number;
  readonly cycles: number;
}

/** What it took. */
export interface SimulatorFigures {
  readonly cycles: number;
  readonly realMs: number;
  readonly virtualMs: number;
}

/** A tenth of the cycles come first, for the compiler to warm up with. */
const WARM_UP = 0.1;

async function measure({ nodes, machines, callers, cycles }: SimulatorJob): Promise<SimulatorFigures> {
  const simulation = new Simulation({ nodes });
  const redlocks = Array.from({ length: machines }, () => simulation.machine().redlock());
  let left = 0;
  const work = () =>
    simulation.until(
      Promise.all(
        redlocks.flatMap((redlock, machine) =>
          Array.from({ length: callers }, async (_, caller) => {
            while (left > 0) {
              left -= 1;
              await (await redlock.acquire(`${machine} ${caller}`)).release();
            }
          }),
        ),
      ),
    );
  left = cycles * WARM_UP;
  await work();
  left = cycles;
  const startedAt = { realMs: performance.now(), virtualMs: simulation.nowMs };
  await work();
  return {
    cycles,
    realMs: performance.now() - startedAt.realMs,
    virtualMs: simulation.nowMs - startedAt.virtualMs,
  };
}

parentPort?.postMessage(await measure(workerData as SimulatorJob));
