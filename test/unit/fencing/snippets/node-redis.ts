import type { RedisClientType } from 'redis';
import { type RedisGuard, redisGuard } from '../../../../src/fencing/index.ts';

export function guardOver(client: Pick<RedisClientType, 'eval'>): RedisGuard {
  return redisGuard({
    eval: (script, n, ...args) => client.eval(script, { keys: args.slice(0, n), arguments: args.slice(n) }),
  });
}
