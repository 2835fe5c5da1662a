import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { scriptCallsDuring } from '../../../scripts/fleet/server-calls.ts';
import { LockHeldError, NotALockError, Redlock } from '../../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import {
  expectHeldOnAll,
  expectNoKeys,
  holdElsewhere,
  keysOn,
  LONG_TTL_MS,
  letGoElsewhere,
  valuesOf,
} from '../../support/lock-keys.ts';

let fleet: Fleet;
let redlock: Redlock;

beforeAll(async () => {
  fleet = await startDeployment(3);
  redlock = new Redlock(fleet.urls, PATIENT);
  await untilAllVote(redlock);
});
afterAll(async () => {
  await redlock.close();
  await fleet.stop();
});

const everywhere = (key: string) => fleet.nodes.map(({ index }) => `node ${index}: ${key}`);

it('13. a string is one resource, not a list of letters', async () => {
  await using lock = await redlock.acquire('abc', { ttl: LONG_TTL_MS });

  expect(lock.resources).toEqual(['abc']);
  await expectHeldOnAll(fleet, lock);
  expect(await keysOn(fleet, 'lock:abc')).toEqual(everywhere('lock:abc'));
  for (const letter of ['a', 'b', 'c']) expect(await keysOn(fleet, `lock:${letter}`)).toEqual([]);
  await using letter = await redlock.tryAcquire('b', { ttl: LONG_TTL_MS });
  expect(letter).not.toBeNull();
});

it('13. a resource that is named twice is locked and released once', async () => {
  const lock = await redlock.acquire(['twice', 'once', 'twice'], { ttl: LONG_TTL_MS });
  expect(lock.resources).toEqual(['once', 'twice']);
  await lock.extend();

  const report = await lock.release();

  expect(report.freed).toBe(true);
  expect(report.votes.map(({ outcome }) => outcome)).not.toContain('failed');
  await expectNoKeys(fleet, 'lock:*e');
});

it.each([
  ['hash', ['HSET', 'lock:a hash', 'field', 'value']],
  ['list', ['RPUSH', 'lock:a list', 'value']],
  ['string', ['SET', 'lock:a string', 'value']],
])('14. a key that is a %s and no lock is an error of its own, at once', async (type, command) => {
  for (const node of fleet.nodes) await node.command(...command);
  const resource = `a ${type}`;

  const failure = await redlock
    .acquire(resource, { waitTime: Number.POSITIVE_INFINITY })
    .catch((error: unknown) => error);

  expect(failure).toBeInstanceOf(NotALockError);
  expect(failure).toMatchObject({ code: 'QUORLOCK_NOT_A_LOCK', resources: [resource] });
  await expect(redlock.tryAcquire(resource)).rejects.toThrow(NotALockError);
  await expect(redlock.acquire(['and another', resource])).rejects.toThrow(NotALockError);
  expect(await redlock.inspect(resource)).toMatchObject({
    state: 'not-a-lock',
    nodes: Array(3).fill({ state: 'not-a-lock' }),
  });
  for (const node of fleet.nodes) {
    expect(await node.command('TYPE', `lock:${resource}`)).toBe(type);
    expect(await node.command('PTTL', `lock:${resource}`)).toBe(-1);
  }
  await expectNoKeys(fleet, 'lock:and another');
  for (const node of fleet.nodes) await node.command('DEL', `lock:${resource}`);
});

it('14. a key that is no lock on a minority of nodes does not keep the majority from voting', async () => {
  await nodeAt(fleet, 1).command('HSET', 'lock:one hash', 'field', 'value');

  const lock = await redlock.acquire('one hash', { ttl: LONG_TTL_MS });
  await lock.release();

  expect(await nodeAt(fleet, 1).command('HGET', 'lock:one hash', 'field')).toBe('value');
  await nodeAt(fleet, 1).command('DEL', 'lock:one hash');
  await expectNoKeys(fleet, 'lock:one hash');
});

it('15. a setting that is undefined has its default, and one that is 0 is heeded', async () => {
  await using defaults = new Redlock(fleet.urls, {
    ...PATIENT,
    ttl: undefined,
    waitTime: undefined,
    driftFactor: undefined,
    keyPrefix: undefined,
  });
  const lock = await defaults.acquire('defaults', { ttl: undefined, waitTime: undefined, signal: undefined });
  expect(lock.ttl).toBe(10_000);
  expect(lock.remainingValidity()).toBeGreaterThan(0);
  await lock.release();
  await untilAllVote(defaults);
  await holdElsewhere(fleet.nodes, 'lock:defaults');

  const calls = await scriptCallsDuring(fleet, async () => {
    await expect(defaults.acquire('defaults', { waitTime: 0 })).rejects.toThrow(LockHeldError);
    // Close sees to the release of the attempt.
    await defaults.close();
  });

  expect(calls).toEqual([2, 2, 2]);
  await letGoElsewhere(fleet.nodes, 'lock:defaults');
});

it('15. a setting that is NaN, negative or misspelt is refused', async () => {
  expect(() => new Redlock(fleet.urls, { waitTime: Number.NaN })).toThrow(RangeError);
  expect(() => new Redlock(fleet.urls, { driftFactor: Number.NaN })).toThrow(RangeError);
  await expect(redlock.acquire('refused', { waitTime: Number.NaN })).rejects.toThrow(/waitTime.*NaN/);
  await expect(redlock.acquire('refused', { waitTime: -1 })).rejects.toThrow(RangeError);
  await expect(redlock.acquire('refused', { ttl: Number.NaN })).rejects.toThrow(/ttl.*NaN/);
  const misspelt: object = { retryCount: 0 };
  await expect(redlock.acquire('refused', misspelt)).rejects.toThrow(
    'there is no acquire option "retryCount"',
  );
  await expectNoKeys(fleet, 'lock:refused');
});

it('15. the ttl of one call is still that of its extensions', async () => {
  await using shortLived = new Redlock(fleet.urls, { ...PATIENT, ttl: 8_500 });
  const lock = await shortLived.acquire('own ttl', { ttl: LONG_TTL_MS });
  for (const node of fleet.nodes) await node.command('PEXPIRE', 'lock:own ttl', 20_000);

  await lock.extend();

  await eventually('every node has extended it by its own ttl', async () => {
    const remaining = await Promise.all(fleet.nodes.map((node) => node.command('PTTL', 'lock:own ttl')));
    return remaining.every((each) => Number(each) > 20_000);
  });
  await lock.release();
});

it('15. and inside using, too', async () => {
  await using longLived = new Redlock(fleet.urls, { ...PATIENT, nodeTimeout: 4_000, ttl: LONG_TTL_MS });

  await longLived.using('own ttl in using', { ttl: 5_000 }, async (lock) => {
    let validity = lock.remainingValidity();
    await eventually('it was extended', () => {
      const before = validity;
      validity = lock.remainingValidity();
      return validity > before;
    });
    expect(lock.ttl).toBe(5_000);
    expect(validity).toBeLessThanOrEqual(5_000);
    for (const node of fleet.nodes) {
      expect(await node.command('PTTL', 'lock:own ttl in using')).toBeLessThanOrEqual(5_000);
    }
  });
});

it('21. a client on database 5 takes its lock in database 5', async () => {
  const clients = fleet.nodes.map(
    ({ port }) =>
      new Redis(port, '127.0.0.1', {
        db: 5,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
      }),
  );
  const witnesses = fleet.nodes.map(({ port }) => new Redis(port, '127.0.0.1', { db: 5 }));
  try {
    await using byClient = new Redlock(clients, PATIENT);
    await untilAllVote(byClient);
    await using lock = await byClient.acquire('in five', { ttl: LONG_TTL_MS });
    await using byUrl = new Redlock(
      fleet.urls.map((url) => `${url}/5`),
      PATIENT,
    );

    await eventually('every node has it in database 5', async () => {
      await lock.extend();
      const values = await Promise.all(witnesses.map((witness) => witness.get('lock:in five')));
      return values.every((value) => value === lock.value);
    });
    expect(await byUrl.tryAcquire('in five')).toBeNull();
    expect(await valuesOf(fleet, 'lock:in five')).toEqual([null, null, null]);
    await using zero = await redlock.tryAcquire('in five', { ttl: LONG_TTL_MS });
    expect(zero).not.toBeNull();
  } finally {
    for (const client of [...clients, ...witnesses]) client.disconnect();
  }
});
