import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { Compiled } from '../../support/compiled.ts';
import type { Swarm, SwarmTerms } from './swarm.ts';

/** What one thread did. Failures are told as they would be to a person. */
export interface Share extends Omit<Swarm, 'failures'> {
  readonly failures: readonly string[];
}

/** Room for what a simulation makes and forgets, so that little of it is copied. */
const YOUNG_GENERATION_MB = 96;

/** A swarm on as many threads as there are cores. It ends early in a thread that has seen enough failures. */
export async function swarmOnAllCores(
  terms: Omit<SwarmTerms, 'thread' | 'isEnough' | 'progress'> & { readonly cycles: number },
): Promise<Share> {
  using program = await Compiled.make(new URL('worker.ts', import.meta.url));
  const count = availableParallelism();
  const shares = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const worker = new Worker(program.path, {
        workerData: { ...terms, cycles: terms.cycles / count, thread: { index, count } } satisfies SwarmTerms,
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      });
      const [share] = (await once(worker, 'message')) as [Share];
      return share;
    }),
  );
  return shares.reduce((sum, share) => ({
    runs: sum.runs + share.runs,
    locks: sum.locks + share.locks,
    overtaken: sum.overtaken + share.overtaken,
    failures: [...sum.failures, ...share.failures],
  }));
}
