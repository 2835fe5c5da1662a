import { describe, expect, it } from 'vitest';
import { type Program, Scene } from './scene.ts';

/** A program that waits for another one's lock, which is held for a minute, and has done so for two seconds. */
async function waitingScene(): Promise<{ scene: Scene; waiter: Program; served: Promise<unknown> }> {
  const scene = new Scene();
  const [holder, waiter] = await scene.programs(2, { ttl: 60_000, maxTtl: 60_000 });
  await scene.simulation.until(holder.redlock.acquire('r'));
  const served = waiter.redlock.acquire('r', { waitTime: 100_000 });
  await scene.simulation.advance(2_000);
  return { scene, waiter, served };
}

describe('a recheck', () => {
  it('is one command, as long as a node says that there is a reason to wait', async () => {
    const { scene } = await waitingScene();
    const before = scene.commands;
    await scene.simulation.advance(20_000);
    const rechecks = scene.commands - before;
    expect(rechecks).toBeGreaterThanOrEqual(10);
    expect(rechecks).toBeLessThanOrEqual(20);
  });

  it('has a waiter enter anew whose place was lost', async () => {
    const { scene, waiter } = await waitingScene();
    const { simulation } = scene;
    for (const { store } of simulation.nodes) store.delete('quorlock:queue:lock:r');
    await simulation.advance(2_100);
    const { processes } = await simulation.until(waiter.redlock.waiting('r'));
    expect(processes.map(({ nodes }) => nodes)).toEqual([5]);
  });

  it('finds out that a holder has gone without a word', async () => {
    const { scene, served } = await waitingScene();
    const { simulation } = scene;
    for (const { store } of simulation.nodes) store.delete('lock:r');
    const before = simulation.nowMs;
    await simulation.until(served);
    expect(simulation.nowMs - before).toBeLessThan(2_100);
  });
});
