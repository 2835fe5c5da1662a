import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Peer } from '../peers/peer.ts';
import type { CyclesReport, CyclesTerms } from './protocol.ts';

/** Takes and releases locks that no other worker wants, as fast as it goes. */
export async function cycles(
  peer: Peer,
  { resource, workers, durationMs }: CyclesTerms,
): Promise<CyclesReport> {
  const acquireMs: number[] = [];
  let failures = 0;
  const cpuBefore = process.cpuUsage();
  const startedAt = performance.now();
  const end = startedAt + durationMs;
  const work = async (_: unknown, worker: number) => {
    const own = `${resource}:${worker}`;
    for (let before = startedAt; before < end; ) {
      before = performance.now();
      try {
        const release = await peer.acquire(own);
        acquireMs.push(performance.now() - before);
        await release();
      } catch {
        failures += 1;
        await nextTurn();
      }
    }
  };
  await Promise.all(Array.from({ length: workers }, work));
  const elapsedMs = performance.now() - startedAt;
  const { user, system } = process.cpuUsage(cpuBefore);
  acquireMs.sort((a, b) => a - b);
  const quantile = (q: number) => acquireMs[Math.floor(acquireMs.length * q)] ?? Number.NaN;
  return {
    cycles: acquireMs.length,
    elapsedMs,
    cpuUs: user + system,
    acquireP50Ms: quantile(0.5),
    acquireP99Ms: quantile(0.99),
    failures,
  };
}
