import type { Redis } from 'ioredis';
import type { Redlock } from 'quorlock';
import { redisGuard } from 'quorlock/fencing';

/** Gives what belongs to a key. */
export type Read = (key: string) => Promise<string>;

/** How long an answer is good enough. */
const KEPT_MS = 60_000;

/** A plain cache: a caller that does not find the answer there asks for it. */
export function cached(cache: Redis, ask: Read): Read {
  return async (key) => {
    const known = await cache.get(key);
    if (known !== null) return known;
    const answer = await ask(key);
    await cache.set(key, answer, 'PX', KEPT_MS);
    return answer;
  };
}

/** One request for all who want the same from this process at the same time. */
export function merged(read: Read): Read {
  const underWay = new Map<string, Promise<string>>();
  return (key) => {
    const request = underWay.get(key) ?? read(key).finally(() => underWay.delete(key));
    underWay.set(key, request);
    return request;
  };
}

/** A cache that one process fills, while the others wait for it. */
export function locked(redlock: Redlock, cache: Redis, ask: Read): Read {
  const guard = redisGuard(cache);
  return async (key) => {
    const known = await cache.get(key);
    if (known !== null) return known;
    return redlock.using(key, {}, async ({ token }) => {
      // The holder before has most likely filled it.
      const filled = await guard.read(key, token);
      if (filled !== null) return filled;
      const answer = await ask(key);
      // By token: a filler that was stopped for long can't put an old answer over a newer one.
      await guard.write(key, token, answer, { ttlMs: KEPT_MS });
      return answer;
    });
  };
}
