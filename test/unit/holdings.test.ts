import { describe, expect, it } from 'vitest';
import type { Lock } from '../../src/index.ts';
import { Holdings } from '../../src/redlock/holdings.ts';
import { Scene } from './waiting/scene.ts';

describe('what the code that is running holds', () => {
  it('is no longer to be looked through for every using that it was once started in', async () => {
    const holdings = new Holdings();
    let looks = 0;
    const lock = {
      isShared: false,
      remainingValidity: () => {
        looks += 1;
        return 0;
      },
    } as unknown as Lock;
    const target = { keys: ['job'], fences: [], queues: [] };
    // Each run begins the next one, which goes on when the one that began it has ended.
    const run = async (left: number): Promise<number> => {
      let next: Promise<number> | undefined;
      await holdings.during(lock, target, async () => {
        next = left === 0 ? undefined : Promise.resolve().then(() => run(left - 1));
        await undefined;
      });
      if (next !== undefined) return await next;
      looks = 0;
      holdings.touching(target);
      return looks;
    };
    expect(await run(100)).toBeLessThanOrEqual(1);
  });

  it('is what it was before where a routine has ended', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('there is no program');
    const { redlock } = program;
    let later: (() => Promise<unknown>) | undefined;
    const used = redlock.using('outer', {}, () =>
      redlock.using('inner', {}, () => {
        later = () => redlock.acquire('inner', { waitTime: 1_000 });
      }),
    );
    await scene.simulation.until(used);
    await expect(scene.simulation.until(later?.() ?? Promise.reject())).resolves.toBeDefined();
  });
});
