import type { Lock, Redlock } from 'quorlock';

/** Several permits of one semaphore. */
export interface Several {
  readonly semaphore: string;
  /** How many permits the semaphore has. */
  readonly permits: number;
  /** How many of them the routine needs. */
  readonly count: number;
  /** How long each of them lives without an extension, in milliseconds. */
  readonly ttl?: number;
  /** Ends the wait for them: `AbortSignal.timeout(30_000)`, for one. */
  readonly signal?: AbortSignal;
}

/**
 * Runs a routine under several permits: all or none. The permits come one by one, and those that have come are kept
 * meanwhile. The signal aborts as soon as one of them is lost, and so does the wait for the others.
 */
export async function underPermits<Result>(
  redlock: Redlock,
  { semaphore, permits, count, ttl, signal }: Several,
  routine: (held: readonly Lock[], signal: AbortSignal) => Result | PromiseLike<Result>,
): Promise<Result> {
  if (!(count >= 1 && count <= permits)) {
    throw new RangeError(`count must be from 1 to the semaphore's permits (${permits}): got ${count}`);
  }
  const all = redlock.semaphore(semaphore, permits);
  const own = signal === undefined ? [] : [signal];
  const collect = async (gate: Lock, held: readonly Lock[]): Promise<Result> => {
    const lost = AbortSignal.any(held.map((permit) => permit.signal));
    if (held.length === count) {
      await gate.release();
      return routine(held, lost);
    }
    const terms = { ttl, waitTime: Number.POSITIVE_INFINITY, signal: AbortSignal.any([...own, lost]) };
    return all.using(terms, (permit) => collect(gate, [...held, permit]));
  };
  // One caller at a time collects: two that did would wait for each other's permits.
  const waiting = { ttl, waitTime: Number.POSITIVE_INFINITY, signal };
  return redlock.using(`${semaphore}:several`, waiting, (gate) => collect(gate, []));
}
