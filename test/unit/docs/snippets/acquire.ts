import type { Redlock } from '../../../../src/index.ts';

export async function transfer(redlock: Redlock, work: () => Promise<void>): Promise<void> {
  await using lock = await redlock.acquire(['account:7', 'account:9'], { ttl: 10_000, waitTime: 5_000 });
  await work();
  lock.assertHeld(); // throws if it was lost meanwhile
}
