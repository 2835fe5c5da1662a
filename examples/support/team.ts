import { type ChildProcess, fork } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onProcessEnd, Watchdog } from '../../scripts/fleet/last-resort.ts';

/** What a member sends: the result of a task, why it failed, or a word in between. */
export type FromMember =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly word: string };

/**
 * Processes that run the same program, each of which does the tasks that it is given: see `serve`. They are gone with
 * this process, however it ends, also those that are stopped and can't notice.
 */
export class Team<Task, Result> implements AsyncDisposable {
  readonly members: readonly Member<Task, Result>[];
  readonly #directory = mkdtempSync(join(tmpdir(), 'quorlock-team-'));
  readonly #watchdog = new Watchdog(this.#directory);
  readonly #disarm: () => void;

  private constructor(program: URL, size: number) {
    this.members = Array.from({ length: size }, () => new Member<Task, Result>(program, this.#watchdog));
    this.#disarm = onProcessEnd(() => {
      this.#kill();
      rmSync(this.#directory, { recursive: true, force: true });
      this.#watchdog.kill();
    });
  }

  /** Resolves when every process is ready for tasks. */
  static async start<Task, Result>(program: URL, size: number): Promise<Team<Task, Result>> {
    const team = new Team<Task, Result>(program, size);
    try {
      await Promise.all(team.members.map((member) => member.heard('ready')));
    } catch (error) {
      await team[Symbol.asyncDispose]();
      throw error;
    }
    return team;
  }

  /** Gives every member the same task, all at once. */
  all(task: Task): Promise<Result[]> {
    return Promise.all(this.members.map((member) => member.do(task)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#kill();
    await Promise.all(this.members.map((member) => member.gone));
    rmSync(this.#directory, { recursive: true, force: true });
    await this.#watchdog.dismiss();
    this.#disarm();
  }

  #kill(): void {
    for (const member of this.members) member.kill();
  }
}

/** One process of a team. */
export class Member<Task, Result> {
  /** Resolves when the process has ended, of itself or killed. */
  readonly gone: Promise<unknown>;
  readonly #child: ChildProcess;
  readonly #events = new EventEmitter();
  readonly #words = new Set<string>();
  #tasks = 0;

  constructor(program: URL, watchdog: Watchdog) {
    this.#child = fork(fileURLToPath(program));
    const unwatch = watchdog.watch(this.#child.pid);
    this.gone = once(this.#child, 'exit');
    this.#child.on('message', (message: FromMember) => {
      if ('word' in message) this.#words.add(message.word);
      this.#events.emit('word' in message ? message.word : `task ${message.id}`, message);
    });
    void this.gone.then(() => {
      unwatch();
      this.#events.emit('gone');
    });
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Rejects when the task fails there, or when the process ends before it is done. */
  async do(task: Task): Promise<Result> {
    const id = ++this.#tasks;
    this.#child.send({ id, task });
    const answer = await this.#next(`task ${id}`);
    if ('error' in answer) throw new Error(answer.error);
    return ('result' in answer ? answer.result : undefined) as Result;
  }

  /** Resolves when the member has said this word, once for every time that it said it. */
  async heard(word: string): Promise<void> {
    if (!this.#words.has(word)) await this.#next(word);
    this.#words.delete(word);
  }

  /** SIGCONT, for a process that has stopped itself. */
  resume(): void {
    this.#child.kill('SIGCONT');
  }

  /** SIGKILL. */
  kill(): void {
    this.#child.kill('SIGKILL');
  }

  async #next(event: string): Promise<FromMember> {
    const settled = new AbortController();
    const { signal } = settled;
    try {
      const gone = once(this.#events, 'gone', { signal }).then(() => {
        throw new Error(`the process ended before "${event}"`);
      });
      const [message] = await Promise.race([once(this.#events, event, { signal }), gone]);
      return message as FromMember;
    } finally {
      settled.abort();
    }
  }
}
