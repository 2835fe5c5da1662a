import { expect, it, onTestFinished } from 'vitest';
import { Redlock } from '../../src/index.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import { expectNoKeys } from '../support/lock-keys.ts';

const NAMES = Array.from({ length: 5_000 }, (_, index) => `one of many ${index}`);

it('five thousand locks, waited for and released at once: every caller is served', async () => {
  const fleet = await startDeployment(5, { maxTtl: 120_000 });
  onTestFinished(() => fleet.stop());
  // A machine that is busy takes its time, for the locks that are free as well.
  const open = () => {
    const redlock = new Redlock(fleet.urls, { ...PATIENT, ttl: 120_000, maxTtl: 120_000, waitTime: 120_000 });
    onTestFinished(() => redlock.close());
    return redlock;
  };
  const holder = open();
  const waiter = open();
  const locks = await Promise.all(NAMES.map((name) => holder.acquire(name)));
  const waits = NAMES.map((name) => waiter.acquire(name));
  const reports = await Promise.all(locks.map((lock) => lock.release()));
  expect(reports.filter(({ freed }) => !freed)).toEqual([]);
  const served = await Promise.all(waits);
  await Promise.all(served.map((lock) => lock.release()));
  await expectNoKeys(fleet);
});
