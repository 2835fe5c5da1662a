import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onProcessEnd, Watchdog } from '../last-resort.ts';
import type { Assignment, FromWorker, Report, ToWorker } from './messages.ts';

const PROGRAM = fileURLToPath(new URL('worker.ts', import.meta.url));

/** On a machine that runs much else. */
const ANSWERS_WITHIN_MS = 30_000;

const STDERR_TAIL_CHARACTERS = 4_000;

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
    this.#workers = Array.from(
      { length: size },
      () =>
        new Worker(this.#watchdog, (worker) => {
          this.#latestHolder = worker;
          this.#grants += 1;
        }),
    );
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
}

type Message<Kind extends FromWorker['kind']> = Extract<FromWorker, { kind: Kind }>;

class Worker {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #stderr = '';
  #stopped = false;

  constructor(watchdog: Watchdog, granted: (worker: Worker) => void) {
    this.#child = fork(PROGRAM, [], {
      execArgv: ['--import', import.meta.resolve('tsx')],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    const unwatch = watchdog.watch(this.#child.pid);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARACTERS);
    });
    this.#child.on('message', (message: FromWorker) => {
      if (message.kind === 'granted') granted(this);
    });
    this.#child.on('error', () => undefined);
    // 'close' comes after 'exit', when all it wrote has been read as well.
    this.#exited = once(this.#child, 'close').then(unwatch, unwatch);
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  tell(message: ToWorker): void {
    // A worker that cannot be told anything has ended, and whoever expects an answer hears of that.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  expect<Kind extends FromWorker['kind']>(kind: Kind): Promise<Message<Kind>> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        stop();
        reject(new Error(`a worker process ${why}; it wrote:\n${this.#stderr.trim() || '(nothing)'}`));
      };
      const listen = (message: FromWorker) => {
        if (!isOfKind(message, kind)) return;
        stop();
        resolve(message);
      };
      const stop = () => {
        clearTimeout(impatience);
        this.#child.off('message', listen);
      };
      const impatience = setTimeout(
        () => fail(`was not ${kind} within ${ANSWERS_WITHIN_MS} ms`),
        ANSWERS_WITHIN_MS,
      );
      this.#child.on('message', listen);
      void this.#exited.then(() => fail(`ended (${this.#child.signalCode ?? this.#child.exitCode})`));
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#child.kill('SIGSTOP');
  }

  goOn(): void {
    this.#stopped = false;
    this.#child.kill('SIGCONT');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async end(): Promise<void> {
    this.kill();
    await this.#exited;
  }
}

function isOfKind<Kind extends FromWorker['kind']>(
  message: FromWorker,
  kind: Kind,
): message is Message<Kind> {
  return message.kind === kind;
}
