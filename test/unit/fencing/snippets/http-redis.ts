import type { IncomingHttpHeaders } from 'node:http';
import { checkFencingToken, type RedisEval, redisGuard } from '../../../../src/fencing/index.ts';

export async function saveCart(headers: IncomingHttpHeaders, redis: RedisEval, cart: string): Promise<void> {
  const guard = redisGuard(redis);
  const token = await checkFencingToken(headers, 'cart:7', guard); // refuses early
  await guard.write('cart:7', token, cart); // and guards
}
