import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onProcessEnd, Watchdog } from '../fleet/last-resort.ts';
import { WorkerProcess } from '../fleet/worker-process.ts';
import type { Assignment, FromWorker, Report, ToWorker } from './messages.ts';

const PROGRAM = fileURLToPath(new URL('worker.ts', import.meta.url));

type Worker = WorkerProcess<ToWorker, FromWorker>;

/** Worker processes that do one run after another: starting one takes as long as a tenth of a run. */
export class Staff implements AsyncDisposable {
  readonly #workers: readonly Worker[];
  readonly #directory: string;
  readonly #watchdog: Watchdog;
  readonly #disarm: () => void;
  #latestHolder: Worker | undefined;
  #grants = 0;

  private constructor(size: number, directory: string) {
    this.#directory = directory;
    // A stopped process does not notice that its parent is gone.
    this.#watchdog = new Watchdog(directory);
    this.#workers = Array.from({ length: size }, () => this.#hire());
    this.#disarm = onProcessEnd(() => {
      for (const worker of this.#workers) worker.kill();
      rmSync(directory, { recursive: true, force: true });
      this.#watchdog.kill();
    });
  }

  static async hire(size: number): Promise<Staff> {
    const staff = new Staff(size, await mkdtemp(join(tmpdir(), 'quorlock-safety-')));
    try {
      await Promise.all(staff.#workers.map((worker) => worker.expect('loaded')));
    } catch (error) {
      await staff[Symbol.asyncDispose]();
      throw error;
    }
    return staff;
  }

  /** Locks granted in this run so far. */
  get grants(): number {
    return this.#grants;
  }

  /** The first workers get one assignment each. */
  start(assignments: readonly Assignment[]): void {
    this.#latestHolder = undefined;
    this.#grants = 0;
    assignments.forEach((assignment, index) => {
      this.#workers[index]?.tell({ kind: 'start', assignment });
    });
  }

  /** SIGSTOP of the process that was granted a lock last. Returns how to have it go on; undefined if there is none. */
  stopLatestHolder(): (() => void) | undefined {
    const worker = this.#latestHolder;
    if (worker === undefined || worker.isStopped) return undefined;
    worker.stop();
    return () => worker.goOn();
  }

  /** Has the first `count` workers end the run; rejects if one has crashed or does not answer. */
  finish(count: number): Promise<readonly Report[]> {
    return Promise.all(
      this.#workers.slice(0, count).map(async (worker) => {
        worker.goOn();
        worker.tell({ kind: 'finish' });
        return (await worker.expect('finished')).report;
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.end()));
    await rm(this.#directory, { recursive: true, force: true });
    await this.#watchdog.dismiss();
    this.#disarm();
  }

  #hire(): Worker {
    const worker: Worker = new WorkerProcess({
      program: PROGRAM,
      watchdog: this.#watchdog,
      heard: ({ kind }) => {
        if (kind !== 'granted') return;
        this.#latestHolder = worker;
        this.#grants += 1;
      },
    });
    return worker;
  }
}
