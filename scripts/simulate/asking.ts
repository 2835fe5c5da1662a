import { type Lock, LockHeldError, QuorlockError, type Redlock } from '../../src/index.ts';
import { slotKeyOf } from '../../src/quorum/fencing-token.ts';
import type { Rng } from '../../src/testing/rng.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';
import type { Mix } from './mix.ts';

/** What a call is for, and how long it may take. */
export interface Wish {
  readonly resources: readonly string[];
  readonly isPermit: boolean;
  readonly ttl: number;
  /** In milliseconds of the machine's clocks; 0: it does not wait. */
  readonly waitTime: number;
}

/** Draws what a call wants. */
export function wishOf(mix: Mix, dice: Rng): Wish {
  const resource = dice.chance(mix.hot) ? 'r1' : `r${dice.integer(1, mix.resources)}`;
  const ttl = Math.round(mix.ttl * dice.between(mix.shortest, 1));
  const waitTime = dice.chance(mix.waiting) ? dice.between(0, 4 * ttl) : 0;
  const isPermit = mix.discipline === 'permits' || (mix.discipline === 'sets' && dice.chance(mix.permitted));
  const others =
    mix.discipline === 'sets' && !isPermit
      ? Array.from({ length: dice.integer(0, mix.together - 1) }, () => `r${dice.integer(1, mix.resources)}`)
      : [];
  return { resources: [...new Set([resource, ...others])], isPermit, ttl, waitTime };
}

/** Asks for a lock of the kind that the resources of this run have. None if another caller has it. */
export async function ask(redlock: Redlock, wish: Wish, mix: Mix, dice: Rng): Promise<readonly Lock[]> {
  const { resources, isPermit, ttl, waitTime } = wish;
  const [resource = ''] = resources;
  if (mix.discipline === 'shared') {
    const lock = redlock.readWrite(resource);
    if (dice.chance(mix.reading)) return unlessHeld(lock.acquireRead({ ttl, waitTime }));
    // A caller that knows nothing of readers.
    if (dice.chance(0.3)) return one(await redlock.tryAcquire(resource, { ttl }));
    return unlessHeld(lock.acquireWrite({ ttl, waitTime }));
  }
  if (isPermit) {
    const semaphore = redlock.semaphore(resource, mix.permits);
    if (waitTime === 0) return one(await semaphore.tryAcquire({ ttl }));
    return [await semaphore.acquire({ ttl, waitTime })];
  }
  if (waitTime === 0) return one(await redlock.tryAcquire(resources, { ttl }));
  return [await redlock.acquire(resources, { ttl, waitTime })];
}

/** A read lock in the place of a write lock; null if it was lost on the way. */
export async function downgrade(redlock: Redlock, lock: Lock): Promise<Lock | null> {
  try {
    return await redlock.readWrite(lock.resources[0] ?? '').downgrade(lock);
  } catch (error) {
    if (error instanceof QuorlockError) return null;
    throw error;
  }
}

/** The slot that a permit is, as any node has it; undefined if none has. */
export function slotOf(
  { value, resources: [resource = ''] }: Lock,
  nodes: readonly SimulatedServer[],
  permits: number,
): number | undefined {
  for (let slot = 0; slot < permits; slot += 1) {
    const key = slotKeyOf(`lock:${resource}`, slot);
    if (nodes.some(({ store }) => store.get(key) === value)) return slot;
  }
  return undefined;
}

function one(lock: Lock | null): readonly Lock[] {
  return lock === null ? [] : [lock];
}

async function unlessHeld(acquiring: Promise<Lock>): Promise<readonly Lock[]> {
  try {
    return [await acquiring];
  } catch (error) {
    if (error instanceof LockHeldError) return [];
    throw error;
  }
}
