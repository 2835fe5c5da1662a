import { describe, expect, it } from 'vitest';
import { Turns } from '../../src/redlock/turns.ts';

describe('turns', () => {
  it('come one after the other, in the order they were taken', async () => {
    const turns = new Turns();
    const seen: number[] = [];
    const first = turns.take('k');
    const others = [1, 2, 3].map((n) => {
      const turn = turns.take('k');
      return turn.begun?.then(() => {
        seen.push(n);
        turn.end();
      });
    });
    expect(first.begun).toBeUndefined();
    expect(seen).toEqual([]);
    first.end();
    await Promise.all(others);
    expect(seen).toEqual([1, 2, 3]);
    expect(turns.take('k').begun).toBeUndefined();
  });

  it('that are left before they began are skipped, and nothing of them stays', async () => {
    const turns = new Turns();
    const first = turns.take('k');
    const left = Array.from({ length: 1_000 }, () => turns.take('k'));
    const last = turns.take('k');
    for (const turn of left) turn.end();
    first.end();
    await last.begun;
    last.end();
    expect(turns.take('k').begun).toBeUndefined();
  });

  it('may be ended twice, and all at once', async () => {
    const turns = new Turns();
    const first = turns.take('k');
    const second = turns.take('k');
    const third = turns.take('k');
    turns.dissolve('k');
    await Promise.all([second.begun, third.begun]);
    const next = turns.take('k');
    const waiting = turns.take('k');
    let hasBegun = false;
    void waiting.begun?.then(() => {
      hasBegun = true;
    });
    for (const turn of [first, second, third, third]) turn.end();
    await Promise.resolve();
    expect(hasBegun).toBe(false);
    next.end();
    await waiting.begun;
  });
});
