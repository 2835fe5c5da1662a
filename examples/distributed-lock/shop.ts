import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { Redlock } from 'quorlock';
import { redisGuard } from 'quorlock/fencing';

/** The product: the name of its lock, and the key of its stock. */
export const PRODUCT = 'product:7';

/** How long a payment takes. */
const PAYMENT_MS = 5;

/** Buys one without any lock. Resolves with whether there was one left. */
export async function buyUnlocked(store: Redis, pause = pay): Promise<boolean> {
  const left = Number(await store.get(PRODUCT));
  if (left === 0) return false;
  await pause();
  await store.set(PRODUCT, left - 1);
  return true;
}

/** Buys one under the lock. The store refuses the write if there is a newer holder by then. */
export function buyLocked(redlock: Redlock, store: Redis, pause = pay): Promise<boolean> {
  const guard = redisGuard(store);
  return redlock.using(PRODUCT, {}, async ({ token }) => {
    const left = Number(await guard.read(PRODUCT, token));
    if (left === 0) return false;
    await pause();
    await guard.write(PRODUCT, token, String(left - 1));
    return true;
  });
}

async function pay(): Promise<void> {
  await sleep(PAYMENT_MS);
}
