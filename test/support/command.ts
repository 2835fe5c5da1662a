import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { eventually } from '../../scripts/fleet/processes.ts';
import { Compiled } from '../../scripts/support/compiled.ts';
import { EXIT } from '../../src/cli/exit.ts';

const PROGRAM = new URL('../../src/cli/main.ts', import.meta.url);
const WATCHER = new URL('../../src/cli/watcher.ts', import.meta.url);

/** How a call of the command ended. */
export interface CommandEnd {
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
}

/** An event that `run --json` tells of. */
export interface RunEvent {
  readonly event: string;
  readonly time: string;
  readonly token?: number;
  readonly goneAt?: string;
  readonly exitCode?: number;
  readonly validUntil?: string;
}

/** How many tests that run it are at work at once. Each mostly waits, but a process begins with a quarter of a second of work. */
export const CALLS_AT_ONCE = 6;

/** The program `quorlock`, compiled once for a test file. */
export class Quorlock implements Disposable {
  readonly #compiled: Compiled;
  readonly #started: RunningCommand[] = [];

  private constructor(compiled: Compiled) {
    this.#compiled = compiled;
  }

  static async make(): Promise<Quorlock> {
    return new Quorlock(await Compiled.make(PROGRAM, { others: [WATCHER] }));
  }

  /** Starts it. What is running at the end of the test file is killed, and what it runs with it. */
  start(nodes: readonly string[], args: readonly string[], options: SpawnOptions = {}): RunningCommand {
    const child = spawn(process.execPath, [this.#compiled.path, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...options,
      env: { ...process.env, QUORLOCK_NODES: nodes.join(','), ...options.env },
    });
    const running = new RunningCommand(child);
    this.#started.push(running);
    return running;
  }

  /** The words that call it, for another program to run. */
  words(args: readonly string[]): readonly string[] {
    return [process.execPath, this.#compiled.path, ...args];
  }

  /** Runs it to its end. */
  run(nodes: readonly string[], args: readonly string[], options: SpawnOptions = {}): Promise<CommandEnd> {
    return this.start(nodes, args, options).ended;
  }

  /** Runs it over nodes of which a majority is well. On a busy machine that may answer too late, and then it is run again. */
  async runWithQuorum(
    nodes: readonly string[],
    args: readonly string[],
    options: SpawnOptions = {},
  ): Promise<CommandEnd> {
    let end = await this.run(nodes, args, options);
    await eventually(
      () => `there is a quorum: ${end.errors}`,
      async () => {
        if (end.exitCode !== EXIT.noQuorum) return true;
        end = await this.run(nodes, args, options);
        return false;
      },
    );
    return end;
  }

  [Symbol.dispose](): void {
    for (const running of this.#started) running.kill();
    this.#compiled[Symbol.dispose]();
  }
}

/** A call of the command that runs. */
export class RunningCommand {
  readonly child: ChildProcess;
  readonly ended: Promise<CommandEnd>;
  output = '';
  errors = '';

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.output += chunk;
    });
    child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.errors += chunk;
    });
    this.ended = once(child, 'close').then(([exitCode, signal]) => ({
      exitCode,
      signal,
      output: this.output,
      errors: this.errors,
    }));
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The events so far, of `run --json`. */
  get events(): readonly RunEvent[] {
    return this.errors
      .split('\n')
      .filter((line) => line.startsWith('{"event"'))
      .map((line) => JSON.parse(line));
  }

  /** Waits for something among what it has printed on stdout, and returns its first group. */
  async printed(pattern: RegExp): Promise<string> {
    await eventually(
      () => `it prints ${pattern}: ${this.output}${this.errors}`,
      () => pattern.test(this.output),
    );
    return pattern.exec(this.output)?.[1] ?? '';
  }

  /** Waits for an event. */
  async told(event: string): Promise<RunEvent> {
    await eventually(`it tells of ${event}`, () => this.events.some((each) => each.event === event));
    const found = this.events.find((each) => each.event === event);
    if (found === undefined) throw new Error(`no event ${event}`);
    return found;
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** SIGKILL, also to one that is stopped. */
  kill(): void {
    this.child.kill('SIGKILL');
  }
}

/** The parent of a process; of a command that `run` has started, the watcher. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}
