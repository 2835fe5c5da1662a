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

/**
 * As many threads as there are cores, for one swarm after the other: it takes seconds until what a thread runs is compiled
 * for speed.
 */
export class AllCores implements AsyncDisposable {
  readonly #program: Compiled;
  readonly #workers: readonly Worker[];

  private constructor(program: Compiled, threads: number) {
    this.#program = program;
    this.#workers = Array.from(
      { length: threads },
      () => new Worker(program.path, { resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } }),
    );
  }

  /** @param threads one where other work has the other cores */
  static async start(threads = availableParallelism()): Promise<AllCores> {
    return new AllCores(await Compiled.make(new URL('worker.ts', import.meta.url)), threads);
  }

  /** A swarm on all threads. It ends early in a thread that has seen enough failures. */
  async swarm(
    terms: Omit<SwarmTerms, 'thread' | 'isEnough' | 'progress'> & { readonly cycles: number },
  ): Promise<Share> {
    const count = this.#workers.length;
    const shares = await Promise.all(
      this.#workers.map(async (worker, index) => {
        const told = once(worker, 'message');
        worker.postMessage({
          ...terms,
          cycles: terms.cycles / count,
          thread: { index, count },
        } satisfies SwarmTerms);
        const [share] = (await told) as [Share];
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

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#program[Symbol.dispose]();
  }
}
