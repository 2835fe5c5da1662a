import { describe, expect, it } from 'vitest';
import { heapBytes } from '../../bench/worker/heap.ts';
import type { Redlock } from '../../src/index.ts';
import { Simulation } from '../../src/testing/index.ts';

const LOCKS = 4_000;
const AT_ONCE = 500;

/** Bytes of the heap for each lock, those of the one simulated node included. */
async function bytesEach(take: (redlock: Redlock, resource: string) => Promise<unknown>): Promise<number> {
  const simulation = new Simulation({ nodes: 1 });
  const redlock = simulation.machine().redlock({ ttl: 3_600_000, maxTtl: 3_600_000 });
  const kept: unknown[] = [];
  const takeAll = async (name: string, upTo: number) => {
    for (let first = 0; first < upTo; first += AT_ONCE) {
      const some = Array.from({ length: AT_ONCE }, (_, index) => take(redlock, `${name}:${first + index}`));
      kept.push(...(await simulation.until(Promise.all(some))));
    }
  };
  // What is compiled meanwhile is no lock's.
  await takeAll('warm-up', LOCKS);
  const before = heapBytes();
  await takeAll('held', LOCKS);
  const bytes = heapBytes() - before;
  await simulation.until(redlock.close());
  return bytes / LOCKS;
}

describe('the heap', () => {
  // Loose bounds: `npm run bench -- memory` has the figures. What other tests have left may come or go meanwhile.
  it('has little for a held lock, and little more for a routine that runs under it', {
    retry: 3,
  }, async () => {
    const acquired = await bytesEach((redlock, resource) => redlock.acquire(resource));
    const finished = new Promise<void>(() => undefined);
    const uses: Promise<void>[] = [];
    const used = await bytesEach(
      (redlock, resource) =>
        new Promise<void>((resolve) => {
          const use = redlock.using(resource, () => {
            resolve();
            return finished;
          });
          uses.push(use);
        }),
    );
    expect(acquired).toBeLessThan(2_000);
    expect(used - acquired).toBeLessThan(1_000);
  });
});
