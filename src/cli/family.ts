import { readdirSync, readFileSync } from 'node:fs';

/** A process that runs, as `/proc/<pid>/stat` tells of it. */
interface Running {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  /** When it was started: with the pid it names one process for good. */
  readonly start: string;
}

/**
 * The processes of a command that leads a process group and a session of its own. On Linux they are the group, and the
 * session, whose jobs may have groups of their own. Descendants that left both belong to them as long as their parents
 * run; one that was seen once stays known when its parent ends. Elsewhere they are the group alone.
 */
export class Family {
  readonly leader: number;
  readonly #known = new Set<string>();

  constructor(leader: number) {
    this.leader = leader;
  }

  /** Sends signals to all of them, the group first. */
  signal(...names: readonly NodeJS.Signals[]): void {
    for (const name of names) send(-this.leader, name);
    for (const { pid, group } of this.#members()) {
      if (group !== this.leader) for (const name of names) send(pid, name);
    }
  }

  /** Whether none of them runs any more. Processes that have ended and were not waited for do not run. */
  get isGone(): boolean {
    if (process.platform === 'linux') return this.#members().length === 0;
    try {
      process.kill(-this.leader, 0);
      return false;
    } catch (error) {
      // EPERM: there is one, of another user.
      return (error as NodeJS.ErrnoException).code === 'ESRCH';
    }
  }

  #members(): readonly Running[] {
    if (process.platform !== 'linux') return [];
    const all = runningProcesses();
    const family = new Set([this.leader]);
    const isOne = ({ pid, parent, group, session, start }: Running) =>
      family.has(pid) ||
      family.has(parent) ||
      group === this.leader ||
      session === this.leader ||
      this.#known.has(`${pid} ${start}`);
    // Pids do not tell which process is whose parent: looks again until none is added.
    for (let before = 0; before !== family.size; ) {
      before = family.size;
      for (const each of all) if (isOne(each)) family.add(each.pid);
    }
    const members = all.filter(({ pid }) => family.has(pid));
    for (const { pid, start } of members) this.#known.add(`${pid} ${start}`);
    return members;
  }
}

function send(target: number, name: NodeJS.Signals): void {
  try {
    process.kill(target, name);
  } catch {
    // It has ended, or belongs to another user: isGone tells.
  }
}

function runningProcesses(): readonly Running[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
        // The command's name stands in parentheses and may have anything in it.
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const [state, parent, group, session] = fields;
        if (state === 'Z' || state === 'X') return [];
        return [
          {
            pid: Number(pid),
            parent: Number(parent),
            group: Number(group),
            session: Number(session),
            start: fields[19] ?? '',
          },
        ];
      } catch {
        // It ended meanwhile.
        return [];
      }
    });
}
