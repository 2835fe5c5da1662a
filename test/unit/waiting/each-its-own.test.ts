import { describe, expect, it } from 'vitest';
import { ClosedError, WaitTimeoutError } from '../../../src/index.ts';
import { Scene } from './scene.ts';

/** Callers of one process who wait for the lock of another one. */
async function waiters() {
  const scene = new Scene();
  const [holder, program] = await scene.programs(2);
  const held = await scene.simulation.until(holder.redlock.acquire('r'));
  return { scene, program, held };
}

/** What a call comes to, without rejecting. */
function outcomeOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    () => 'served',
    (error: unknown) => error,
  );
}

describe('every caller keeps its own', () => {
  it('ttl', async () => {
    const { scene, program, held } = await waiters();
    const ttls = [300, 20_000, 1_000];
    const locks = ttls.map((ttl) => scene.hold(program, String(ttl), 1, { ttl, waitTime: 60_000 }));
    await scene.simulation.advance(50);
    await scene.simulation.until(held.release());
    const got = await scene.simulation.until(Promise.all(locks));
    expect(got.map(({ ttl }) => ttl)).toEqual(ttls);
  });

  it('waitTime: a waiter that gives up leaves the others their places', async () => {
    const { scene, program, held } = await waiters();
    const { simulation } = scene;
    const outcomes = [400, 100, 60_000, 200, 60_000].map((waitTime, index) =>
      outcomeOf(scene.hold(program, String(index), 1, { waitTime })),
    );
    await simulation.advance(500);
    await simulation.until(held.release());
    const [first, second, third, fourth, fifth] = await simulation.until(Promise.all(outcomes));
    for (const error of [first, second, fourth]) {
      expect(error).toBeInstanceOf(WaitTimeoutError);
      // Callers that never spoke for themselves also know which holder had it.
      expect(error).toMatchObject({ holderRemainingTtl: expect.any(Number) });
    }
    expect([third, fifth]).toEqual(['served', 'served']);
    expect(scene.order).toEqual(['2', '4']);
  });

  it('signal: a waiter that is aborted, in whatever place, leaves the others theirs', async () => {
    for (const place of [0, 1, 2]) {
      const { scene, program, held } = await waiters();
      const controller = new AbortController();
      const outcomes = [0, 1, 2].map((index) => {
        const signal = index === place ? controller.signal : undefined;
        return outcomeOf(scene.hold(program, String(index), 1, { waitTime: 60_000, signal }));
      });
      await scene.simulation.advance(100);
      controller.abort('enough');
      expect(await outcomes[place]).toBe('enough');
      await scene.simulation.until(held.release());
      await scene.simulation.until(Promise.all(outcomes));
      expect(scene.order).toEqual(['0', '1', '2'].filter((name) => name !== String(place)));
      await scene.simulation.advance(1_000);
      expect(scene.keys).toEqual([]);
    }
  });

  it.each([0.1, 0.3, 0.5, 0.7])('signal: aborted %f ms into a hand-over', async (afterMs) => {
    const { scene, program, held } = await waiters();
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = outcomeOf(scene.hold(program, 'aborted', 1, { waitTime: 60_000, signal }));
    const other = scene.hold(program, 'other', 1);
    await scene.simulation.advance(100);
    const released = held.release();
    await scene.simulation.advance(afterMs);
    controller.abort('enough');
    await scene.simulation.until(Promise.all([aborted, other, released]));
    expect(scene.order.at(-1)).toBe('other');
    await scene.simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('end when its Redlock is closed; the nodes forget that it waited', async () => {
    const { scene, program, held } = await waiters();
    const outcomes = [0, 1, 2].map((index) => outcomeOf(scene.hold(program, String(index), 1)));
    await scene.simulation.advance(100);
    expect(scene.keys).toHaveLength(2);
    await scene.simulation.until(program.redlock.close());
    for (const error of await Promise.all(outcomes)) {
      expect(error).toBeInstanceOf(ClosedError);
      expect(error).toMatchObject({ resources: ['r'] });
    }
    expect(scene.keys).toEqual(['lock:r']);
    expect(program.machine.clock.pendingTimers).toBe(0);
    await scene.simulation.until(held.release());
    expect(scene.keys).toEqual([]);
  });
});

describe('with waitTime 0', () => {
  it('no caller of it waits, and no waiter is passed', async () => {
    const { scene, program, held } = await waiters();
    await expect(scene.simulation.until(program.redlock.acquire('r', { waitTime: 0 }))).rejects.toMatchObject(
      { code: 'QUORLOCK_HELD' },
    );
    expect(scene.keys).toEqual(['lock:r']);
    await scene.simulation.until(held.release());
  });
});
