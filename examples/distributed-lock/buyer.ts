// A process of buyers, for main.ts.
import { Redis } from 'ioredis';
import { StaleTokenError } from 'quorlock/fencing';
import { openRedlock } from '../support/masters.ts';
import { say, serve } from '../support/serve.ts';
import { NaiveLock } from './naive-lock.ts';
import { buyLocked, buyUnlocked, PRODUCT } from './shop.ts';

export interface Task {
  readonly masters: readonly string[];
  readonly store: string;
  readonly lock: 'none' | 'naive' | 'quorlock';
  /** What happens to the buyers. */
  readonly trouble: 'none' | 'killed holder' | 'slow write' | 'slow release';
  readonly buyers: number;
}

export interface Outcome {
  /** How many of the buyers have bought. */
  readonly bought: number;
  /** Whose write the store refused. */
  readonly refused: number;
  /** Whether the last release gave back a lock that was still the buyer's own. */
  readonly released: boolean;
}

serve(async ({ masters, store: url, lock, trouble, buyers }: Task): Promise<Outcome> => {
  const store = new Redis(url);
  await using redlock = openRedlock(masters);
  try {
    if (trouble === 'killed holder') return await die(lock, redlock, store);
    if (trouble === 'slow release') return await releaseLate(lock, redlock, store);
    const pause = trouble === 'slow write' ? stop : undefined;
    const buy = {
      none: () => buyUnlocked(store, pause),
      naive: () => buyNaively(store, pause),
      quorlock: () => buyLocked(redlock, store, pause),
    }[lock];
    const results = await Promise.allSettled(Array.from({ length: buyers }, buy));
    return {
      bought: results.filter((result) => result.status === 'fulfilled' && result.value).length,
      refused: results.filter(isRefused).length,
      released: true,
    };
  } finally {
    store.disconnect();
  }
});

async function buyNaively(store: Redis, pause?: () => Promise<void>): Promise<boolean> {
  const lock = new NaiveLock(store, `naive:${PRODUCT}`);
  const identifier = await lock.acquire();
  if (identifier === null) return false;
  const bought = await buyUnlocked(store, pause);
  await lock.releaseText(identifier);
  return bought;
}

/** Gets the lock, and dies before it can do anything about it. */
async function die(lock: Task['lock'], redlock: ReturnType<typeof openRedlock>, store: Redis) {
  const end = async () => {
    process.kill(process.pid, 'SIGKILL');
  };
  if (lock === 'naive') await new NaiveLock(store, `naive:${PRODUCT}`, end).acquire();
  else await redlock.using(PRODUCT, {}, end);
  return { bought: 0, refused: 0, released: false };
}

/** Gets the lock, and is stopped as it is about to give it back. */
async function releaseLate(lock: Task['lock'], redlock: ReturnType<typeof openRedlock>, store: Redis) {
  if (lock === 'naive') {
    const naive = new NaiveLock(store, `naive:${PRODUCT}`, async (point) => {
      if (point === 'before DEL') await stop();
    });
    const identifier = await naive.acquire();
    const released = identifier !== null && (await naive.releaseText(identifier));
    return { bought: 0, refused: 0, released };
  }
  const held = await redlock.acquire(PRODUCT);
  await stop();
  return { bought: 0, refused: 0, released: (await held.release()).freed };
}

/** Stops this process, as a long collection of garbage or a suspended machine would, until it is resumed. */
async function stop(): Promise<void> {
  await say('stopped');
  process.kill(process.pid, 'SIGSTOP');
}

function isRefused(result: PromiseSettledResult<unknown>): boolean {
  if (result.status === 'fulfilled') return false;
  if (result.reason instanceof StaleTokenError) return true;
  throw result.reason;
}
