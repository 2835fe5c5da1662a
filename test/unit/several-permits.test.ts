import { describe, expect, it } from 'vitest';
import { underPermits } from '../../examples/recipes/permits.ts';
import { LockLostError } from '../../src/index.ts';
import { findOverAdmissions, type Occupancy } from '../../src/testing/checkers/over-admission.ts';
import { type Program, sceneOf } from './waiting/scene.ts';
import { at } from './world.ts';

describe('several permits', () => {
  it('are held all or not at all, and no caller waits for ever', async () => {
    const { simulation, programs } = await sceneOf(3);
    const taken: Occupancy[] = [];
    const use = async ({ machine, redlock }: Program, holder: string) => {
      for (let round = 0; round < 15; round += 1) {
        const count = 1 + (round % 3);
        await underPermits(redlock, { semaphore: 's', permits: 4, count }, async (held) => {
          const from = simulation.nowMs;
          await machine.sleep(3);
          for (const permit of held) permit.assertHeld();
          taken.push({ holder, from, to: simulation.nowMs, permits: held.length });
        });
      }
    };
    const names = ['a', 'b', 'c', 'd'];
    const all = programs.flatMap((program, index) => names.map((name) => use(program, `${index}${name}`)));
    await simulation.until(Promise.all(all));
    expect(taken).toHaveLength(15 * 12);
    expect(findOverAdmissions(taken, 4)).toEqual([]);
    expect(findOverAdmissions(taken, 3).length).toBeGreaterThan(0);
  });

  it('are kept alive while the routine runs, and given back', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [mine, other] = [at(programs, 0), at(programs, 1)];
    const wanted = { semaphore: 's', permits: 2, count: 2, ttl: 500 };
    const using = underPermits(mine.redlock, wanted, async (held, signal) => {
      await mine.machine.sleep(3_000);
      for (const permit of held) permit.assertHeld();
      expect(signal.aborted).toBe(false);
      return held.map(({ token }) => token);
    });
    await simulation.advance(2_000);
    expect(await simulation.until(other.redlock.semaphore('s', 2).tryAcquire())).toBeNull();
    const tokens = await simulation.until(using);
    expect(tokens.every((token) => token > 0)).toBe(true);
    expect(await simulation.until(underPermits(other.redlock, wanted, (held) => held.length))).toBe(2);
  });

  it('are none for a caller that leaves, and a caller that wants a single one gets it', async () => {
    const { simulation, programs } = await sceneOf(3);
    const [holder, many, one] = programs.map(({ redlock }) => redlock);
    if (holder === undefined || many === undefined || one === undefined) throw new Error('too few');
    const held = await simulation.until(holder.semaphore('s', 2).acquire());
    const leaving = new AbortController();
    const wanted = { semaphore: 's', permits: 2, count: 2, signal: leaving.signal };
    const waiting = underPermits(many, wanted, () => 'never').catch((error: unknown) => error);
    await simulation.advance(100);
    leaving.abort('enough');
    expect(await simulation.until(waiting)).toBe('enough');
    const lock = await simulation.until(one.semaphore('s', 2).acquire({ waitTime: 100 }));
    lock.assertHeld();
    held.assertHeld();
  });

  it('are waited for no more as soon as one of them is lost', async () => {
    const { simulation, programs } = await sceneOf(2);
    const [mine, theirs] = [at(programs, 0), at(programs, 1)];
    const other = await simulation.until(theirs.redlock.semaphore('s', 2).acquire({ ttl: 10_000 }));
    const wanted = { semaphore: 's', permits: 2, count: 2, ttl: 1_000 };
    const waiting = underPermits(mine.redlock, wanted, () => 'never').catch((error: unknown) => error);
    await simulation.advance(200);
    mine.machine.pause(3_000);
    expect(await simulation.until(waiting)).toBeInstanceOf(LockLostError);
    other.assertHeld();
  });

  it('tell at once when one of them is lost', async () => {
    const { simulation, programs } = await sceneOf(1);
    const wanted = { semaphore: 's', permits: 3, count: 2 };
    const using = underPermits(at(programs, 0).redlock, wanted, async (held, signal) => {
      expect(signal.aborted).toBe(false);
      await at(held, 1).release();
      expect(signal.aborted).toBe(true);
      expect(signal.reason).toMatchObject({ code: 'QUORLOCK_RELEASED' });
    });
    await simulation.until(using);
  });

  it('are refused if they are more than the semaphore has', async () => {
    const { programs } = await sceneOf(1);
    const wanted = { semaphore: 's', permits: 2, count: 3 };
    await expect(underPermits(at(programs, 0).redlock, wanted, () => 'never')).rejects.toThrow(
      new RangeError("count must be from 1 to the semaphore's permits (2): got 3"),
    );
  });
});
