import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { Redlock, type RedlockOptions } from '../../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';

const LONG = { ...PATIENT, maxTtl: 60_000, fenceRetention: 3_600_000 } as const satisfies RedlockOptions;
const SHORT = {
  ...PATIENT,
  maxTtl: 5_000,
  ttl: 5_000,
  fenceRetention: 7_000,
} as const satisfies RedlockOptions;

const SHORTEST = { ...PATIENT, maxTtl: 500, ttl: 500, nodeTimeout: 400 } as const satisfies RedlockOptions;

/** The least that a key with this beginning has left on a node that has it, in milliseconds. */
async function leastLeft({ nodes }: Fleet, pattern: string): Promise<number> {
  const lefts = await Promise.all(
    nodes.map(async (node) => {
      const keys = await node.command('KEYS', pattern);
      return Promise.all((Array.isArray(keys) ? keys : []).map((key) => node.command('PTTL', String(key))));
    }),
  );
  return Math.min(...lefts.flat().map(Number));
}

/** The same of the queues that two wait in. */
async function leftOfQueuesOfTwo({ nodes }: Fleet): Promise<readonly number[]> {
  const lefts = await Promise.all(
    nodes.map(async (node) => {
      const keys = await node.command('KEYS', 'quorlock:queue:*');
      const [queue = ''] = Array.isArray(keys) ? keys.map(String) : [];
      return (await node.command('ZCARD', queue)) === 2 ? [Number(await node.command('PTTL', queue))] : [];
    }),
  );
  return lefts.flat();
}

describe('programs with unequal settings share a deployment, and the smaller ones take nothing away:', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(3, { maxTtl: 60_000 });
  });
  afterAll(() => fleet.stop());

  it('a queue lives on', async () => {
    await using long = new Redlock(fleet.urls, LONG);
    await using waiter = new Redlock(fleet.urls, LONG);
    await using short = new Redlock(fleet.urls, SHORT);
    const lock = await long.acquire('queued', { ttl: 60_000 });
    const waiting = waiter.acquire('queued', { waitTime: 60_000 });
    await eventually('it waits', async () => (await long.waiting('queued')).processes.length === 1);
    const joining = short.acquire('queued', { waitTime: 60_000 });

    // A waiter is in the queues of those nodes whose calls it hears.
    let lefts: readonly number[] = [];
    await eventually('both are in a queue', async () => {
      lefts = await leftOfQueuesOfTwo(fleet);
      return lefts.length > 0;
    });

    expect(Math.min(...lefts)).toBeGreaterThan(60_000);
    await lock.release();
    await (await waiting).release();
    await (await joining).release();
  });

  it('a counter is kept for the longest retention', async () => {
    await using long = new Redlock(fleet.urls, LONG);
    await using short = new Redlock(fleet.urls, SHORT);
    await untilAllVote(long);
    await (await long.acquire('counted')).release();
    const before = await leastLeft(fleet, 'quorlock:fence:*counted*');

    const lock = await short.acquire('counted');
    await lock.extend();
    await lock.release();
    await (await short.readWrite('counted').acquireRead()).release();

    expect(before).toBeGreaterThan(1_800_000);
    expect(await leastLeft(fleet, 'quorlock:fence:*counted*')).toBeGreaterThan(1_800_000);
  });
});

it('a joining marker is raised by a program with a longer maxTtl, and each client that watches it waits for that', async () => {
  await using fleet = await Fleet.start(1);
  const node = nodeAt(fleet, 0);
  await using short = new Redlock(fleet.urls, { ...SHORTEST, quarantine: 'strict' });
  await using long = new Redlock(fleet.urls, { ...LONG, quarantine: 'strict' });
  const marker = async () => String(await node.command('GET', 'quorlock:node'));
  const ask = (redlock: Redlock) => redlock.tryAcquire('r').catch(() => null);
  await ask(short);
  await eventually('it joins', async () => /^joining /.test(await marker()));

  await eventually('its marker tells of the longer one', async () => {
    await ask(long);
    return /^joining .* 1 60000$/.test(await marker());
  });

  // It would be active by now, if it had waited for its own ttls alone.
  const since = performance.now();
  await eventually(
    'the shorter quarantine is over',
    () => performance.now() - since > 500 * 1.01 + 2_100 + 1_000,
  );
  expect(await marker()).toMatch(/^joining .* 1 60000$/);
  expect(await ask(short)).toBeNull();
});
