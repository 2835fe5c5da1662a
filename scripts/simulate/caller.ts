import { type Lock, QuorlockError, type Redlock } from '../../src/index.ts';
import type { Machine } from '../../src/testing/machine.ts';
import type { Rng } from '../../src/testing/rng.ts';
import { ask, downgrade, slotOf, type Wish, wishOf } from './asking.ts';
import type { Mix } from './mix.ts';

/** A lock that was granted, in true milliseconds. Kept up to date while its holder uses it. */
export interface Held {
  readonly holder: string;
  readonly resources: readonly string[];
  /** Whether it is one of the permits of a semaphore. */
  readonly isPermit: boolean;
  /** Whether readers have it together. */
  readonly isShared: boolean;
  /** Which slot of a semaphore it is; undefined: none, or no node has it any more. */
  readonly slot: number | undefined;
  readonly token: number;
  readonly requestedAt: number;
  readonly grantedAt: number;
  /** Until when nobody else may hold it, as far as the holder knows. */
  validUntil: number;
  /** When extensions that came through had been asked for. */
  readonly extensions: number[];
}

/** A call that was over late. */
export interface LateCall {
  readonly caller: string;
  readonly resources: readonly string[];
  readonly waitTime: number;
  /** In true milliseconds, as what follows. */
  readonly requestedAt: number;
  readonly lateMs: number;
  /** The code of its error, or `granted`. */
  readonly outcome: string;
}

/** Where a caller writes down what it got. */
export interface Ledger {
  readonly locks: Held[];
  /** Calls that were over more than {@link IN_TIME_MS} after their waitTime, though their machine ran all the time. */
  readonly late: LateCall[];
  /** How often each machine has stood still. */
  readonly halts: Map<Machine, number>;
  /** Calls for a lock, and those of them that have not ended. */
  calls: number;
  waiting: number;
  readonly failures: Map<string, number>;
  isOver(): boolean;
}

/** A call is over so soon after its waitTime. */
const IN_TIME_MS = 100;

/** How close to the end of its validity a lock is used up. */
const LAST_MOMENT_MS = 0.01;

/** How many write locks become read locks, from 0 to 1. */
const DOWNGRADED = 0.1;

/** One of many that contend. It checks right before it writes down that it still holds the lock. */
export async function contend(
  name: string,
  machine: Machine,
  redlock: Redlock,
  mix: Mix,
  dice: Rng,
  ledger: Ledger,
): Promise<void> {
  const { timeline } = machine.clock;
  const now = () => timeline.nowMs;
  while (!ledger.isOver()) {
    const wish = wishOf(mix, dice);
    const requestedAt = now();
    const halts = ledger.halts.get(machine);
    const over = (outcome: string) => {
      const lateMs = now() - requestedAt - wish.waitTime / machine.clock.rate;
      if (wish.waitTime === 0 || lateMs <= IN_TIME_MS || ledger.halts.get(machine) !== halts) return;
      ledger.late.push({ caller: name, ...wish, requestedAt, lateMs, outcome });
    };
    ledger.calls += 1;
    ledger.waiting += 1;
    try {
      const locks = await ask(redlock, wish, mix, dice);
      over('granted');
      const situation = { name, machine, redlock, dice, ledger, wish, requestedAt, mix, now };
      await Promise.all(locks.map((lock) => hold(lock, situation)));
    } catch (error) {
      if (!(error instanceof QuorlockError)) throw error;
      over(error.code);
      ledger.failures.set(error.code, (ledger.failures.get(error.code) ?? 0) + 1);
      if (error.code === 'QUORLOCK_CLOSED') return;
      // Without a majority there is nothing to be had for long.
      if (error.code === 'QUORLOCK_NO_QUORUM') await machine.sleep(dice.between(1, mix.maxTtl));
    } finally {
      ledger.waiting -= 1;
    }
    if (dice.chance(0.3)) await machine.sleep(dice.between(0, mix.ttl / 10));
  }
}

interface Situation {
  readonly name: string;
  readonly machine: Machine;
  readonly redlock: Redlock;
  readonly dice: Rng;
  readonly ledger: Ledger;
  readonly wish: Wish;
  readonly requestedAt: number;
  readonly mix: Mix;
  now(): number;
}

async function hold(lock: Lock, situation: Situation): Promise<void> {
  const { name, machine, redlock, dice, ledger, wish, requestedAt, mix, now } = situation;
  const { resources, isPermit } = wish;
  const held: Held = {
    holder: name,
    resources,
    isPermit,
    isShared: lock.isShared,
    slot: isPermit ? slotOf(lock, machine.nodes, mix.permits) : undefined,
    token: lock.token,
    requestedAt,
    grantedAt: now(),
    validUntil: now() + remainingMs(lock, machine),
    extensions: [],
  };
  ledger.locks.push(held);
  /** What its clocks say by now is what a holder would act by. */
  const reckon = () => {
    const leftMs = remainingMs(lock, machine);
    if (leftMs > 0) held.validUntil = Math.max(held.validUntil, now() + leftMs);
  };
  const style = dice.chance(mix.extending)
    ? 'extended'
    : dice.weighted([
        [12, 'brief'],
        [mix.usedUp, 'used up'],
        [1, 'abandoned'],
      ]);
  if (style === 'abandoned') return;
  if (style === 'extended') {
    await machine.sleep(lock.remainingValidity() * dice.between(0, 1));
    const askedAt = now();
    if (await isExtended(lock)) held.extensions.push(askedAt);
    reckon();
  } else if (style === 'used up') {
    await machine.sleep(lock.remainingValidity() - LAST_MOMENT_MS);
    reckon();
  } else {
    await machine.sleep(dice.between(0, 2));
  }
  if (style === 'used up' && dice.chance(0.5)) return;
  const askedAt = now();
  held.validUntil = Math.min(held.validUntil, askedAt);
  if (mix.discipline === 'shared' && !lock.isShared && dice.chance(DOWNGRADED)) {
    const reading = await downgrade(redlock, lock);
    if (reading !== null) await hold(reading, { ...situation, requestedAt: askedAt });
  } else {
    await lock.release();
  }
}

/** What is left of a lock in true time: its holder's clocks may run wrong. */
function remainingMs(lock: Lock, machine: Machine): number {
  return lock.remainingValidity() / machine.clock.rate;
}

async function isExtended(lock: Lock): Promise<boolean> {
  try {
    await lock.extend();
    return true;
  } catch (error) {
    if (error instanceof QuorlockError) return false;
    throw error;
  }
}
