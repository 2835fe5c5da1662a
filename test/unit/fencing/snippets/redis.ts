import { type RedisEval, redisGuard } from '../../../../src/fencing/index.ts';

export async function addToCart(redis: RedisEval, lock: { token: number }, item: string): Promise<void> {
  const guard = redisGuard(redis);
  // Read first: it registers the token, and from now on every older holder is refused.
  const cart = JSON.parse((await guard.read('cart:7', lock.token)) ?? '[]');
  await guard.write('cart:7', lock.token, JSON.stringify([...cart, item]), { ttlMs: 86_400_000 });
}
