import { describe, expect, it } from 'vitest';
import { WaitTimeoutError } from '../../../src/base/errors.ts';
import { instant } from '../../../src/base/sound-clock.ts';
import type { Lock } from '../../../src/lock/lock.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { Waiter } from '../../../src/waiting/waiter.ts';

/** A caller with 100 ms, 30 of which are over. */
async function waiting() {
  const clock = new VirtualClock();
  const signal = new AbortController();
  const log: string[] = [];
  const request = {
    ...{ resources: ['r'], ttl: 1_000, waitTime: 100, signal: signal.signal },
    ...{ ownHold: () => undefined, endsInOutage: () => false },
    attempt: () => Promise.reject(new Error('it makes none')),
  };
  const waiter = new Waiter(request, instant(clock), clock, {
    left: () => log.push('left'),
    late: () => log.push('late'),
  });
  await clock.advance(30);
  waiter.limit();
  return { clock, signal, log, waiter };
}

describe('a waiter', () => {
  it('is late when its waitTime is over, counted from the call', async () => {
    const { clock, log, waiter } = await waiting();
    await clock.advance(69);
    expect([...log, waiter.isLate]).toEqual([false]);
    await clock.advance(1);
    expect([...log, waiter.isLate]).toEqual(['late', true]);
  });

  it('is late once its timer has come, be the clock a little behind', async () => {
    const { clock, log, waiter } = await waiting();
    await clock.advance(70);
    clock.monotonic = () => 99.9;
    expect([...log, waiter.isLate]).toEqual(['late', true]);
  });

  it.each(['grant', 'fail', 'crash'] as const)('ends once (%s), and leaves no timer', async (how) => {
    const { clock, signal, log, waiter } = await waiting();
    const ends = {
      grant: () => waiter.grant({ token: 1 } as unknown as Lock),
      fail: () => waiter.fail({ outcome: 'held', votes: [] }),
      crash: () => waiter.crash('own'),
    };
    ends[how]();
    for (const end of Object.values(ends)) end();
    signal.abort();
    waiter.limit();
    const error = how === 'fail' ? expect.any(WaitTimeoutError) : 'own';
    if (how === 'grant') expect(await waiter.lock).toEqual({ token: 1 });
    else await expect(waiter.lock).rejects.toEqual(error);
    expect([...log, waiter.isWaiting, clock.pendingTimers]).toEqual([false, 0]);
  });

  it('leaves when its signal aborts, with the reason', async () => {
    const { clock, signal, log, waiter } = await waiting();
    signal.abort('own');
    await expect(waiter.lock).rejects.toBe('own');
    expect([...log, clock.pendingTimers]).toEqual(['left', 0]);
  });
});
