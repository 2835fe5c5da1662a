import { expect, test } from 'vitest';
import { chooseSeed } from '../../scripts/support/seeds.ts';
import type { Lock } from '../../src/index.ts';
import type { Occupancy } from '../../src/testing/checkers/over-admission.ts';
import { findOverAdmissions } from '../../src/testing/checkers/over-admission.ts';
import { type Program, Scene } from '../unit/waiting/scene.ts';

/*
 * How much of the time permits are used, how soon free ones are taken, and what it costs to wait for one: in true
 * milliseconds of the simulator, on five nodes.
 */

const LONGEST_TEST_MS = 300_000;

const PATIENT = { waitTime: 600_000, ttl: 30_000 };

/** How long a slot is reserved for a waiter that does not come. */
const NODE_TIMEOUT_MS = 50;

const seed = chooseSeed();

async function sceneOf(count: number): Promise<{ scene: Scene; programs: readonly Program[] }> {
  const scene = new Scene({ seed });
  return { scene, programs: await scene.programs(count, { maxTtl: 6_000_000 }) };
}

function only<Item>(items: readonly Item[], index = 0): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no ${index}`);
  return item;
}

function report(what: string, value: number, unit: string): void {
  console.log(`${what}: ${value.toFixed(2)} ${unit}, QUORLOCK_SEED=${seed}`);
}

function percentile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? Number.NaN;
}

test.each([
  { permits: 8, count: 16, least: 340 },
  { permits: 8, count: 9, least: 340 },
  { permits: 12, count: 36, least: 500 },
])(
  '$count programs that hold one of $permits permits for 20 ms each time have $least a second',
  async ({ permits, count, least }) => {
    const { scene, programs } = await sceneOf(count);
    const { simulation } = scene;
    const [warmUpMs, lastsMs] = [1_000, 5_000];
    const startedAt = simulation.nowMs;
    const had: Occupancy[] = [];
    const use = async ({ machine, redlock }: Program, name: string) => {
      while (simulation.nowMs - startedAt < warmUpMs + lastsMs) {
        const lock = await redlock.semaphore('s', permits).acquire(PATIENT);
        const from = simulation.nowMs;
        await machine.sleep(20);
        had.push({ holder: name, from, to: simulation.nowMs });
        await lock.release();
      }
    };
    await simulation.until(Promise.all(programs.map((program, index) => use(program, `program ${index}`))));
    const counted = had.filter(
      ({ from }) => from - startedAt >= warmUpMs && from - startedAt < warmUpMs + lastsMs,
    );
    const rate = (counted.length * 1_000) / lastsMs;
    report(`${permits} permits, ${count} programs`, rate, `permits/s of ${permits * 50}`);
    expect(findOverAdmissions(had, permits)).toEqual([]);
    expect(rate).toBeGreaterThanOrEqual(least);
  },
  LONGEST_TEST_MS,
);

test(
  '400 tasks of 100 ms under 100 permits, in 4 processes, take no more than 0.8 s',
  async () => {
    const { scene, programs } = await sceneOf(4);
    const { simulation } = scene;
    const startedAt = simulation.nowMs;
    const had: Occupancy[] = [];
    const tasks = Array.from({ length: 400 }, async (_, index) => {
      const { machine, redlock } = only(programs, index % 4);
      const lock = await redlock.semaphore('s', 100).acquire(PATIENT);
      const from = simulation.nowMs;
      await machine.sleep(100);
      had.push({ holder: `task ${index}`, from, to: simulation.nowMs });
      await lock.release();
    });
    await simulation.until(Promise.all(tasks));
    const tookMs = Math.max(...had.map(({ to }) => to)) - startedAt;
    report('400 tasks', tookMs, 'ms');
    expect(findOverAdmissions(had, 100)).toEqual([]);
    expect(tookMs).toBeLessThanOrEqual(800);
  },
  LONGEST_TEST_MS,
);

test(
  'a hundred permits that are released at once do not stand free while 200 callers wait',
  async () => {
    const { scene, programs } = await sceneOf(5);
    const { simulation } = scene;
    const holder = only(programs).redlock.semaphore('s', 100);
    const locks = await simulation.until(
      Promise.all(Array.from({ length: 100 }, () => holder.acquire(PATIENT))),
    );
    const came: number[] = [];
    const waiting = Array.from({ length: 200 }, async (_, index) => {
      const { machine, redlock } = only(programs, 1 + (index % 4));
      const lock = await redlock.semaphore('s', 100).acquire(PATIENT);
      came.push(simulation.nowMs);
      await machine.sleep(1_000);
      await lock.release();
    });
    await simulation.advance(2_000);
    const releasedAt = simulation.nowMs;
    for (const lock of locks) void lock.release();
    await simulation.until(Promise.all(waiting));
    const tookMs = (came[99] ?? Number.NaN) - releasedAt;
    report('100 permits released at once: all taken again after', tookMs, 'ms');
    expect(tookMs).toBeLessThanOrEqual(100);
  },
  LONGEST_TEST_MS,
);

test(
  'a hundred callers that wait for one of 300 permits settle in time, and other locks are as quick as alone',
  async () => {
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    const holder = only(programs).redlock.semaphore('s', 300);
    const { machine, redlock } = only(programs, 1);
    await simulation.until(Promise.all(Array.from({ length: 300 }, () => holder.acquire(PATIENT))));
    const unrelated = async (untilMs: number) => {
      const latencies: number[] = [];
      for (let count = 0; simulation.nowMs < untilMs; count += 1) {
        const askedAt = simulation.nowMs;
        const lock: Lock = await redlock.acquire(`other ${count}`);
        latencies.push(simulation.nowMs - askedAt);
        await lock.release();
        await machine.sleep(1);
      }
      return latencies;
    };
    const alone = percentile(await simulation.until(unrelated(simulation.nowMs + 2_000)), 0.95);
    const commandsBefore = scene.commands;
    await simulation.advance(2_000);
    const idle = scene.commands - commandsBefore;
    const askedAt = simulation.nowMs;
    const settled = Array.from({ length: 100 }, () =>
      redlock
        .semaphore('s', 300)
        .acquire({ waitTime: 2_000 })
        .then(
          () => Number.NaN,
          () => simulation.nowMs - askedAt,
        ),
    );
    const beside = unrelated(askedAt + 2_000);
    const longest = Math.max(...(await simulation.until(Promise.all(settled))));
    const p95 = percentile(await simulation.until(beside), 0.95);
    report('100 callers of 300 permits: the last one settled after', longest, 'ms of 2000');
    report('an unrelated lock, p95, alone', alone, `ms (${idle} commands of holders)`);
    report('an unrelated lock, p95, beside them', p95, 'ms');
    expect(longest).toBeLessThanOrEqual(2_100);
    expect(p95).toBeLessThanOrEqual(3 * alone);
  },
  LONGEST_TEST_MS,
);

test.each([{ callers: 1 }, { callers: 50 }])(
  'a program in which $callers callers wait for a permit costs at most half a command a second',
  async ({ callers }) => {
    const { scene, programs } = await sceneOf(2);
    const { simulation } = scene;
    const longMs = 300_000;
    const holder = only(programs).redlock;
    for (let count = 0; count < 8; count += 1) {
      await simulation.until(holder.semaphore('s', 8).acquire({ ttl: 10 * longMs }));
    }
    await simulation.until(holder.acquire('r', { ttl: 10 * longMs }));
    const waiter = only(programs, 1).redlock;
    const commandsOf = async (acquire: () => Promise<unknown>) => {
      const waiting = Promise.all(Array.from({ length: callers }, acquire)).catch(() => undefined);
      await simulation.advance(5_000);
      const before = scene.commands;
      await simulation.advance(longMs);
      const spent = scene.commands - before;
      await simulation.until(waiting);
      return (spent * 1_000) / longMs;
    };
    const options = { waitTime: longMs + 10_000 };
    const ofLock = await commandsOf(() => waiter.acquire('r', options));
    const ofPermits = await commandsOf(() => waiter.semaphore('s', 8).acquire(options));
    report(`${callers} waiters for a lock`, ofLock, 'commands/s of all nodes');
    report(`${callers} waiters for a permit`, ofPermits, 'commands/s of all nodes');
    expect(ofPermits).toBeLessThanOrEqual(0.5);
  },
  LONGEST_TEST_MS,
);

test.each([true, false])(
  'a program that hangs while a permit is reserved for it costs the others one grace, whether the holder waits: %s',
  async (holderWaits) => {
    const { scene, programs } = await sceneOf(4);
    const { simulation } = scene;
    const [holder, hanging, other] = [only(programs), only(programs, 1), only(programs, 2)];
    const locks: Lock[] = [];
    for (let count = 0; count < 2; count += 1)
      locks.push(await simulation.until(holder.redlock.semaphore('s', 2).acquire(PATIENT)));
    void hanging.redlock.semaphore('s', 2).acquire(PATIENT);
    await simulation.advance(200);
    const acquiring = other.redlock.semaphore('s', 2).acquire(PATIENT);
    await simulation.advance(200);
    if (holderWaits) void holder.redlock.semaphore('s', 2).acquire(PATIENT);
    await simulation.advance(5_000);
    hanging.machine.pause(60_000);
    const releasedAt = simulation.nowMs;
    await simulation.advance(1);
    await simulation.until(only(locks).release());
    await simulation.until(acquiring);
    const tookMs = simulation.nowMs - releasedAt;
    report('a waiter behind one that hangs', tookMs, 'ms');
    expect(tookMs).toBeLessThanOrEqual(2 * NODE_TIMEOUT_MS);
  },
  LONGEST_TEST_MS,
);

test(
  'a hundred programs that died while they waited cost the next one at most 100 ms',
  async () => {
    const { scene, programs } = await sceneOf(102);
    const { simulation } = scene;
    const lock = await simulation.until(only(programs).redlock.semaphore('s', 1).acquire(PATIENT));
    for (let dying = 1; dying <= 100; dying += 1) {
      void only(programs, dying).redlock.semaphore('s', 1).acquire(PATIENT);
    }
    await simulation.advance(1_000);
    const acquiring = only(programs, 101).redlock.semaphore('s', 1).acquire(PATIENT);
    await simulation.advance(1_000);
    for (let dying = 1; dying <= 100; dying += 1) only(programs, dying).machine.kill();
    await simulation.advance(100);
    const releasedAt = simulation.nowMs;
    void lock.release();
    await simulation.until(acquiring);
    const tookMs = simulation.nowMs - releasedAt;
    report('a waiter behind a hundred dead ones', tookMs, 'ms');
    expect(tookMs).toBeLessThanOrEqual(100);
  },
  LONGEST_TEST_MS,
);
