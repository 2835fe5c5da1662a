import { PGlite } from '@electric-sql/pglite';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Job, runOnce } from '../../examples/recipes/cron.ts';
import { leadOnce } from '../../examples/recipes/lead.ts';
import { type Announcement, Election } from '../../examples/recipes/leader.ts';
import { type Migration, migrate } from '../../examples/recipes/migrations.ts';
import { underPermits } from '../../examples/recipes/permits.ts';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { LockLostError, Redlock } from '../../src/index.ts';
import { WrongWallClock } from '../support/clocks.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';

/** Shorter than the default, since a loss is noticed when an extension is due. */
const TTL_MS = 3_000;
const ABORTED = AbortSignal.abort(new Error('enough'));

let masters: Fleet;
let stores: Fleet;
let store: Redis;
beforeAll(async () => {
  [masters, stores] = await Promise.all([startDeployment(3), Fleet.start(1)]);
  store = new Redis(stores.urls[0] ?? '');
});
afterAll(async () => {
  store.disconnect();
  await Promise.all([masters.stop(), stores.stop()]);
});

/** What runs on one machine. */
function machine(clock = new WrongWallClock()): Redlock {
  const redlock = new Redlock(masters.urls, { ...PATIENT, nodeTimeout: 2_500, ttl: TTL_MS, clock });
  onTestFinished(() => redlock.close());
  return redlock;
}

async function waitersFor(resource: string, count: number): Promise<void> {
  const observer = machine();
  await eventually(
    `${count} wait for ${resource}`,
    async () => (await observer.waiting(resource)).processes.length === count,
  );
}

describe('a leader', () => {
  it('is elected after the one before has resigned, for a later term', async () => {
    const [first, second] = [machine(), machine()].map(
      (redlock) => new Election(redlock, store, 'resignation'),
    );
    const term = await first?.campaign('first');
    const next = second?.campaign('second');
    await waitersFor('resignation', 1);
    expect(term?.signal.aborted).toBe(false);
    await term?.resign();
    expect(term?.signal.aborted).toBe(true);
    expect((await next)?.number).toBeGreaterThan(term?.number ?? Number.NaN);
    await (await next)?.resign();
  });

  it('is over when its lock is lost, and can announce nothing after a later one', async () => {
    const clock = new WrongWallClock();
    const paused = new Election(machine(clock), store, 'loss');
    const rival = new Election(machine(), store, 'loss');
    const term = await paused.campaign('first');
    const next = rival.campaign('second');
    await waitersFor('loss', 1);

    clock.offsetMs = 2 * TTL_MS;
    await term.ended;
    expect(term.signal.reason).toBeInstanceOf(LockLostError);

    const later = await next;
    await expect(term.proclaim('still me')).rejects.toMatchObject({ code: 'QUORLOCK_STALE_TOKEN' });
    expect(JSON.parse((await store.get('loss')) ?? '')).toEqual({ term: later.number, value: 'second' });
    await later.resign();
  });

  it('is observed: what it announces when elected, and what it proclaims', async () => {
    const election = new Election(machine(), store, 'observed');
    const enough = new AbortController();
    const seen: Announcement[] = [];
    const term = await election.campaign('one');
    for await (const announcement of election.observe(enough.signal, 5)) {
      seen.push(announcement);
      if (announcement.value === 'one') await term.proclaim('two');
      else enough.abort();
    }
    expect(seen).toEqual([
      { term: term.number, value: 'one' },
      { term: term.number, value: 'two' },
    ]);
    await term.resign();
  });

  it('works until its term ends, and resigns when its work fails', async () => {
    const election = new Election(machine(), store, 'work');
    const numbers: number[] = [];
    const leading = leadOnce(election, 'one', async (number) => {
      numbers.push(number);
      if (numbers.length === 3) throw new Error('out of work');
    });
    await expect(leading).rejects.toThrow('out of work');
    expect(new Set(numbers).size).toBe(1);
    const next = await election.campaign('two');
    expect(next.number).toBeGreaterThan(numbers[0] ?? Number.NaN);
    await next.resign();
  });

  it('is not waited for by a campaign that is cancelled', async () => {
    const election = new Election(machine(), store, 'cancelled');
    await expect(election.campaign('one', ABORTED)).rejects.toThrow('enough');
  });
});

describe('a cron job', () => {
  const job = (name: string, run: Job['run']): Job => ({ name, every: 60_000, run });

  it('runs on one of many machines, each time that it is due', async () => {
    const run = vi.fn(async () => undefined);
    const machines = Array.from({ length: 5 }, () => machine());
    const noon = Date.UTC(2026, 0, 1, 12);
    // By clocks that differ by seconds.
    const atNoon = await Promise.all(
      machines.map((redlock, index) => runOnce(redlock, store, job('many', run), noon + 1_000 * (index - 2))),
    );
    expect(atNoon.filter((ran) => ran)).toHaveLength(1);
    const later = await Promise.all(
      machines.map((redlock) => runOnce(redlock, store, job('many', run), noon + 60_000)),
    );
    expect(later.filter((ran) => ran)).toHaveLength(1);
    expect(run).toHaveBeenCalledTimes(2);
  });

  it('is done by another machine if the first one fails', async () => {
    const failing = runOnce(
      machine(),
      store,
      job('failing', async () => {
        await waitersFor('cron:failing', 1);
        throw new Error('out of paper');
      }),
      60_000,
    );
    failing.catch(() => undefined);
    const holder = machine();
    await eventually(
      'the first one holds it',
      async () => (await holder.inspect('cron:failing')).state === 'held',
    );
    const second = runOnce(
      machine(),
      store,
      job('failing', async () => undefined),
      60_000,
    );
    await expect(failing).rejects.toThrow('out of paper');
    expect(await second).toBe(true);
  });
});

describe('several permits', () => {
  it('are held together, and two callers that need most of them do not wait for each other', async () => {
    let inUse = 0;
    const use = (count: number) =>
      underPermits(machine(), { semaphore: 'several', permits: 3, count }, async (held, signal) => {
        inUse += held.length;
        expect(inUse).toBeLessThanOrEqual(3);
        for (const permit of held) await permit.extend();
        expect(signal.aborted).toBe(false);
        inUse -= held.length;
        return held.length;
      });
    expect(await Promise.all([2, 3, 2, 1, 3].map(use))).toEqual([2, 3, 2, 1, 3]);
  });
});

describe('migrations', () => {
  const MIGRATIONS: readonly Migration[] = [
    { name: '1-users', sql: 'CREATE TABLE users (id int PRIMARY KEY)' },
    { name: '2-admin', sql: 'INSERT INTO users VALUES (1)' },
  ];

  it('are done once, by one of many instances that start together, and in order', async () => {
    await using database = await PGlite.create();
    const query = async (text: string, values: (string | number)[]) =>
      (await database.query<object>(text, values)).rows;
    const instances = Array.from({ length: 4 }, () => migrate(machine(), query, MIGRATIONS));
    const done = await Promise.all(instances);
    expect(done.flat()).toEqual(['1-users', '2-admin']);
    expect(await query('SELECT id FROM users', [])).toEqual([{ id: 1 }]);

    const release = [...MIGRATIONS, { name: '3-guest', sql: 'INSERT INTO users VALUES (2)' }];
    expect(await migrate(machine(), query, release)).toEqual(['3-guest']);
  });

  it('that fail leave nothing of themselves, and what was done before', async () => {
    await using database = await PGlite.create();
    const query = async (text: string, values: (string | number)[]) =>
      (await database.query<object>(text, values)).rows;
    const broken = [...MIGRATIONS, { name: '3-broken', sql: 'INSERT INTO users VALUES (1)' }];
    await expect(migrate(machine(), query, broken)).rejects.toThrow('duplicate key');
    expect(await query('SELECT name FROM migrations ORDER BY name', [])).toEqual([
      { name: '1-users' },
      { name: '2-admin' },
    ]);
  });
});
