import { Redlock } from '../../../../src/index.ts';

const redlock = new Redlock([
  'redis://127.0.0.1:7101',
  'redis://127.0.0.1:7102',
  'redis://127.0.0.1:7103',
  'redis://127.0.0.1:7104',
  'redis://127.0.0.1:7105',
]);
try {
  const result = await redlock.using('orders:42', { ttl: 10_000 }, async (lock) => {
    console.log('locked, with fencing token', lock.token);
    console.log('whoever tries now gets', await redlock.tryAcquire('orders:42'));
    return 'done';
  });
  console.log(result);
} finally {
  await redlock.close();
}
