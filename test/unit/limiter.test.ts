import { beforeEach, describe, expect, it } from 'vitest';
import { Limiter } from '../../src/quorum/limiter.ts';
import { VirtualClock } from '../../src/testing/index.ts';

const TIMEOUT_MS = 50;

describe('Limiter', () => {
  let clock: VirtualClock;
  let limiter: Limiter;
  /** Rounds under way, each with what ends it. */
  let held: { readonly name: string; end(): void }[];

  beforeEach(() => {
    clock = new VirtualClock();
    limiter = new Limiter(clock);
    held = [];
  });

  function hold(name: string): Promise<string> {
    return new Promise((resolve) => {
      held.push({ name, end: () => resolve(name) });
    });
  }

  function ask(count: number): void {
    for (let index = 0; index < count; index += 1) {
      void limiter.run('take', TIMEOUT_MS, () => hold(`${index}`));
    }
  }

  /** The rounds under way end after so many milliseconds, and others take their places. Returns how many. */
  async function endAll(afterMs: number): Promise<number> {
    await clock.advance(afterMs);
    for (const { end } of held.splice(0)) end();
    await clock.advance(0);
    return held.length;
  }

  it('holds a round within the call where there is room, and gives its result', async () => {
    const result = limiter.run('take', TIMEOUT_MS, () => hold('one'));
    expect(held.map(({ name }) => name)).toEqual(['one']);
    await endAll(1);
    await expect(result).resolves.toBe('one');
  });

  it('has no more than 128 under way at first, and eight more after every round', async () => {
    ask(10_000);
    expect(held).toHaveLength(128);
    let before = 128;
    for (let round = 0; round < 10; round += 1) {
      const after = await endAll(1);
      expect(after - before).toBeGreaterThanOrEqual(7);
      expect(after - before).toBeLessThanOrEqual(8);
      before = after;
    }
    expect(before).toBeGreaterThan(200);
  });

  it('has half as many after a round that took too long, and never fewer than 64', async () => {
    ask(10_000);
    for (let round = 0; round < 20; round += 1) await endAll(1);
    const before = held.length;
    expect(await endAll(TIMEOUT_MS * 0.75)).toBeGreaterThan(before);
    const most = held.length;
    expect(await endAll(TIMEOUT_MS)).toBe(Math.floor(most / 2));
    for (let round = 0; round < 3; round += 1) await endAll(TIMEOUT_MS);
    expect(held).toHaveLength(64);
  });

  it('never has more than 384', async () => {
    ask(300_000);
    let most = 0;
    while (held.length > 0) most = Math.max(most, await endAll(1));
    expect(most).toBe(384);
  });

  it('is first come first served, but for what is more urgent', async () => {
    ask(128);
    const order: string[] = [];
    const later = (priority: 'keep' | 'release' | 'take', name: string) =>
      void limiter.run(priority, TIMEOUT_MS, () => {
        order.push(name);
        return hold(name);
      });
    later('take', 'take 1');
    later('release', 'give back 1');
    later('take', 'take 2');
    later('keep', 'keep 1');
    later('release', 'give back 2');
    expect(order).toEqual([]);
    await endAll(1);
    expect(order).toEqual(['keep 1', 'give back 1', 'give back 2', 'take 1', 'take 2']);
  });

  it('counts a round over several keys as that many, and holds one that is too many alone', async () => {
    for (let index = 0; index < 10; index += 1) {
      void limiter.run('take', TIMEOUT_MS, () => hold(`${index}`), 50);
    }
    void limiter.run('take', TIMEOUT_MS, () => hold('all'), 1_000);
    void limiter.run('take', TIMEOUT_MS, () => hold('one'));
    expect(held.map(({ name }) => name)).toEqual(['0', '1']);
    const seen: string[][] = [];
    while (held.length > 0) {
      seen.push(held.map(({ name }) => name));
      await endAll(1);
    }
    expect(seen.flat()).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'all', 'one']);
    expect(seen.find((names) => names.includes('all'))).toEqual(['all']);
  });

  it('goes on after a round that fails', async () => {
    const failure = limiter.run('take', TIMEOUT_MS, () => Promise.reject(new Error('no')));
    await expect(failure).rejects.toThrow('no');
    ask(200);
    expect(held).toHaveLength(128);
  });
});
