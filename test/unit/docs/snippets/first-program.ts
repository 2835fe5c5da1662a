import { setTimeout as sleep } from 'node:timers/promises';
import { Redlock } from '../../../../src/index.ts';

const redlock = new Redlock([7101, 7102, 7103, 7104, 7105].map((port) => `redis://127.0.0.1:${port}`));
await redlock.using('orders:42', { ttl: 10_000 }, async (lock) => {
  console.log('locked, with the fencing token', lock.token);
  await sleep(100, null, { signal: lock.signal }); // the work: it stops when the lock is lost
});
await redlock.close();
