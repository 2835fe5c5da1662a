import { expect, it } from 'vitest';
import { SystemClock } from '../../src/base/clock.ts';

/** Resolves with how much later than it was due a timer came, in milliseconds. */
function latenessOf(clock: SystemClock, delayMs: number): Promise<number> {
  const startedAtMs = clock.monotonic();
  return new Promise((resolve) => {
    clock.after(delayMs, () => resolve(clock.monotonic() - startedAtMs - delayMs));
  });
}

it("a timer never comes before it is due, though Node's own do", async () => {
  const clock = new SystemClock();
  const early: number[] = [];
  for (let round = 0; round < 100; round += 1) {
    const delays = Array.from({ length: 20 }, (_, at) => 1 + at / 20);
    const lateness = await Promise.all(delays.map((delayMs) => latenessOf(clock, delayMs)));
    early.push(...lateness.filter((ms) => ms < 0));
  }
  expect(early).toEqual([]);
});

it('a timer beyond the range of those of Node does not come at once', async () => {
  const clock = new SystemClock();
  let times = 0;
  const timer = clock.after(2 ** 31 + 1_000, () => {
    times += 1;
  });
  // What Node can not count it takes for one millisecond.
  await latenessOf(clock, 20);
  timer.cancel();
  expect(times).toBe(0);
});
