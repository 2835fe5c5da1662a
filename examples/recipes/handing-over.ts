import { type Lock, type LockJSON, LockLostError, type Redlock } from 'quorlock';

/** A job, as the queue carries it: plain data. */
export interface Job {
  readonly order: string;
  /** The lock on the order, which has been handed over to the worker. */
  readonly lock: LockJSON;
}

/** Any queue: BullMQ, a stream, a broker. */
export interface Jobs {
  add(job: Job): Promise<unknown>;
}

/**
 * Locks an order, looks at it under the lock, and hands the lock over to the worker that does the rest. The caller learns
 * at once if other work on the order is under way.
 *
 * @throws {LockHeldError} another request or worker has the order
 */
export async function submit(
  redlock: Redlock,
  jobs: Jobs,
  order: string,
  check: (lock: Lock) => Promise<void>,
): Promise<void> {
  // The ttl bounds how long the job may be in the queue.
  const lock = await redlock.acquire(`order:${order}`, { ttl: 30_000, waitTime: 0 });
  try {
    await check(lock);
    // From here on this process has the lock no more. If the queue fails, the lock ends with its ttl.
    await jobs.add({ order, lock: lock.handOver() });
  } finally {
    // Of a lock that was handed over this releases nothing.
    await lock.release();
  }
}

/**
 * Does a job under the lock that came with it, which is extended as long as the routine runs. A job that was in the queue
 * for too long, or that the queue delivers once more, has no lock left: it gets a new one, `isNew`, and the routine has to
 * look at the order again.
 */
export async function perform(
  redlock: Redlock,
  job: Job,
  routine: (lock: Lock, isNew: boolean) => Promise<void>,
): Promise<void> {
  const { lock, isNew } = await lockFor(redlock, job);
  await redlock.using(lock, () => routine(lock, isNew));
}

async function lockFor(
  redlock: Redlock,
  job: Job,
): Promise<{ readonly lock: Lock; readonly isNew: boolean }> {
  try {
    return { lock: await redlock.adopt(job.lock), isNew: false };
  } catch (error) {
    if (!(error instanceof LockLostError)) throw error;
    return { lock: await redlock.acquire(`order:${job.order}`), isNew: true };
  }
}
