import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import type { Watchdog } from './last-resort.ts';

/** On a machine that runs much else. */
const ANSWERS_WITHIN_MS = 60_000;

const STDERR_TAIL_CHARACTERS = 4_000;

interface Message {
  readonly kind: string;
}

type OfKind<All extends Message, Kind extends All['kind']> = Extract<All, { readonly kind: Kind }>;

/** A process ended, or did not answer in time. */
export class WorkerError extends Error {
  override readonly name = 'WorkerError';
}

interface WorkerSettings<Heard extends Message> {
  /** The file that it runs: TypeScript, or compiled. */
  readonly program: string;
  /** Default: it ends when its channel does. */
  readonly watchdog?: Watchdog;
  /** Options of Node for the process, beside what TypeScript needs. */
  readonly execArgv?: readonly string[];
  /** Hears of every message. */
  readonly heard?: (message: Heard) => void;
}

/** A process of a run that takes messages, can be stopped and killed, and does not outlive the run. */
export class WorkerProcess<Told extends Message, Heard extends Message> {
  /** Resolves when it has ended, however it came to that, and all it wrote has been read. */
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  #stderr = '';
  #stopped = false;

  constructor({ program, watchdog, execArgv = [], heard }: WorkerSettings<Heard>) {
    this.#child = fork(program, [], {
      execArgv: program.endsWith('.ts')
        ? [...execArgv, '--import', import.meta.resolve('tsx')]
        : [...execArgv],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      // Moments are bigints.
      serialization: 'advanced',
    });
    const unwatch = watchdog?.watch(this.#child.pid) ?? (() => undefined);
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL_CHARACTERS);
    });
    this.#child.on('message', (message: Heard) => heard?.(message));
    this.#child.on('error', () => undefined);
    // 'close' comes after 'exit', when all it wrote has been read as well.
    this.exited = once(this.#child, 'close').then(unwatch, unwatch);
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  /** The last of what it wrote to its standard error. */
  get stderr(): string {
    return this.#stderr.trim();
  }

  /** How it ended; undefined while it runs. */
  get ending(): string | undefined {
    const { exitCode, signalCode } = this.#child;
    return exitCode === null && signalCode === null ? undefined : String(signalCode ?? exitCode);
  }

  tell(message: Told): void {
    // A worker that cannot be told anything has ended, and a caller that expects an answer hears of that.
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  /** The next message of a kind. @throws {WorkerError} it ends before, or does not say that in time */
  expect<Kind extends Heard['kind']>(kind: Kind, withinMs = ANSWERS_WITHIN_MS): Promise<OfKind<Heard, Kind>> {
    return new Promise((resolve, reject) => {
      const fail = (why: string) => {
        stop();
        reject(new WorkerError(`a worker process ${why}; it wrote:\n${this.stderr || '(nothing)'}`));
      };
      const listen = (message: Heard) => {
        if (!isOfKind(message, kind)) return;
        stop();
        resolve(message);
      };
      const stop = () => {
        clearTimeout(impatience);
        this.#child.off('message', listen);
      };
      const impatience = setTimeout(() => fail(`was not ${kind} within ${withinMs} ms`), withinMs);
      this.#child.on('message', listen);
      void this.exited.then(() => fail(`ended (${this.ending})`));
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
    await this.exited;
  }
}

function isOfKind<Heard extends Message, Kind extends Heard['kind']>(
  message: Heard,
  kind: Kind,
): message is OfKind<Heard, Kind> {
  return message.kind === kind;
}
