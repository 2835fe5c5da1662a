// A worker thread: measures the points that it is sent, one after the other.
import { parentPort, workerData } from 'node:worker_threads';
import { measure } from './measure.ts';
import type { Point } from './points.ts';

const { runSeed } = workerData as { readonly runSeed: number };

parentPort?.on('message', (point: Point) => {
  measure(point, runSeed).then(
    (measured) => parentPort?.postMessage(measured),
    (error: unknown) => {
      // An error that is thrown outside of a promise ends the thread, and its owner hears of it.
      setImmediate(() => {
        throw error;
      });
    },
  );
});
