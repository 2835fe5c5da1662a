import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { FromWorker, ToWorker, WorkerEvent } from './events.ts';

const PROGRAM = fileURLToPath(new URL('worker.ts', import.meta.url));
const LOADED_WITHIN_MS = 30_000;
const ENDED_WITHIN_MS = 8_000;
const STDERR_TAIL_CHARACTERS = 2_000;

/** What every worker is given. */
export type Task = Omit<Extract<ToWorker, { kind: 'start' }>, 'kind' | 'name' | 'journalFile'>;

/** The worker processes, one for each journal. They load first and then start together. */
export class Crew {
  readonly #workers: readonly Worker[];

  /** `note` hears of every event, `crashed` when a worker has a problem. */
  constructor(journalFiles: readonly string[], note: (event: WorkerEvent) => void, crashed: () => void) {
    this.#workers = journalFiles.map(
      (journalFile, index) => new Worker(`worker ${index + 1}`, journalFile, note, crashed),
    );
  }

  /** What went wrong with workers, in words; empty if nothing did. */
  get problems(): readonly string[] {
    return this.#workers.flatMap(({ problem }) => problem ?? []);
  }

  /** Resolves when each has loaded or has a problem, or when the signal aborts. */
  async loaded(stop: AbortSignal): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.loaded(stop)));
  }

  start(task: Task): void {
    for (const worker of this.#workers) worker.start(task);
  }

  /** Resolves when all processes have gone: of themselves, or else killed. */
  async stop(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.stop()));
  }
}

class Worker {
  readonly #name: string;
  readonly #journalFile: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  readonly #loaded = new AbortController();
  #stderr = '';
  #stopping = false;
  #killed = false;
  #problem: string | undefined;

  constructor(name: string, journalFile: string, note: (event: WorkerEvent) => void, crashed: () => void) {
    this.#name = name;
    this.#journalFile = journalFile;
    this.#child = fork(PROGRAM, [], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARACTERS);
    });
    this.#child.on('message', (message: FromWorker) => {
      if (message.kind === 'loaded') this.#loaded.abort();
      else note(message);
    });
    // Whatever it is, the end of the process follows or has come already.
    this.#child.on('error', () => undefined);
    // 'close' comes after 'exit', when all it wrote has been read as well.
    this.#exited = once(this.#child, 'close').catch((error: unknown) => {
      this.#fail(`could not be started: ${String(error)}`);
    });
    void this.#exited.then(() => {
      this.#judgeExit();
      if (this.#problem !== undefined) crashed();
    });
  }

  get problem(): string | undefined {
    return this.#problem;
  }

  async loaded(stop: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stop, this.#loaded.signal]);
    await delay(LOADED_WITHIN_MS, undefined, { signal }).then(
      () => this.#fail(`did not load within ${LOADED_WITHIN_MS} ms`),
      () => undefined,
    );
  }

  start(task: Task): void {
    this.#tell({ kind: 'start', name: this.#name, journalFile: this.#journalFile, ...task });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#tell({ kind: 'stop' });
    const impatience = setTimeout(() => {
      this.#killed = true;
      this.#child.kill('SIGKILL');
    }, ENDED_WITHIN_MS);
    await this.#exited;
    clearTimeout(impatience);
  }

  #tell(message: ToWorker): void {
    // A worker that cannot be told anything has ended or is about to, and that is noticed by itself.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #judgeExit(): void {
    const { exitCode, signalCode } = this.#child;
    const ending = signalCode === null ? `with exit code ${exitCode}` : `by ${signalCode}`;
    if (this.#killed) this.#fail(`did not end within ${ENDED_WITHIN_MS} ms of being told to`);
    else if (!this.#stopping || exitCode !== 0) this.#fail(`ended ${ending}`);
    this.#loaded.abort();
  }

  #fail(how: string): void {
    this.#problem ??= `${this.#name} ${how}${this.#stderr === '' ? '' : `:\n${this.#stderr.trim()}`}`;
  }
}
