import { join } from 'node:path';
import type { Watchdog } from '../../fleet/last-resort.ts';
import { WorkerProcess } from '../../fleet/worker-process.ts';
import { seedAfter } from '../../support/seeds.ts';
import { now } from '../../support/time.ts';
import type { Assignment, FromWorker, ToWorker } from './load.ts';

const NAMES = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];

/** What every worker is given. */
export type Task = Omit<Assignment, 'name' | 'seed' | 'logFile'>;

/** A worker process at one place of the crew. Another takes its place when it was killed. */
interface Member {
  readonly name: string;
  readonly process: WorkerProcess<ToWorker, FromWorker>;
  readonly ready: Promise<unknown>;
}

type Role = 'holder' | 'waiter';

/** A process that was caught, and stands still. */
interface Victim {
  readonly name: string;
  goOn(): void;
  /** SIGKILL; another process takes its place. */
  kill(): Promise<void>;
}

/** A caller that waits for a process that plays a role. */
interface Hunt {
  readonly who: Role;
  readonly isToDie: boolean;
  readonly caught: (member: Member) => void;
}

/** The processes that put the load on a fleet. They load while the fleet starts, and then begin together. */
export class Crew implements AsyncDisposable {
  /** What kept workers from going as they should. */
  readonly problems: string[] = [];
  readonly #directory: string;
  readonly #seed: number;
  readonly #program: string;
  readonly #watchdog: Watchdog;
  readonly #members: Member[];
  readonly #logs = new Map<string, string>();
  #task: Task | undefined;
  readonly #hunts = new Set<Hunt>();
  #grants = 0;
  readonly #holders = new Map<string, number>();

  /**
   * @param program worker.ts, compiled: workers that are killed must be replaced soon
   * @param directory where the workers write their logs
   */
  constructor(size: number, program: string, directory: string, seed: number, watchdog: Watchdog) {
    this.#program = program;
    this.#directory = directory;
    this.#seed = seed;
    this.#watchdog = watchdog;
    this.#members = NAMES.slice(0, size).map((name) => this.#hire(name));
  }

  /** The places of the crew; a worker's log is kept under its name and its number at that place. */
  get names(): readonly string[] {
    return this.#members.map(({ name }) => name);
  }

  /** Where each worker that ever was has its log, by name. */
  get logs(): ReadonlyMap<string, string> {
    return this.#logs;
  }

  get grants(): number {
    return this.#grants;
  }

  /** Who has a lock, and since when. Messages of two workers may cross, so that two may show for a moment. */
  get holders(): ReadonlyMap<string, number> {
    return this.#holders;
  }

  /** Resolves when all have begun. */
  async start(task: Task): Promise<void> {
    await Promise.all(this.#members.map(({ ready }) => ready));
    this.#task = task;
    for (const member of this.#members) this.#assign(member);
  }

  /**
   * The next process that is about to write under a lock, or that begins to wait; undefined if the signal aborts first.
   *
   * @param isToDie whether it is to be killed: the first of the crew never is, so that one process is always there
   */
  next(who: Role, isToDie: boolean, stop: AbortSignal): Promise<Victim | undefined> {
    return new Promise((resolve) => {
      const hunt: Hunt = { who, isToDie, caught: (member) => settle(this.#victim(member)) };
      const giveUp = () => settle(undefined);
      const settle = (victim: Victim | undefined) => {
        this.#hunts.delete(hunt);
        stop.removeEventListener('abort', giveUp);
        resolve(victim);
      };
      this.#hunts.add(hunt);
      stop.addEventListener('abort', giveUp, { once: true });
      if (stop.aborted) giveUp();
    });
  }

  /** Has all of them end in good order. */
  async finish(): Promise<void> {
    await Promise.all(
      this.#members.map(async ({ process, ready }) => {
        try {
          await ready;
          process.goOn();
          process.tell({ kind: 'finish' });
          this.problems.push(...(await process.expect('finished')).problems);
        } catch (error) {
          this.problems.push(String(error));
        }
      }),
    );
  }

  /** For the end of the program: at once. */
  killAll(): void {
    for (const { process } of this.#members) process.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => process.end()));
  }

  #hire(name: string): Member {
    const process = new WorkerProcess<ToWorker, FromWorker>({
      program: this.#program,
      watchdog: this.#watchdog,
      execArgv: ['--expose-gc'],
      heard: (message) => {
        if (message.kind === 'granted') {
          this.#grants += 1;
          this.#holders.set(message.caller, now());
        } else if (message.kind === 'done') this.#holders.delete(message.caller);
        else if (message.kind === 'writing') this.#seen('holder', member);
        else if (message.kind === 'waiting') this.#seen('waiter', member);
      },
    });
    const ready = process.expect('loaded');
    // The one that starts it hears of it.
    ready.catch(() => undefined);
    const member: Member = { name, process, ready };
    return member;
  }

  #assign({ name, process }: Member): void {
    if (this.#task === undefined) return;
    const index = this.#logs.size;
    const logFile = join(this.#directory, `${name}-${index}.log`);
    this.#logs.set(`${name}#${index}`, logFile);
    const seed = seedAfter(this.#seed, index + 1);
    process.tell({ kind: 'start', assignment: { ...this.#task, name, seed, logFile } });
  }

  /** The one that waits for such a process gets it at once: what it is about to do takes a few milliseconds. */
  #seen(who: Role, member: Member): void {
    if (member.process.isStopped || !this.#members.includes(member)) return;
    for (const hunt of this.#hunts) {
      if (hunt.who !== who || (hunt.isToDie && member === this.#members[0])) continue;
      hunt.caught(member);
      return;
    }
  }

  #victim(member: Member): Victim {
    const { name, process } = member;
    // It must not go on while the one that waits for it comes to know.
    process.stop();
    return {
      name,
      goOn: () => process.goOn(),
      kill: () => this.#replace(member),
    };
  }

  /** SIGKILL; a new process takes the place. */
  async #replace(member: Member): Promise<void> {
    await member.process.end();
    const successor = this.#hire(member.name);
    this.#members[this.#members.indexOf(member)] = successor;
    successor.ready.then(
      () => this.#assign(successor),
      (error: unknown) => this.problems.push(String(error)),
    );
  }
}
