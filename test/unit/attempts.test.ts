import { describe, expect, it } from 'vitest';
import { LockHeldError, NoQuorumError, NotALockError } from '../../src/base/errors.ts';
import type { NodeVote } from '../../src/base/vote.ts';
import type { AttemptPlan } from '../../src/redlock/options.ts';
import type { Redlock } from '../../src/redlock.ts';
import { World } from './world.ts';

const PAUSE_MS = 200;

/** A plan, and the votes of each attempt that was made. */
function planOf(most: number) {
  const rounds: (readonly NodeVote[])[] = [];
  const made = (votes: readonly NodeVote[]) => void rounds.push(votes);
  return { rounds, attempts: { most, pauseMs: () => PAUSE_MS, made } };
}

async function failureOf(world: World, call: Promise<unknown>): Promise<unknown> {
  return await world.clock.runUntil(
    call.then(
      () => undefined,
      (reason: unknown) => reason,
    ),
  );
}

const KINDS = [
  {
    kind: 'a lock',
    acquire: (redlock: Redlock, attempts: AttemptPlan) => redlock.acquire('r', { attempts }),
  },
  {
    kind: 'a read lock',
    acquire: (redlock: Redlock, attempts: AttemptPlan) => redlock.readWrite('r').acquireRead({ attempts }),
  },
  {
    kind: 'a write lock',
    acquire: (redlock: Redlock, attempts: AttemptPlan) => redlock.readWrite('r').acquireWrite({ attempts }),
  },
];

describe.each(KINDS)('a call that is bounded by its attempts, for $kind', ({ acquire }) => {
  it.each([1, 2, 5])(
    'makes exactly %i, each one round, a pause apart, and leaves nothing behind',
    async (most) => {
      const world = new World(3);
      world.holdElsewhere('lock:r', 60_000);
      const redlock = world.redlock();
      await world.clock.runUntil(redlock.inspect('other'));
      const startedAtMs = world.clock.monotonic();
      const plan = planOf(most);
      const error = await failureOf(world, acquire(redlock, plan.attempts));
      expect(error).toBeInstanceOf(LockHeldError);
      expect(plan.rounds).toHaveLength(most);
      for (const votes of plan.rounds) {
        expect(votes.map(({ outcome }) => outcome)).toEqual(['held', 'held', 'held']);
      }
      const tookMs = world.clock.monotonic() - startedAtMs;
      expect(tookMs).toBeGreaterThan((most - 1) * PAUSE_MS);
      expect(tookMs).toBeLessThan((most - 1) * PAUSE_MS + 50);
      expect((await world.clock.runUntil(redlock.waiting('r'))).processes).toEqual([]);
    },
  );

  it.each<[string, () => unknown, object]>([
    [
      'throws',
      () => {
        throw new Error('no pause');
      },
      new Error('no pause'),
    ],
    ['is no number', () => '5', new TypeError('attempts.pauseMs() must be a number: got "5"')],
    ['is NaN', () => Number.NaN, new RangeError('attempts.pauseMs() must be at least 0: got NaN')],
    ['is negative', () => -1, new RangeError('attempts.pauseMs() must be at least 0: got -1')],
  ])('rejects where its pause %s, and leaves nothing behind', async (_, pauseMs, error) => {
    const world = new World(3);
    world.holdElsewhere('lock:r', 60_000);
    const redlock = world.redlock();
    const attempts = { most: 3, pauseMs } as AttemptPlan;
    expect(await failureOf(world, acquire(redlock, attempts))).toEqual(error);
    expect(redlock.held().waiting).toEqual([]);
    await world.clock.advance(50);
    expect((await world.clock.runUntil(redlock.waiting('r'))).processes).toEqual([]);
  });

  it('makes the next one as soon as a majority notifies it', async () => {
    const world = new World(3);
    const holder = world.redlock({}, world.machine());
    const redlock = world.redlock();
    const lock = await world.clock.runUntil(holder.acquire('r'));
    const plan = planOf(2);
    const waiting = acquire(redlock, plan.attempts);
    await world.clock.advance(50);
    await world.clock.runUntil(lock.release());
    await world.clock.advance(10);
    expect(plan.rounds).toHaveLength(2);
    expect((await waiting).remainingValidity()).toBeGreaterThan(0);
  });

  it('goes on in an outage, and makes no more attempts', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    for (const server of world.servers.slice(0, 2)) server.crash();
    const plan = planOf(4);
    expect(await failureOf(world, acquire(redlock, plan.attempts))).toBeInstanceOf(NoQuorumError);
    expect(plan.rounds).toHaveLength(4);
  });

  it('ends with its signal', async () => {
    const world = new World(3);
    world.holdElsewhere('lock:r', 60_000);
    const redlock = world.redlock();
    const controller = new AbortController();
    const plan = planOf(Number.POSITIVE_INFINITY);
    const waiting = redlock.acquire('r', { attempts: plan.attempts, signal: controller.signal });
    await world.clock.advance(1_000);
    const reason = new Error('no longer');
    controller.abort(reason);
    expect(await failureOf(world, waiting)).toBe(reason);
    const made = plan.rounds.length;
    await world.clock.advance(5_000);
    expect(plan.rounds).toHaveLength(made);
    expect(world.clock.pendingTimers).toBeLessThanOrEqual(1);
  });
});

const pauseMs = (): number => 1;

describe('attempts', () => {
  it('are counted for a permit, too', async () => {
    const world = new World(3);
    const holder = world.redlock({}, world.machine()).semaphore('r', 2);
    const [one, two] = await world.clock.runUntil(Promise.all([holder.acquire(), holder.acquire()]));
    const semaphore = world.redlock().semaphore('r', 2);
    const refused = planOf(3);
    const call = semaphore.acquire({ attempts: refused.attempts });
    expect(await failureOf(world, call)).toBeInstanceOf(LockHeldError);
    expect(refused.rounds).toHaveLength(3);
    const notified = planOf(2);
    const waiting = semaphore.acquire({ attempts: notified.attempts });
    await world.clock.advance(20);
    await world.clock.runUntil(one.release());
    await world.clock.advance(20);
    expect(notified.rounds).toHaveLength(2);
    expect((await waiting).remainingValidity()).toBeGreaterThan(0);
    expect(two.remainingValidity()).toBeGreaterThan(0);
  });

  it('are each caller’s own, also of callers of one process', async () => {
    const world = new World(3);
    world.holdElsewhere('lock:r', 60_000);
    const redlock = world.redlock();
    const plans = [planOf(3), planOf(3), planOf(3)];
    const errors = await failureOf(
      world,
      Promise.allSettled(plans.map(({ attempts }) => redlock.acquire('r', { attempts }))).then((results) => {
        throw results;
      }),
    );
    expect(errors).toMatchObject(plans.map(() => ({ status: 'rejected' })));
    expect(plans.map(({ rounds }) => rounds.length)).toEqual([3, 3, 3]);
  });

  it('serve callers of one process and of others in turn', async () => {
    const world = new World(3);
    const redlocks = [world.redlock(), world.redlock({}, world.machine())];
    let inside = 0;
    const served: number[] = [];
    const caller = async (index: number) => {
      const lock = await redlocks[index % 2]?.acquire('r', {
        attempts: planOf(Number.POSITIVE_INFINITY).attempts,
      });
      inside += 1;
      expect(inside).toBe(1);
      await new Promise<void>((resolve) => world.clock.after(3, resolve));
      inside -= 1;
      served.push(index);
      await lock?.release();
    };
    await world.clock.runUntil(Promise.all(Array.from({ length: 12 }, (_, index) => caller(index))));
    expect(served).toHaveLength(12);
  });

  it('end at once where the key is no lock', async () => {
    const world = new World(3);
    for (const server of world.servers) server.store.set('lock:r', 'data');
    const plan = planOf(5);
    expect(await failureOf(world, world.redlock().acquire('r', { attempts: plan.attempts }))).toBeInstanceOf(
      NotALockError,
    );
    expect(plan.rounds).toHaveLength(1);
  });

  it.each([
    [{ most: 0, pauseMs }, RangeError, /attempts\.most must be an integer from 1, or Infinity: got 0/],
    [{ most: '3', pauseMs }, TypeError, /attempts\.most must be an integer from 1, or Infinity: got "3"/],
    [{ most: 1.5, pauseMs }, RangeError, /attempts\.most must be .*: got 1\.5/],
    [{ most: 1, pauseMs: null }, TypeError, /attempts\.pauseMs must be a function: got null/],
    [{ most: 1 }, TypeError, /attempts\.pauseMs must be a function: got undefined/],
    [{ most: 1, pauseMs, made: 5 }, TypeError, /attempts\.made must be a function: got 5/],
    [{ most: 1, pauseMs, times: 5 }, TypeError, /there is no attempts option "times"/],
    [3, TypeError, /^attempts options must be an object of options: got 3$/],
  ])('%o are refused', async (attempts, type, message) => {
    const call = new World(3).redlock().acquire('r', { attempts: attempts as unknown as AttemptPlan });
    await expect(call).rejects.toThrow(type);
    await expect(call).rejects.toThrow(message);
  });
});
