import { Worker } from 'node:worker_threads';
import type { Measured, Point } from './points.ts';

export interface Job {
  /** The compiled code of a worker thread. */
  readonly path: string;
  readonly runSeed: number;
  readonly points: readonly Point[];
  readonly threads: number;
  readonly interrupt: AbortSignal;
  /** Hears of every point that is done, in any order. */
  readonly done: (measured: Measured) => void;
}

/**
 * Measures points on several threads, each busy with one at a time. Resolves when all are done or the run is
 * interrupted; what was under way then is lost.
 *
 * @throws whatever a thread failed with
 */
export async function measureAll({ path, runSeed, points, threads, interrupt, done }: Job): Promise<void> {
  const waiting = [...points];
  const workers = Array.from(
    { length: Math.min(threads, points.length) },
    () => new Worker(path, { workerData: { runSeed } }),
  );
  const finished = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        const next = () => {
          const point = interrupt.aborted ? undefined : waiting.shift();
          if (point === undefined) resolve();
          else worker.postMessage(point);
        };
        worker.on('message', (measured: Measured) => {
          done(measured);
          next();
        });
        worker.once('error', reject);
        interrupt.addEventListener('abort', () => resolve(), { once: true });
        next();
      }),
  );
  try {
    await Promise.all(finished);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
