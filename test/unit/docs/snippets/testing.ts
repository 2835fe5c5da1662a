import assert from 'node:assert';
import { LockLostError } from '../../../../src/index.ts';
import { Simulation } from '../../../../src/testing/index.ts';

const simulation = new Simulation({ nodes: 3, seed: 1 });
const worker = simulation.machine();
const written: string[] = [];

// What is tested: it computes for a while, and makes sure of its lock before it writes.
const work = worker.redlock().using('report', { ttl: 5_000 }, async (lock) => {
  await worker.sleep(100);
  lock.assertHeld();
  written.push('by the worker');
});
await simulation.advance(50); // It holds the lock, and computes,
worker.pause(60_000); // when it is stopped for a minute.

await assert.rejects(simulation.until(work), LockLostError);
assert.deepEqual(written, []);
const other = simulation.machine().redlock();
(await simulation.until(other.acquire('report'))).assertHeld();
