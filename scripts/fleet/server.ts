import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RespError, sendCommand } from './resp.ts';

const READY_WITHIN_MS = 20_000;
const PROBE_TIMEOUT_MS = 1_000;
const POLL_EVERY_MS = 10;
const LOG_TAIL_CHARACTERS = 4_000;

interface ServerCommandLine {
  readonly binary: string;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly port: number;
  readonly logFile: string;
}

/** The server did not come to answer; the message ends with what the server itself logged. */
export class ServerStartError extends Error {
  override readonly name = 'ServerStartError';
  /** Another process listens on the port, so that another port may do better. */
  readonly portTaken: boolean;

  constructor(reason: string, log: string, options?: ErrorOptions) {
    super(`${reason}; its log:\n${log.trim() || '(nothing)'}`, options);
    this.portTaken = /address already in use/i.test(log);
  }
}

/** One run of one server process, from spawn to exit. */
export class ServerProcess {
  /** `undefined` if the operating system refused to run it; `ready` then says why. */
  readonly pid: number | undefined;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #commandLine: ServerCommandLine;
  #spawnError: Error | undefined;

  constructor(commandLine: ServerCommandLine) {
    this.#commandLine = commandLine;
    const log = openSync(commandLine.logFile, 'w');
    try {
      this.#child = spawn(commandLine.binary, commandLine.args, {
        // A session of its own: Ctrl-C in a terminal goes to the program that owns the fleet, which then
        // decides what becomes of its servers.
        detached: true,
        env: { ...process.env, ...commandLine.environment },
        stdio: ['ignore', log, log],
      });
    } finally {
      closeSync(log);
    }
    this.pid = this.#child.pid;
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', (error) => {
        this.#spawnError = error;
        if (this.pid === undefined) resolve();
      });
    });
  }

  get running(): boolean {
    const { exitCode, signalCode } = this.#child;
    return this.pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Goes through the child handle, which knows a reaped process, so it can never hit a reused pid. */
  signal(name: NodeJS.Signals): void {
    if (this.running) this.#child.kill(name);
  }

  /** Resolves once `isReady` says so over the server's own port, with this very process behind it. */
  async ready(isReady: (port: number) => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    const { port } = this.#commandLine;
    let lastProblem: unknown;
    while (this.running && performance.now() < deadline) {
      try {
        await this.#ping();
        if (await isReady(port)) return;
      } catch (error) {
        lastProblem = error;
      }
      await Promise.race([sleep(POLL_EVERY_MS), this.exited]);
    }
    const reason = this.running
      ? `the server (pid ${this.pid}) was not ready on 127.0.0.1:${port} within ${READY_WITHIN_MS} ms`
      : `the server ended before it was ready on 127.0.0.1:${port} (${this.#ending()})`;
    throw new ServerStartError(reason, this.#logTail(), { cause: this.#spawnError ?? lastProblem });
  }

  async #ping(): Promise<void> {
    const { port, binary } = this.#commandLine;
    const pong = await sendCommand(port, ['PING'], PROBE_TIMEOUT_MS);
    if (pong !== 'PONG') throw new RespError(`PING was answered with ${JSON.stringify(pong)}`);
    // A process that took the port a moment before us would answer a PING just as well.
    const info = String(await sendCommand(port, ['INFO', 'server'], PROBE_TIMEOUT_MS));
    if (!info.includes(`\r\nprocess_id:${this.pid}\r\n`)) {
      throw new Error(
        `127.0.0.1:${port} is answered by another process than ${binary}: if that is a wrapper script, it must exec the server`,
      );
    }
  }

  #ending(): string {
    if (this.#spawnError !== undefined) return this.#spawnError.message;
    const { exitCode, signalCode } = this.#child;
    return signalCode === null ? `exit code ${exitCode}` : `signal ${signalCode}`;
  }

  #logTail(): string {
    return readFileSync(this.#commandLine.logFile, 'utf8').slice(-LOG_TAIL_CHARACTERS);
  }
}
