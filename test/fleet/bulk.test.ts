import { expect, it, onTestFinished } from 'vitest';
import { Redlock, type RedlockOptions } from '../../src/index.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import { expectNoKeys } from '../support/lock-keys.ts';

const NAMES = Array.from({ length: 5_000 }, (_, index) => `one of many ${index}`);

it('five thousand locks, waited for and released at once: every caller is served', async () => {
  const fleet = await startDeployment(5);
  onTestFinished(() => fleet.stop());
  const open = (options: RedlockOptions) => {
    const redlock = new Redlock(fleet.urls, { ...PATIENT, ttl: 30_000, ...options });
    onTestFinished(() => redlock.close());
    return redlock;
  };
  const holder = open({});
  const waiter = open({ waitTime: 60_000 });
  const locks = await Promise.all(NAMES.map((name) => holder.acquire(name)));
  const waits = NAMES.map((name) => waiter.acquire(name));
  const reports = await Promise.all(locks.map((lock) => lock.release()));
  expect(reports.filter(({ freed }) => !freed)).toEqual([]);
  const served = await Promise.all(waits);
  await Promise.all(served.map((lock) => lock.release()));
  await expectNoKeys(fleet);
});
