import type { Redis } from 'ioredis';
import type { Redlock } from 'quorlock';
import { redisGuard } from 'quorlock/fencing';

export interface Job {
  readonly name: string;
  /** How often it runs, in milliseconds. */
  readonly every: number;
  /** Its work. The token is for what it writes; the signal aborts if the lock is lost. */
  run(token: number, signal: AbortSignal): Promise<void>;
}

/**
 * To be called on every machine when the job is due by its own clock. One of them runs it; the others wait, and see
 * that it has been done, or do it if the first one failed. Resolves with whether this one ran it.
 */
export function runOnce(redlock: Redlock, store: Redis, job: Job, now = Date.now()): Promise<boolean> {
  const guard = redisGuard(store);
  const key = `cron:${job.name}`;
  // The number of this run: the same on all machines, unless their clocks are half a period apart.
  const run = Math.round(now / job.every);
  return redlock.using(key, { waitTime: job.every }, async ({ token, signal }) => {
    const last = Number(await guard.read(key, token));
    if (last >= run) return false;
    await job.run(token, signal);
    signal.throwIfAborted();
    await guard.write(key, token, String(run));
    return true;
  });
}
