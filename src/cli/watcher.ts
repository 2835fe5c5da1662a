// The process that starts the command of `quorlock run`, and ends it: when its time is over, or when `quorlock run` has
// gone. `run` is its parent, and tells it by messages for how long the lock is valid.

import { spawn } from 'node:child_process';
import { SystemClock, type Timer } from '../base/clock.ts';
import { Family } from './family.ts';
import { type Deadline, deadlineIn, type End, msUntil, type Order, type Report } from './orders.ts';
import { withParent } from './programs.ts';

/** The clocks are looked at again this often: a timer may have waited while the host was suspended. */
const LOOK_EVERY_MS = 100;

/** So often what is left of the command is killed again: it may have forked meanwhile. */
const KILL_EVERY_MS = 5;

const clock = new SystemClock();

/** The kernel kills the command with this process, where it can. */
const prefixed = withParent('KILL');

/**
 * A command, and for how long it may run:
 *
 *     idle → running → gone        it ended by itself: what it left in the background is left alone
 *                    → stopping    it got SIGTERM, because the lock nears its end or `run` says so
 *            stopping → gone       all of its processes have ended, by SIGKILL when the time for SIGTERM is over
 */
class Watch {
  readonly #report: (report: Report) => void;
  #until = deadlineIn(0);
  #killAfterMs = 0;
  #family: Family | undefined;
  #end: End | undefined;
  /** When SIGKILL is due; undefined unless stopping. */
  #killAt: Deadline | undefined;
  #timer: Timer | undefined;
  /** Signals that came before the command was started. */
  readonly #early: NodeJS.Signals[] = [];
  /** Whether it is to end, or not to begin. */
  #isUnwanted = false;
  #isOrphaned = false;

  constructor(report: (report: Report) => void) {
    this.#report = report;
  }

  take(order: Order): void {
    switch (order.kind) {
      case 'start':
        this.#until = order.until;
        this.#killAfterMs = order.killAfterMs;
        void prefixed.then((prefix) => this.#start(order, prefix));
        return;
      case 'until':
        this.#until = order.until;
        this.#look();
        return;
      case 'signal':
        if (this.#family === undefined) this.#early.push(order.signal);
        else this.#family.signal(order.signal);
        return;
      case 'stop':
        this.#isUnwanted = true;
        this.#stop();
        this.#look();
    }
  }

  /** `run` is gone, and extends the lock no more. */
  orphaned(): void {
    this.#isOrphaned = true;
    this.#until = deadlineIn(0);
    if (this.#family === undefined) process.exit();
    this.#look();
  }

  #start({ file, args, environment }: Extract<Order, { kind: 'start' }>, prefix: readonly string[]): void {
    if (this.#isOrphaned) return;
    // This process may have been stopped meanwhile.
    if (this.#isUnwanted || msUntil(this.#until) <= this.#killAfterMs) {
      this.#report({ kind: 'stopping' });
      this.#report({ kind: 'gone', atMs: clock.wall(), code: null, signal: null });
      return;
    }
    const [first = file, ...rest] = [...prefix, file, ...args];
    const child = spawn(first, rest, {
      // A group and a session of its own: a signal reaches all that the command starts, and nothing else.
      detached: true,
      stdio: 'inherit',
      env: { ...process.env, ...environment },
    });
    child.on('error', ({ message, code }: NodeJS.ErrnoException) => {
      this.#report({ kind: 'failed', message, code });
    });
    child.on('exit', (code, signal) => {
      this.#end = { code, signal };
      this.#look();
    });
    if (child.pid === undefined) return;
    this.#family = new Family(child.pid);
    this.#report({ kind: 'started', pid: child.pid });
    this.#family.signal(...this.#early);
    this.#look();
  }

  #stop(): void {
    if (this.#family === undefined || this.#killAt !== undefined) return;
    this.#killAt = deadlineIn(this.#killAfterMs);
    this.#report({ kind: 'stopping' });
    // A process that is stopped gets it when it goes on.
    this.#family.signal('SIGTERM', 'SIGCONT');
  }

  #look(): void {
    this.#timer?.cancel();
    if (this.#family === undefined) return;
    if (this.#end !== undefined && (this.#killAt === undefined || this.#family.isGone)) {
      this.#report({ kind: 'gone', atMs: clock.wall(), ...this.#end });
      this.#family = undefined;
      if (this.#isOrphaned) process.exit();
      return;
    }
    if (msUntil(this.#until) <= this.#killAfterMs) this.#stop();
    this.#timer = clock.after(this.#killIfDue(this.#family), () => this.#look());
  }

  /** Returns after how many milliseconds to look again. */
  #killIfDue(family: Family): number {
    const leftMs = msUntil(this.#until);
    if (this.#killAt === undefined) return Math.min(LOOK_EVERY_MS, leftMs - this.#killAfterMs);
    const killInMs = Math.min(leftMs, msUntil(this.#killAt));
    if (killInMs <= 0) family.signal('SIGKILL');
    // Where the command itself has ended, no event tells of the processes that it left.
    return killInMs <= 0 || this.#end !== undefined ? KILL_EVERY_MS : Math.min(LOOK_EVERY_MS, killInMs);
  }
}

const watch = new Watch((report) => {
  // The channel may be closed: then `run` is gone, and needs no report.
  process.send?.(report, () => undefined);
});
process.on('message', (order: Order) => watch.take(order));
process.on('disconnect', () => watch.orphaned());
// What ends all of a service's processes is passed on by `run`. The command needs its watcher to the end.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGTSTP', 'SIGUSR1', 'SIGUSR2']) {
  process.on(signal, () => undefined);
}
