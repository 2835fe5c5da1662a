import { expect, it } from 'vitest';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { ExtendFailedError, LockReleasedError, Redlock } from '../../../src/index.ts';
import { BRISK, nodeAt, PATIENT, startDeployment } from '../../support/deployment.ts';
import { expectHeldOnAll, expectNoKeys, LONG_TTL_MS, valuesOf } from '../../support/lock-keys.ts';

it('11. an extension repairs the nodes that had lost the key', async () => {
  await using fleet = await startDeployment(5);
  await using redlock = new Redlock(fleet.urls, PATIENT);
  await using lock = await redlock.acquire('healed', { ttl: LONG_TTL_MS });
  await expectHeldOnAll(fleet, lock);
  for (const index of [0, 1]) await nodeAt(fleet, index).command('DEL', 'lock:healed');

  await lock.extend();

  await eventually('every node has the key again', async () => {
    return (await valuesOf(fleet, 'lock:healed')).every((value) => value === lock.value);
  });
});

it('11. a failed extension leaves nothing behind that outlives the release, and the next one repairs', async () => {
  await using fleet = await startDeployment(5);
  await using redlock = new Redlock(fleet.urls, BRISK);
  const lock = await redlock.acquire('half extended', { ttl: LONG_TTL_MS });
  const hung = [0, 1, 2].map((index) => nodeAt(fleet, index));
  for (const node of hung) node.pause();
  await expect(lock.extend()).rejects.toThrow(ExtendFailedError);
  for (const node of hung) node.resume();
  for (const index of [0, 3]) await nodeAt(fleet, index).command('DEL', 'lock:half extended');

  await eventually('an extension comes through', () =>
    lock.extend().then(
      () => true,
      () => false,
    ),
  );

  await expectHeldOnAll(fleet, lock);
  await lock.release();
  await expect(lock.extend()).rejects.toThrow(LockReleasedError);
  await expectNoKeys(fleet);
});

it('11. the minority that a failed extension reached is released with a lock that was lost meanwhile', async () => {
  await using fleet = await startDeployment(5);
  await using redlock = new Redlock(fleet.urls, BRISK);
  const lock = await redlock.acquire('lost', { ttl: 5_000 });
  await expectHeldOnAll(fleet, lock);
  const hung = [0, 1, 2].map((index) => nodeAt(fleet, index));
  for (const node of hung) node.pause();
  await expect(lock.extend(LONG_TTL_MS)).rejects.toThrow(ExtendFailedError);
  await eventually('the lock is lost', () => lock.remainingValidity() === 0);
  await eventually('the others have the key', async () => {
    const values = await valuesOf(fleet, 'lock:lost');
    expect(values.slice(0, 3)).toEqual([null, null, null]);
    return values.slice(3).every((value) => value === lock.value);
  });

  await lock.release();
  for (const node of hung) node.resume();

  await expectNoKeys(fleet);
});

it('12. a failed extension does not unlock the lock', async () => {
  await using fleet = await startDeployment(5);
  await using redlock = new Redlock(fleet.urls, BRISK);
  await using other = new Redlock(fleet.urls, BRISK);
  await using lock = await redlock.acquire('kept', { ttl: LONG_TTL_MS });
  await expectHeldOnAll(fleet, lock);
  expect(await other.tryAcquire('kept')).toBeNull();
  const hung = [0, 1, 2].map((index) => nodeAt(fleet, index));
  for (const node of hung) node.pause();

  const failure = await lock.extend().catch((error: unknown) => error);

  expect(failure).toBeInstanceOf(ExtendFailedError);
  expect(failure).toMatchObject({ code: 'QUORLOCK_EXTEND_FAILED', resources: ['kept'] });
  lock.assertHeld();
  expect(lock.signal.aborted).toBe(false);
  expect(lock.remainingValidity()).toBeGreaterThan(0);
  for (const node of hung) node.resume();
  await eventually('every node answers again', async () => {
    return (await redlock.inspect('kept')).nodes.every(({ state }) => state === 'held');
  });
  expect(await valuesOf(fleet, 'lock:kept')).toEqual(Array(5).fill(lock.value));
  expect(await other.tryAcquire('kept')).toBeNull();
});

it('12. an extension never shortens a lock', async () => {
  await using fleet = await startDeployment(3);
  await using redlock = new Redlock(fleet.urls, PATIENT);
  await using lock = await redlock.acquire('not shortened', { ttl: LONG_TTL_MS });
  await expectHeldOnAll(fleet, lock);

  await lock.extend(9_000);

  expect(lock.remainingValidity()).toBeGreaterThan(9_000);
  for (const node of fleet.nodes) {
    expect(await node.command('PTTL', 'lock:not shortened')).toBeGreaterThan(9_000);
  }
});
