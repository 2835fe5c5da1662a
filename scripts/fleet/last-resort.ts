import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';

const SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const cleanups = new Set<() => void>();

/**
 * Has `clean` called, synchronously, when this process exits or is about to die of a signal. Returns the way
 * to take that back. A SIGKILL leaves no time for any of this: that is the watchdog's part.
 */
export function onProcessEnd(clean: () => void): () => void {
  if (cleanups.size === 0) {
    process.on('exit', cleanAll);
    // First in line, to count the other listeners before a `once` among them has taken itself off.
    for (const signal of SIGNALS) process.prependListener(signal, onSignal);
  }
  cleanups.add(clean);
  return () => {
    cleanups.delete(clean);
    if (cleanups.size === 0) stopListening();
  };
}

function stopListening(): void {
  process.off('exit', cleanAll);
  for (const signal of SIGNALS) process.off(signal, onSignal);
}

function cleanAll(): void {
  for (const clean of cleanups) clean();
  cleanups.clear();
}

function onSignal(signal: NodeJS.Signals): void {
  // Another listener handles it and may want to stop the fleet in good order; 'exit' still comes after that.
  if (process.listenerCount(signal) > 1) return;
  cleanAll();
  stopListening();
  process.kill(process.pid, signal);
}

/**
 * Reads "watch PID" and "forget PID" until told to dismiss. End of input without that word means the fleet's
 * process is gone, however it went, and what it watched over must go too.
 */
const WATCHDOG_SCRIPT = `
trap '' HUP INT TERM
pids=' '
while read -r verb pid; do
  case $verb in
    watch) pids="$pids$pid " ;;
    forget) case $pids in *" $pid "*) pids="\${pids%% "$pid" *} \${pids#* "$pid" }" ;; esac ;;
    dismiss) exit 0 ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done
rm -rf -- "$1" || rm -rf -- "$1"
`;

/**
 * A small shell process that outlives its parent's SIGKILL: the pipe between the two then closes, and it
 * kills the pids it watches and removes `directory`.
 */
export class Watchdog {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  constructor(directory: string) {
    this.#child = spawn('/bin/sh', ['-c', WATCHDOG_SCRIPT, 'fleet-watchdog', directory], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#exited = once(this.#child, 'exit').catch(() => undefined);
    // It is a last resort: a program must neither stay alive for it nor fail because of it.
    this.#child.on('error', () => undefined);
    this.#child.stdin?.on('error', () => undefined);
    this.#child.unref();
    if (this.#child.stdin instanceof Socket) this.#child.stdin.unref();
  }

  /** Returns the way to take it back, for when the process has ended and its pid may be given to another. */
  watch(pid: number | undefined): () => void {
    if (pid === undefined) return () => undefined;
    this.#tell(`watch ${pid}`);
    return () => this.#tell(`forget ${pid}`);
  }

  /** For when its work has been done already and there is no time to tell it so. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async dismiss(): Promise<void> {
    this.#child.ref();
    this.#tell('dismiss');
    await this.#exited;
  }

  #tell(line: string): void {
    if (this.#child.stdin?.writable) this.#child.stdin.write(`${line}\n`);
  }
}
