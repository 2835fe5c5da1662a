import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Whether a process still does anything; one that has ended and only waits to be reaped does not. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return !isZombie(pid);
}

/** Polls until `condition` holds; rejects, naming `what` as it is then, when it does not within the bound. */
export async function eventually(
  what: string | (() => string),
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  // Long, for a machine that runs everything at once: only what never comes to be takes it all.
  const withinMs = 90_000;
  const deadline = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > deadline) {
      throw new Error(`still not so after ${withinMs} ms: ${typeof what === 'string' ? what : what()}`);
    }
    await sleep(10);
  }
}

/** Processes that live in a temporary directory's environment; empty where there is no /proc to tell. */
export function processesWith(temporary: string): readonly string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/environ`, 'utf8').split('\0').includes(`TMPDIR=${temporary}`);
    } catch {
      // It has ended meanwhile, or is another process's.
      return false;
    }
  });
}

function isZombie(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The state follows the command's name, which stands in parentheses and may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z');
  } catch {
    return false;
  }
}
