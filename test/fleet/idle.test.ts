import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { startDeployment } from '../support/deployment.ts';
import { runProgram } from '../support/programs.ts';

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

/** A program that has nothing else to do, so that its event loop sleeps. */
async function idleProgram(code: string): Promise<string> {
  const { output, errors } = await runProgram(code, fleet.urls);
  expect(errors).toBe('');
  return output;
}

describe('in a program that only waits', () => {
  it('a timer that does not keep the program running is in time all the same', async () => {
    const output = await idleProgram(`
      const { SystemClock } = await import('./src/base/clock.ts');
      const wait = setTimeout(() => undefined, 15_000);
      const since = performance.now();
      new SystemClock().after(
        50,
        () => {
          // What it would wait for without being woken comes much later.
          console.log(performance.now() - since < 5_000 ? 'in time' : 'when something else woke it up');
          clearTimeout(wait);
        },
        { keepAlive: false },
      );`);
    expect(output).toBe('in time');
  });

  it('a lock in using is kept, and one that is not extended says when it has ended', async () => {
    const output = await idleProgram(`
      const { Redlock } = await import('./src/index.ts');
      const redlock = new Redlock(args);
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      await redlock.using('kept', { ttl: 3_000 }, async (lock) => {
        await sleep(4_500);
        lock.assertHeld();
        console.log('kept');
      });
      const lock = await redlock.acquire('left', { ttl: 1_000 });
      const wait = setTimeout(() => console.log('something else woke it up'), 15_000);
      lock.signal.addEventListener('abort', () => {
        console.log('ended');
        clearTimeout(wait);
        void redlock.close();
      });`);
    expect(output).toBe('kept\nended');
  });

  it('a timer that does not keep the program running does not keep it running', async () => {
    const output = await idleProgram(`
      const { SystemClock } = await import('./src/base/clock.ts');
      new SystemClock().after(50, () => console.log('ran'), { keepAlive: false });`);
    expect(output).toBe('');
  });
});
