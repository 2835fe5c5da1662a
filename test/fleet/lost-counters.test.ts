import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { type Lock, Redlock } from '../../src/index.ts';
import { fenceKeyOf } from '../../src/quorum/fencing-token.ts';
import { PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import { LONG_TTL_MS } from '../support/lock-keys.ts';

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

const NO_COUNTERS = [
  ...[
    '',
    '0',
    '-1',
    '-9007199254740991',
    '0.5',
    '1e15',
    '1e400',
    'abc',
    'nan',
    '-nan',
    'inf',
    '-inf',
    'Infinity',
  ],
  ...['0x10', ' 7', '9007199254740991', '9007199254740993', '18446744073709551616', '9'.repeat(400)],
];

/** What plants something as a fence counter. */
type Plant = (fence: string) => readonly string[];

const TYPES: readonly (readonly [type: string, command: string])[] = [
  ['list', 'RPUSH'],
  ['set', 'SADD'],
  ['hash', 'HSET'],
  ['zset', 'ZADD'],
];

/** In one go: a node that is late for the lock may count in between. */
const REPLACE = "redis.call('DEL', KEYS[1]) return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))";

const PLANTED: readonly (readonly [what: string, plant: Plant])[] = [
  ...NO_COUNTERS.map((text) => [text, (fence: string) => ['SET', fence, text]] as const),
  ...TYPES.map(
    ([type, name]) =>
      [
        `a ${type}`,
        (fence: string) => {
          const values = type === 'hash' || type === 'zset' ? ['1', '1'] : ['1'];
          return ['EVAL', REPLACE, '1', fence, name, ...values];
        },
      ] as const,
  ),
];

let resources = 0;

function fresh(): string {
  resources += 1;
  return `resource ${resources}`;
}

async function plant(resource: string, commandOf: Plant): Promise<void> {
  for (const node of fleet.nodes) await node.command(...commandOf(fenceKeyOf(`lock:${resource}`)));
}

const countersOf = (resource: string) =>
  Promise.all(fleet.nodes.map((node) => node.command('GET', fenceKeyOf(`lock:${resource}`))));

async function expectHealed(lock: Lock): Promise<void> {
  expect(lock.token).toBeGreaterThan(1e15);
  expect(Number.isSafeInteger(lock.token)).toBe(true);
  // A node that was late for the majority does it after that.
  await eventually('every counter is the token', async () => {
    const counters = await Promise.all(lock.resources.map(countersOf));
    return counters
      .flat()
      .every(
        (counter) =>
          Number(counter) >= (lock.token ?? Number.POSITIVE_INFINITY) && /^\d+$/.test(String(counter)),
      );
  });
}

describe.each(PLANTED)('a fence counter that is %j', (_, commands) => {
  it('is a lost one: the next lock heals it', async () => {
    const resource = fresh();
    await plant(resource, commands);
    await using lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    await expectHealed(lock);
    const { token } = lock;
    await lock.release();
    await using next = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    expect(next.token).toBeGreaterThan(token ?? Number.POSITIVE_INFINITY);
  });

  it('is a lost one: the next extension heals it', async () => {
    const resource = fresh();
    await using lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
    await plant(resource, commands);
    await lock.extend();
    await expectHealed(lock);
  });

  it('is a lost one: a waiter that is notified heals it', async () => {
    const resource = fresh();
    await using other = new Redlock(fleet.urls, PATIENT);
    const lock = await other.acquire(resource, { ttl: LONG_TTL_MS });
    const waiting = redlock.acquire(resource, { waitTime: Number.POSITIVE_INFINITY, ttl: LONG_TTL_MS });
    await eventually('it waits', async () => (await other.waiting(resource)).processes.length === 1);
    await plant(resource, commands);
    await lock.release();
    await using next = await waiting;
    await expectHealed(next);
  });

  it('is a lost one: a lock of several resources heals it, and its extension', async () => {
    const several = [fresh(), fresh()];
    await plant(several[1] ?? '', commands);
    await using lock = await redlock.acquire(several, { ttl: LONG_TTL_MS });
    await expectHealed(lock);
    await plant(several[0] ?? '', commands);
    await lock.extend();
    await expectHealed(lock);
  });

  it('is a lost one: readers and writers heal it', async () => {
    const resource = fresh();
    const lock = redlock.readWrite(resource);
    const read = () => lock.acquireRead({ ttl: LONG_TTL_MS });
    await plant(resource, commands);
    await using first = await read();
    await expectHealed(first);
    await plant(resource, commands);
    await first.extend();
    await expectHealed(first);
    await plant(resource, commands);
    await using second = await read();
    await expectHealed(second);
    await first.release();
    await second.release();
    await plant(resource, commands);
    await using third = await lock.acquireWrite({ ttl: LONG_TTL_MS });
    await expectHealed(third);
  });

  it('is unknown to inspect()', async () => {
    const resource = fresh();
    await plant(resource, commands);
    expect(await redlock.inspect(resource)).toMatchObject({ state: 'free' });
  });
});

describe.each(['9007199254739992', '9007199254739999'])(
  'a fence counter of %s, which can not be raised by a block',
  (text) => {
    it.each([1, 2, 3])('is a lost one at %d nodes: the next locks heal it, and live on', async (count) => {
      const resource = fresh();
      for (const node of fleet.nodes.slice(0, count))
        await node.command('SET', fenceKeyOf(`lock:${resource}`), text);
      const first = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
      await first.extend();
      await expectHealed(first);
      await first.release();
      await using second = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
      expect(second.token).toBeGreaterThan(first.token);
    });
  },
);
