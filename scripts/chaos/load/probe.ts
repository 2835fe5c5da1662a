import { QuorlockError, type Redlock } from '../../../src/index.ts';
import { nap } from '../../support/time.ts';
import type { WorkerEvent } from '../log.ts';
import { Attempt } from './attempt.ts';

const EVERY_MS = 100;

/** Takes a lock that nobody else wants, again and again: whatever it does not get is for want of nodes. */
export async function probe(
  name: string,
  redlock: Redlock,
  note: (event: WorkerEvent) => void,
  stop: AbortSignal,
): Promise<void> {
  const resources = [`probe of ${name}`];
  while (!stop.aborted) {
    const attempt = new Attempt(note, { caller: name, resources, way: 'probe', waitTime: 0 });
    try {
      const lock = await redlock.tryAcquire(resources);
      if (lock === null) {
        attempt.refused('QUORLOCK_HELD');
      } else {
        attempt.granted(lock);
        attempt.done();
        const { freed } = await lock.release();
        attempt.released(freed);
      }
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      attempt.refused(error.code, error.message);
    }
    await nap(EVERY_MS, stop);
  }
}
