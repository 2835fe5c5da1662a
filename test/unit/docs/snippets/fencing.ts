import type { Redis } from 'ioredis';
import { redisGuard } from '../../../../src/fencing/index.ts';
import type { Redlock } from '../../../../src/index.ts';

export async function addToCart(redlock: Redlock, store: Redis, item: string): Promise<void> {
  const guard = redisGuard(store);
  await redlock.using('cart:7', { ttl: 10_000 }, async ({ token }) => {
    const cart = JSON.parse((await guard.read('cart:7', token)) ?? '[]');
    await guard.write('cart:7', token, JSON.stringify([...cart, item]));
  });
}
