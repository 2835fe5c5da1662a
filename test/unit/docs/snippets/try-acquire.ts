import type { Redlock } from '../../../../src/index.ts';

export async function hourly(redlock: Redlock, first: () => Promise<void>, second: () => Promise<void>) {
  await using lock = await redlock.tryAcquire('hourly', { ttl: 10_000 });
  if (lock === null) return 'another program does it';
  await first();
  await lock.extend(30_000); // from now on; rejects if that is too late
  await second();
  return 'done';
}
