import { Crew } from './crew.ts';
import type { Variant } from './variants.ts';

export interface WarmUp {
  /** The compiled code of the processes. */
  readonly program: string;
  readonly urls: readonly string[];
  /** How many workers a process is to be used to. */
  readonly workers: readonly number[];
  /** In all, in milliseconds. */
  readonly ms: number;
}

/** One process for each library, which is warm, and is the same one in all rounds and cases. */
export class WarmCrews implements AsyncDisposable {
  readonly #warmUp: WarmUp;
  readonly #crews = new Map<Variant, Crew>();

  constructor(warmUp: WarmUp) {
    this.#warmUp = warmUp;
  }

  /** Starts it and warms it up unless it is there. @throws {WorkerError} */
  async of(variant: Variant): Promise<Crew> {
    const present = this.#crews.get(variant);
    if (present !== undefined) return present;
    const { program, urls, workers, ms } = this.#warmUp;
    const crew = await Crew.start(program, 1, variant, urls);
    this.#crews.set(variant, crew);
    for (const count of workers) await crew.cycles('warm-up', count, ms / workers.length);
    return crew;
  }

  /** Another process takes its place: this one has ended, or does not answer. */
  async drop(variant: Variant): Promise<void> {
    const crew = this.#crews.get(variant);
    this.#crews.delete(variant);
    await crew?.[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#crews.keys()].map((variant) => this.drop(variant)));
  }
}
