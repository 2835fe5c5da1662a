import { describe, expect, it } from 'vitest';
import type { NodeVote } from '../../../src/index.ts';
import { Sleep } from '../../../src/redlock/sleep.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { SeededRandom } from '../../../src/testing/seeded-random.ts';
import { type Program, Scene } from './scene.ts';

/** A program that waits for another one's lock, which is held for a minute, and has done so for two seconds. */
async function waitingScene(): Promise<{ scene: Scene; waiter: Program; served: Promise<unknown> }> {
  const scene = new Scene();
  const [holder, waiter] = await scene.programs(2, { ttl: 60_000, maxTtl: 60_000 });
  if (holder === undefined || waiter === undefined) throw new Error('too few');
  await scene.simulation.until(holder.redlock.acquire('r'));
  const served = waiter.redlock.acquire('r', { waitTime: 100_000 });
  await scene.simulation.advance(2_000);
  return { scene, waiter, served };
}

describe('a doubt', () => {
  it('is one command, as long as a node says that there is a reason to wait', async () => {
    const { scene } = await waitingScene();
    const before = scene.commands;
    await scene.simulation.advance(20_000);
    const doubts = scene.commands - before;
    expect(doubts).toBeGreaterThanOrEqual(10);
    expect(doubts).toBeLessThanOrEqual(20);
  });

  it('has somebody wait anew whose place was lost', async () => {
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

describe('Sleep', () => {
  const HELD: readonly NodeVote[] = Array.from({ length: 3 }, (_, index) => ({
    node: `node-${index}`,
    latencyMs: 1,
    outcome: 'held',
    remainingTtl: 10_000,
  }));
  const sleepOf = (clock = new VirtualClock()) => new Sleep(clock, new SeededRandom(1));

  /** After an attempt in vain, while which something happened. */
  function lostWhile(happens: (sleep: Sleep) => void, clock?: VirtualClock): Sleep {
    const sleep = sleepOf(clock);
    sleep.asks();
    happens(sleep);
    sleep.lost({ outcome: 'held', votes: HELD });
    return sleep;
  }

  it('is sound until a call comes or may have been missed, or the keys should have expired', async () => {
    const clock = new VirtualClock();
    const sleep = sleepOf(clock);
    const lose = () => {
      sleep.asks();
      sleep.lost({ outcome: 'held', votes: HELD });
    };
    expect(sleep.isSound).toBe(false);
    lose();
    expect(sleep.isSound).toBe(true);
    sleep.stir();
    expect(sleep.isSound).toBe(false);
    lose();
    expect(sleep.isSound).toBe(true);
    sleep.missed();
    expect(sleep.isSound).toBe(false);
    lose();
    await clock.advance(10_010);
    expect(sleep.isSound).toBe(false);
    lose();
    sleep.asks();
    expect(sleep.isSound).toBe(false);
  });

  it('ends soon where calls may have been missed, be it while it was asking', () => {
    const sleep = lostWhile((asking) => asking.missed());
    expect(sleep.isSound).toBe(false);
    expect(sleep.untilDoubtMs(1)).toBeLessThanOrEqual(200);
  });

  it('counts with a call that came while it was asking', () => {
    expect(lostWhile((asking) => asking.stir()).isSound).toBe(false);
  });

  it('ends when the keys should have expired, however often it has doubted before', async () => {
    const clock = new VirtualClock();
    const sleep = lostWhile(() => {}, clock);
    await clock.advance(9_900);
    expect(sleep.untilDoubtMs(1)).toBeLessThanOrEqual(106);
  });

  it('is no sleep where the attempt failed in another way', () => {
    const sleep = sleepOf();
    sleep.asks();
    sleep.lost({ outcome: 'no-quorum', votes: [] });
    expect(sleep.isSound).toBe(false);
  });
});
