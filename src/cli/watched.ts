import { type ChildProcess, fork } from 'node:child_process';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SystemClock } from '../base/clock.ts';
import { Family } from './family.ts';
import { type Deadline, type End, msUntil, type Order, type Report } from './orders.ts';

/** What became of a command. */
export type Outcome =
  /** It ended; `wasStopped`: it had been told to. */
  | ({ readonly kind: 'gone'; readonly atMs: number; readonly wasStopped: boolean } & End)
  /** It could not be started. */
  | { readonly kind: 'failed'; readonly message: string; readonly code: string | undefined }
  /** Its watcher ended, or hung when the command was to be gone (`isLate`), and so it was killed. */
  | { readonly kind: 'unwatched'; readonly isLate: boolean }
  /** It could not be ended: it may be another user's. */
  | { readonly kind: 'survived' };

/** The watcher's program is beside this one, under the same kind of name. */
const HERE = fileURLToPath(import.meta.url);
const WATCHER = join(dirname(HERE), `watcher${extname(HERE)}`);

const KILL_EVERY_MS = 5;

/** What is not gone so long after it was killed will not go. */
const HOPELESS_AFTER_MS = 2_000;

/**
 * A command that a watcher process runs. The watcher ends it in time, also when this process is killed or stopped; when
 * the watcher is killed or stopped, this process does.
 */
export class Watched {
  readonly #clock = new SystemClock();
  readonly #watcher: ChildProcess;
  readonly #settle: (outcome: Outcome) => void;
  /** Settles when the command is gone. */
  readonly outcome: Promise<Outcome>;
  #family: Family | undefined;
  #until: Deadline | undefined;
  #wasStopped = false;
  #killedAtMs: number | undefined;
  #isLate = false;
  #isSettled = false;

  /** Starts the watcher, which waits for {@link start}. The command gets the watcher's environment. */
  constructor(environment: NodeJS.ProcessEnv) {
    let settle: (outcome: Outcome) => void = () => undefined;
    this.outcome = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
    this.#watcher = fork(WATCHER, {
      // A session of its own: a signal to this process's group does not reach it.
      detached: true,
      env: environment,
      stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    });
    this.#watcher.on('message', (report: Report) => this.#take(report));
    this.#watcher.on('error', ({ message }) => this.#finish({ kind: 'failed', message, code: undefined }));
    this.#watcher.on('exit', () => this.#unwatched());
  }

  start(order: Omit<Extract<Order, { kind: 'start' }>, 'kind'>): void {
    this.#until = order.until;
    this.#tell({ kind: 'start', ...order });
  }

  /** The command must be gone by then. */
  mayRunUntil(until: Deadline): void {
    this.#until = until;
    this.#tell({ kind: 'until', until });
  }

  /** The command is to end: SIGTERM, and SIGKILL after the time for that. */
  stop(): void {
    this.#tell({ kind: 'stop' });
  }

  signal(signal: NodeJS.Signals): void {
    this.#tell({ kind: 'signal', signal });
  }

  /** Kills the command if its time has been over for `lateMs`: then the watcher hangs. */
  check(lateMs: number): void {
    const isLate = this.#until !== undefined && msUntil(this.#until) <= -lateMs;
    if (!isLate || this.#killedAtMs !== undefined) return;
    this.#isLate = true;
    this.#unwatched();
  }

  /** Ends the watcher, and the command if it runs still. */
  close(): void {
    if (!this.#isSettled) this.#family?.signal('SIGKILL');
    this.#watcher.removeAllListeners();
    this.#watcher.kill('SIGKILL');
    if (this.#watcher.connected) this.#watcher.disconnect();
  }

  #tell(order: Order): void {
    // It may be gone: its exit tells.
    if (this.#watcher.connected) this.#watcher.send(order, () => undefined);
  }

  #take(report: Report): void {
    switch (report.kind) {
      case 'started':
        this.#family = new Family(report.pid);
        return;
      case 'failed':
        this.#finish(report);
        return;
      case 'stopping':
        this.#wasStopped = true;
        return;
      case 'gone':
        this.#finish({ ...report, wasStopped: this.#wasStopped });
    }
  }

  #unwatched(): void {
    if (this.#isSettled) return;
    this.#killedAtMs ??= this.#clock.monotonic();
    this.#family?.signal('SIGKILL');
    if (this.#family === undefined || this.#family.isGone)
      this.#finish({ kind: 'unwatched', isLate: this.#isLate });
    else if (this.#clock.monotonic() - this.#killedAtMs > HOPELESS_AFTER_MS)
      this.#finish({ kind: 'survived' });
    else this.#clock.after(KILL_EVERY_MS, () => this.#unwatched());
  }

  #finish(outcome: Outcome): void {
    this.#isSettled = true;
    this.#settle(outcome);
  }
}
