import { beforeEach, describe, expect, it } from 'vitest';
import { Limiter } from '../../src/quorum/limiter.ts';
import { VirtualClock } from '../../src/testing/index.ts';

describe('Limiter', () => {
  const clock = new VirtualClock();
  let limiter: Limiter;
  /** Rounds under way, each with what ends it. */
  let held: { readonly name: string; end(): void }[];

  beforeEach(() => {
    limiter = new Limiter(clock);
    held = [];
  });

  /** Asks for a round over this number of keys, with names of this number of characters. */
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

  /** The first rounds under way end, as many as `count`, and others take their places. */
  async function end(count: number): Promise<void> {
    for (const round of held.splice(0, count)) round.end();
    await clock.advance(0);
  }

  /** All rounds end, and those that take their places. Returns their names, in the order in which they began. */
  async function endAll(): Promise<readonly string[]> {
    const ended: string[] = [];
    await clock.advance(0);
    while (held.length > 0) {
      ended.push(...names());
      await end(held.length);
    }
    return ended;
  }

  it('holds a round within the call where there is room, and gives its result', async () => {
    const result = ask('one');
    expect(names()).toEqual(['one']);
    await end(1);
    await expect(result).resolves.toBe('one');
    // So it does after others had to wait.
    askForMany(200);
    await endAll();
    askForMany(64);
    expect(held).toHaveLength(64);
    askForMany(1);
    expect(held).toHaveLength(64);
    await clock.advance(0);
    expect(held).toHaveLength(65);
  });

  it('has no more than 128 under way, at least 64 while others wait, and those in order', async () => {
    const results: string[] = [];
    for (let index = 0; index < 1_000; index += 1)
      void ask(`${index}`).then((result) => results.push(result));
    await clock.advance(0);
    expect(held).toHaveLength(128);
    const seen: string[] = [];
    for (const count of [1, 63, 1, 10, 64, 31, 2]) {
      seen.push(...names().slice(0, count));
      await end(count);
      // One that comes now does not pass those that wait.
      if (count === 1) void ask('late');
      expect(held).toHaveLength(seen.length === 1 ? 127 : 64);
    }
    seen.push(...(await endAll()));
    const all = Array.from({ length: 1_000 }, (_, index) => `${index}`);
    expect(seen).toEqual([...all, 'late', 'late']);
    expect(results).toEqual(all);
  });

  it('begins as many together as have ended together', async () => {
    askForMany(1_000);
    await clock.advance(0);
    await end(64);
    for (const round of held.splice(0)) round.end();
    while (held.length === 0) await Promise.resolve();
    await Promise.resolve();
    expect(held).toHaveLength(64);
  });

  it('counts a round over many keys as several, and has one that is too many alone in the queue', async () => {
    askForMany(8, 64);
    expect(held).toHaveLength(8);
    askForMany(18, 64);
    await clock.advance(0);
    expect(held).toHaveLength(8 + 8);
    await end(8);
    expect(held).toHaveLength(8);
    await end(8);
    expect(held).toHaveLength(8);
    void ask('all', 1_000);
    void ask('one');
    await end(8);
    expect(held).toHaveLength(2);
    await end(1);
    expect(held).toHaveLength(1);
    await end(1);
    expect(names()).toEqual(['all']);
    await end(1);
    expect(names()).toEqual(['one']);
  });

  it('counts a round over up to eight keys as one, and very long names as more keys', async () => {
    askForMany(70, 8);
    expect(held).toHaveLength(64);
    await endAll();
    askForMany(70, 9);
    expect(held).toHaveLength(32);
    await endAll();
    for (let index = 0; index < 10; index += 1) void ask('long', 1, 128 * 1_024);
    expect(held).toHaveLength(4);
  });

  it('has one that waits for several places begin with its last one', async () => {
    askForMany(64 + 60);
    void ask('many', 64);
    await clock.advance(0);
    await end(64);
    await end(3);
    expect(names()).not.toContain('many');
    await end(1);
    expect(names()).toContain('many');
    expect(held).toHaveLength(57);
  });

  it('gives a round up that has waited for too long, and holds none in its place', async () => {
    askForMany(128);
    await clock.advance(0);
    const asked: string[] = [];
    const late = (name: string, keyCount: number, mostMs: number, untilMs?: number) =>
      limiter.run(
        { keys: Array.from({ length: keyCount }, () => 'k') },
        async (isTooLate = false) => {
          asked.push(`${name} ${isTooLate ? 'given up' : 'held'} at ${clock.monotonic()}`);
          return name;
        },
        mostMs,
        untilMs,
      );
    const startedAtMs = clock.monotonic();
    const rounds = [
      late('one', 1, 200),
      late('many', 64, 300),
      // The end of a wait may be near, or over: it has a moment all the same.
      late('soon', 1, 300, clock.uptime() + 10),
      late('in time', 1, 1_000, clock.uptime() + 2_000),
    ];
    await clock.advance(500);
    expect(asked.map((what) => what.replace(/\d+$/, (at) => `${Number(at) - startedAtMs}`))).toEqual([
      'soon given up at 50',
      'one given up at 200',
      'many given up at 300',
    ]);
    await endAll();
    await expect(Promise.all(rounds)).resolves.toEqual(['one', 'many', 'soon', 'in time']);
    expect(asked).toHaveLength(4);
    expect(asked[3]).toContain('in time held');
    await clock.advance(5_000);
    expect([asked.length, clock.pendingTimers]).toEqual([4, 0]);
  });

  it.each([
    ['at once', 1, 1],
    ['after waiting', 200, 1],
    ['with several places', 200, 64],
  ])('goes on after a round that fails %s', async (_, before, keyCount) => {
    askForMany(before - 1);
    const keys = Array.from({ length: keyCount }, () => 'k');
    const failure = limiter.run({ keys }, () => Promise.reject(new Error('no')));
    const isRejected = expect(failure).rejects.toThrow('no');
    await endAll();
    await isRejected;
    askForMany(200);
    await clock.advance(0);
    expect(held).toHaveLength(128);
  });
});
