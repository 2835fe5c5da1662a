import { type Lock, LockLostError, NoQuorumError, QuorlockError, type Redlock } from '../../../src/index.ts';
import type { Rng } from '../../../src/testing/rng.ts';
import { nap } from '../../support/time.ts';
import type { Use, WorkerEvent } from '../log.ts';
import { LICENCES, PERMITS, READ_OFTEN } from '../terms.ts';
import { Attempt } from './attempt.ts';

interface Surroundings {
  readonly dice: Rng;
  readonly ttl: number;
  readonly note: (event: WorkerEvent) => void;
}

/** Reads, writes and has permits by turns, on resources that only the likes of it want. */
export async function share(
  name: string,
  redlock: Redlock,
  surroundings: Surroundings,
  stop: AbortSignal,
): Promise<void> {
  const { dice, note } = surroundings;
  while (!stop.aborted) {
    const use = dice.weighted<Use>([
      [4, 'read'],
      [2, 'alone'],
      [4, 'permit'],
    ]);
    const waitTime = dice.chance(0.5) ? 0 : Math.round(dice.between(500, 4_000));
    const attempt = new Attempt(note, {
      caller: name,
      resources: [use === 'permit' ? LICENCES : READ_OFTEN],
      way: waitTime === 0 ? 'try' : 'wait',
      use,
      waitTime,
    });
    try {
      const lock = await ask(redlock, use, { waitTime, signal: stop });
      await hold(attempt, lock, surroundings, stop);
    } catch (error) {
      const isAbort = stop.aborted && error === stop.reason;
      if (!isAbort && !(error instanceof QuorlockError)) throw error;
      const code = error instanceof QuorlockError ? error.code : 'aborted';
      if (attempt.wasGranted) attempt.lost(code);
      else attempt.refused(code, error instanceof NoQuorumError ? error.message : undefined);
      if (error instanceof NoQuorumError) await nap(dice.between(20, 80), stop);
    }
    await nap(dice.between(5, 60), stop);
  }
}

function ask(
  redlock: Redlock,
  use: Use,
  options: { readonly waitTime: number; readonly signal: AbortSignal },
): Promise<Lock> {
  if (use === 'permit') return redlock.semaphore(LICENCES, PERMITS).acquire(options);
  const lock = redlock.readWrite(READ_OFTEN);
  return use === 'read' ? lock.acquireRead(options) : lock.acquireWrite(options);
}

async function hold(
  attempt: Attempt,
  lock: Lock,
  { dice, ttl }: Surroundings,
  stop: AbortSignal,
): Promise<void> {
  attempt.granted(lock);
  let isLost = false;
  try {
    const steps = dice.integer(1, 3);
    for (let step = 0; step < steps && !stop.aborted; step += 1) {
      await nap(dice.between(2, ttl / 10), lock.signal);
      attempt.act();
      if (dice.chance(0.2)) await extend(attempt, lock);
    }
  } catch (error) {
    isLost = error instanceof LockLostError;
    throw error;
  } finally {
    attempt.done();
    const { freed } = await lock.release();
    if (!isLost) attempt.released(freed);
  }
}

async function extend(attempt: Attempt, lock: Lock): Promise<void> {
  try {
    await lock.extend();
    attempt.extended();
  } catch (error) {
    if (!(error instanceof QuorlockError)) throw error;
    // The lock keeps the validity it had, and the next check tells whether that is enough.
    attempt.notExtended(error.code);
  }
}
