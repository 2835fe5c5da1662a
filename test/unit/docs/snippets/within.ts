import type { Lock, Redlock } from '../../../../src/index.ts';

/** Adds a line. A caller that holds the log already shows its lock. */
export function append(redlock: Redlock, log: string[], line: string, within?: Lock): Promise<number> {
  return redlock.using('log', { within }, () => log.push(line));
}

/** Adds lines under the lock: no other writer comes between them. */
export function appendAll(redlock: Redlock, log: string[], lines: readonly string[]): Promise<void> {
  return redlock.using('log', async (lock) => {
    for (const line of lines) await append(redlock, log, line, lock); // without it this would wait for itself
  });
}
