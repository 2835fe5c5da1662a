import { beforeEach, describe, expect, it } from 'vitest';
import { Limiter } from '../../src/quorum/limiter.ts';
import { VirtualClock } from '../../src/testing/index.ts';

describe('Limiter', () => {
  const clock = new VirtualClock();
  let limiter: Limiter;
  /** Rounds under way, each with what ends it. */
  let held: { readonly name: string; end(): void }[];

  beforeEach(() => {
    limiter = new Limiter();
    held = [];
  });

  /** Asks for a round over so many keys, with a name that has so many characters for each of them. */
  function ask(name: string, keyCount = 1, characters = 1): Promise<string> {
    const keys = Array.from({ length: keyCount }, () => 'k'.repeat(characters));
    const hold = () =>
      new Promise<string>((resolve) => {
        held.push({ name, end: () => resolve(name) });
      });
    return limiter.run({ keys }, hold);
  }

  function askForMany(count: number, keyCount = 1): void {
    for (let index = 0; index < count; index += 1) void ask(`${index}`, keyCount);
  }

  const names = () => held.map(({ name }) => name);

  /** The first so many rounds under way end, and others take their places. */
  async function end(count: number): Promise<void> {
    for (const round of held.splice(0, count)) round.end();
    await clock.advance(0);
  }

  it('holds a round within the call where there is room, and gives its result', async () => {
    const result = ask('one');
    expect(names()).toEqual(['one']);
    await end(1);
    await expect(result).resolves.toBe('one');
    // So it does after others had to wait.
    askForMany(65);
    await end(64);
    await end(1);
    void ask('another');
    expect(names()).toEqual(['another']);
  });

  it('has 64 under way, never more, and the others in order as these end', async () => {
    const results: string[] = [];
    for (let index = 0; index < 1_000; index += 1)
      void ask(`${index}`).then((result) => results.push(result));
    expect(names()).toHaveLength(64);
    const seen: string[] = [];
    for (const count of [1, 1, 10, 64, 63, 2, 64]) {
      seen.push(...names().slice(0, count));
      await end(count);
      expect(names()).toHaveLength(64);
    }
    while (held.length > 0) {
      seen.push(...names());
      await end(64);
    }
    const all = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    expect(seen).toEqual(all);
    expect(results).toEqual(all);
  });

  it('counts a round over many keys as several, and holds one that is too many alone', async () => {
    askForMany(25, 50);
    void ask('all', 1_000);
    void ask('one');
    const seen: string[][] = [];
    while (held.length > 0) {
      seen.push(names());
      await end(64);
    }
    expect(seen.map(({ length }) => length)).toEqual([10, 10, 5, 1, 1]);
    expect(seen.slice(3)).toEqual([['all'], ['one']]);
  });

  it('counts a round over up to eight keys as one, and very long names as more keys', async () => {
    askForMany(70, 8);
    expect(held).toHaveLength(64);
    await end(64);
    await end(6);
    askForMany(70, 9);
    expect(held).toHaveLength(56);
    while (held.length > 0) await end(64);
    for (let index = 0; index < 10; index += 1) void ask('long', 1, 200 * 1_024);
    expect(held).toHaveLength(2);
  });

  it('lets none pass one that waits for more room', async () => {
    askForMany(63);
    void ask('many', 50);
    void ask('small');
    await clock.advance(0);
    expect(held).toHaveLength(63);
    await end(5);
    expect(held).toHaveLength(58);
    await end(1);
    expect(names().slice(57)).toEqual(['many']);
    await end(1);
    expect(names().slice(56)).toEqual(['many', 'small']);
  });

  it.each([
    ['at once', 1],
    ['after waiting', 100],
  ])('goes on after a round that fails %s', async (_, before) => {
    askForMany(before - 1);
    const failure = limiter.run({ keys: ['k'] }, () => Promise.reject(new Error('no')));
    const isRejected = expect(failure).rejects.toThrow('no');
    while (held.length > 0) await end(64);
    await isRejected;
    askForMany(200);
    expect(held).toHaveLength(64);
  });
});
