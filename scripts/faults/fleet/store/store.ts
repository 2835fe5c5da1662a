import { fileURLToPath } from 'node:url';
import type { Watchdog } from '../../../fleet/last-resort.ts';
import { WorkerProcess } from '../../../fleet/worker-process.ts';
import { StoreClient } from './client.ts';
import type { Account } from './protocol.ts';

const PROGRAM = fileURLToPath(new URL('server.ts', import.meta.url));

interface Serving {
  readonly kind: 'serving';
  readonly port: number;
}

/** The store's process. It starts at once, and takes a few seconds. */
export class Store implements AsyncDisposable {
  readonly #process: WorkerProcess<never, Serving>;
  readonly #serving: Promise<string>;

  constructor(watchdog: Watchdog) {
    this.#process = new WorkerProcess({ program: PROGRAM, watchdog });
    this.#serving = this.#process.expect('serving').then(({ port }) => `http://127.0.0.1:${port}`);
    // The caller that asks for the address hears of it.
    this.#serving.catch(() => undefined);
  }

  /** Where it is, once it serves. */
  get url(): Promise<string> {
    return this.#serving;
  }

  /** What all workers have written so far. */
  async accounts(): Promise<readonly Account[]> {
    using client = new StoreClient(await this.#serving);
    return await client.accounts();
  }

  /** For the end of the program: at once. */
  kill(): void {
    this.#process.kill();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#process.end();
  }
}
