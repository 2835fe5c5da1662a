import {
  type Lock,
  LockLostError,
  LockReleasedError,
  QuorlockError,
  type Semaphore,
} from '../../../../src/index.ts';
import type { Rng } from '../../../../src/testing/rng.ts';
import type { Simulation } from '../../../../src/testing/simulation.ts';
import type { Entry, Ledger } from './ledger.ts';
import type { Program } from './program.ts';
import { MAX_TTL, type Terms, TTL } from './terms.ts';

/** One of many callers of a program. */
export interface Caller {
  readonly simulation: Simulation;
  readonly program: Program;
  readonly name: string;
  readonly terms: Terms;
  readonly rng: Rng;
  readonly ledger: Ledger;
}

/** What a call that was given up rejects with. */
const LEFT = new Error('left');

/** What callers want where most want permits. */
const PERMITS = ['permit', 'permit', 'permit', 'using a permit'] as const;

/** What callers want. */
type Wish = 'a' | 'b' | 'both' | 'read' | 'write' | 'permit' | 'using' | 'using a permit';

/** Asks for one lock after the other, uses it, and gives it back, until the run is over. */
export async function contend(caller: Caller): Promise<void> {
  const { simulation, program, name, terms, rng, ledger } = caller;
  for (let count = 1; simulation.nowMs < terms.lastsMs; count += 1) {
    try {
      await callOnce(caller, `${name}, call ${count},`);
    } catch (error) {
      if (error !== LEFT && !(error instanceof QuorlockError)) ledger.fault(`${name} heard ${error}`);
      if (error instanceof QuorlockError && error.code === 'QUORLOCK_CLOSED') return;
      if (error instanceof QuorlockError && error.code === 'QUORLOCK_NO_QUORUM')
        await program.machine.sleep(20);
    }
    await program.machine.sleep(rng.chance(0.5) ? 0 : rng.between(0, 5));
  }
}

async function callOnce(caller: Caller, who: string): Promise<void> {
  const { simulation, program, terms, rng, ledger } = caller;
  const wish = rng.chance(terms.hot)
    ? rng.pick<Wish>(terms.wantsPermits ? PERMITS : ['a', 'a', 'a', 'using'])
    : rng.pick<Wish>(['b', 'both', 'read', 'read', 'write', 'permit']);
  const waitTime = rng.pick([0, 0, 5, 30, 600, 3_000, 3_000]);
  const ttl = rng.pick(terms.ttls);
  const askedAt = simulation.nowMs;
  const leaving = new AbortController();
  if (rng.chance(0.2)) {
    void program.machine.sleep(rng.between(0, rng.pick([1, 50]))).then(() => leaving.abort(LEFT));
  }
  const options = { ttl, waitTime, ...(rng.chance(0.5) ? { signal: leaving.signal } : {}) };
  const isPermit = wish === 'permit' || wish === 'using a permit';
  const granted = (lock: Lock) => ledger.granted({ program, who, lock, isPermit, askedAt });
  const semaphore = program.redlock.semaphore('s', rng.pick(terms.permits));
  if (wish === 'using' || wish === 'using a permit') {
    await run(caller, options, granted, isPermit ? semaphore : undefined);
    return;
  }
  const lock = await ledger.timed({ program, who, waitTime }, () => {
    const { redlock } = program;
    switch (wish) {
      case 'read':
        return redlock.readWrite('b').acquireRead(options);
      case 'write':
        return redlock.readWrite('b').acquireWrite(options);
      case 'permit':
        return waitTime === 0 && rng.chance(0.5) ? semaphore.tryAcquire({ ttl }) : semaphore.acquire(options);
      default: {
        const resources = wish === 'both' ? ['a', 'b'] : wish;
        return waitTime === 0 && rng.chance(0.5)
          ? redlock.tryAcquire(resources, { ttl })
          : redlock.acquire(resources, options);
      }
    }
  });
  if (lock !== null) await hold(caller, granted(lock), wish === 'write');
}

/** A routine, which a keeper keeps the lock for. */
async function run(
  { program, rng, ledger, terms }: Caller,
  options: { readonly ttl: number; readonly waitTime: number },
  granted: (lock: Lock) => Entry,
  semaphore: Semaphore | undefined,
): Promise<void> {
  let entry: Entry | undefined;
  const maxHold = rng.pick([20, 1_000]);
  const durationMs = rng.pick([0, 1, 5, 60, terms.weather === 'quiet' ? 5 : 250]);
  const routine = async (lock: Lock) => {
    entry = granted(lock);
    await program.machine.sleep(durationMs);
    ledger.checkHeld(entry);
    if (rng.chance(0.2)) ledger.released(entry, lock.release());
    entry.releasedAt ??= program.machine.clock.timeline.nowMs;
  };
  const used = { ...options, maxHold };
  await (semaphore?.using(used, routine) ?? program.redlock.using('a', used, routine));
}

/** What a caller does with a lock. */
const STYLES = [
  [30, 'brief'],
  [3, 'extended'],
  [3, 'racing'],
  [3, 'listening'],
  [1, 'long'],
  [1, 'to the end'],
  [1, 'forgotten'],
] as const;

async function hold(caller: Caller, entry: Entry, mayDowngrade: boolean): Promise<void> {
  const { program, rng, ledger, terms } = caller;
  const { lock } = entry;
  const { machine } = program;
  const style = rng.weighted(STYLES);
  if (style === 'listening') lock.signal.addEventListener('abort', () => void lock.release());
  if (style === 'extended') {
    await machine.sleep(rng.between(0, 20));
    await tried(lock.extend(rng.pick([TTL / 2, TTL, 2 * TTL])));
  } else if (style === 'long') {
    await machine.sleep(rng.between(80, 130));
  } else if (style === 'to the end') {
    await machine.sleep(lock.remainingValidity() + rng.pick([-0.01, 0, 0.01]));
  } else {
    await machine.sleep(rng.between(0, rng.pick([0, terms.briefMs])));
  }
  ledger.checkHeld(entry);
  if (style === 'forgotten' && terms.weather !== 'quiet') return;
  if (style === 'racing') void tried(lock.extend(rng.pick([TTL, 2 * TTL])));
  if (mayDowngrade && rng.chance(0.3)) {
    await downgrade(caller, entry);
    return;
  }
  const report = lock.release();
  ledger.released(entry, report);
  if (rng.chance(0.3)) await machine.sleep(rng.between(0, 3));
  if (rng.chance(0.5)) await poke(caller, entry);
  if (rng.chance(0.5)) await report;
}

async function downgrade(caller: Caller, entry: Entry): Promise<void> {
  const { program, ledger } = caller;
  const { nowMs } = caller.simulation;
  if (entry.lock.remainingValidity() <= 0) return;
  entry.releasedAt = nowMs;
  const lock = await program.redlock.readWrite('b').downgrade(entry.lock, { ttl: TTL });
  const reading = ledger.granted({ ...entry, lock, askedAt: nowMs });
  await hold(caller, reading, false);
}

/** A handle that is over changes nothing. */
async function poke({ ledger }: Caller, { lock, who }: Entry): Promise<void> {
  const error = await tried(lock.extend(MAX_TTL));
  if (!(error instanceof LockReleasedError) && !(error instanceof LockLostError)) {
    ledger.fault(`${who} has released, and extended: ${error}`);
  }
}

/** What a promise was rejected with; undefined: it was not. */
async function tried(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
    return undefined;
  } catch (error) {
    return error;
  }
}
