import { describe, expect, it } from 'vitest';
import { instant } from '../../../src/base/sound-clock.ts';
import type { NodeVote } from '../../../src/base/vote.ts';
import { Attempts, LockValues } from '../../../src/lock/attempts.ts';
import type { LeaseDeps } from '../../../src/lock/lease.ts';
import type { ContendOptions } from '../../../src/quorum/round.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import { TOKENS_A_LEASE } from '../../../src/wire/operation.ts';

/** The drift allowance is 12 ms of it. */
const TTL = 1_000;

const votesOf = (rest: object): readonly NodeVote[] =>
  [0, 1, 2].map((index) => ({ node: `n${index}`, latencyMs: 1, ...rest }) as NodeVote);
const GRANTED = votesOf({ outcome: 'granted', counter: 108 });
const HELD = votesOf({ outcome: 'held', remainingTtl: 1_000 });
const SILENT = votesOf({ outcome: 'failed', reason: 'disconnected', message: '' });

/** Attempts at nodes that answer so, after that number of milliseconds, beside what they hear. */
function stageOf(votes: readonly NodeVote[], { afterMs = 1, isConnected = true } = {}) {
  const clock = new VirtualClock();
  const heard: unknown[][] = [];
  const granted = votes === GRANTED;
  const ask =
    (name: string) =>
    async (_target: unknown, value: string, ...[, token, , previous]: readonly unknown[]) => {
      const startedAt = instant(clock);
      heard.push(name === 'acquire' ? [name, value] : [name, value, token, previous]);
      await new Promise<void>((resolve) => clock.after(afterMs, resolve));
      return { granted, votes, startedAt, token: name === 'acquire' ? 108 : token };
    };
  const deps = {
    quorum: {
      ...{ isConnected, acquire: ask('acquire'), extend: ask('extend') },
      rollBack: async (_: unknown, value: string, { waiter }: { waiter: unknown }) => {
        heard.push(['roll back', value, waiter]);
      },
      background: () => undefined,
      releaseLater: (_: unknown, value: string) => heard.push(['release later', value]),
      connected: async (timeoutMs: number) => heard.push(['connected', timeoutMs]),
    },
    ...{ clock, driftFactor: 0.01, nodeTimeout: 50, releaseTimeout: 50 },
  } as unknown as LeaseDeps;
  const values = new LockValues({ fraction: () => 0, identifier: () => 'id' }, '');
  const attempts = new Attempts({ deps, values, connectTimeout: 700 });
  return { clock, heard, attempts };
}

const termsOf = (sharers?: string) => ({
  ...{ resources: ['r'], ttl: TTL },
  target: { keys: ['r'], fences: ['f'], queues: ['q'], sharers },
});
const value = (heard: readonly unknown[][], index: number) => heard[index]?.[1];

describe('one attempt', () => {
  it.each([
    ['a lock', undefined, 109 - TOKENS_A_LEASE, true],
    ['a share, which is not handed over', 'sh', 108, false],
  ])('that is granted is a lease of %s', async (_, sharers, token, may) => {
    const { clock, attempts, heard } = stageOf(GRANTED);
    const attempt = await clock.runUntil(attempts.make(termsOf(sharers)));
    if (attempt.outcome !== 'acquired') throw new Error(attempt.outcome);
    expect(attempt.lease.handTo({}, () => undefined)).toBe(token);
    expect(attempt.lease.mayBeHandedOver).toBe(may);
    expect(heard).toHaveLength(1);
  });

  it.each([
    [987.5, 'acquired'],
    [988, 'expired'],
    [989, 'expired'],
  ])('that takes %f of 1,000 ms, 12 of which are for drift, is %s', async (afterMs, outcome) => {
    for (const way of ['make', 'adopt'] as const) {
      const { clock, attempts, heard } = stageOf(GRANTED, { afterMs });
      const call =
        way === 'make'
          ? attempts.make(termsOf())
          : attempts.adopt(termsOf(), { value: 'old', token: 103, counter: 108 });
      expect((await clock.runUntil(call)).outcome).toBe(outcome);
      expect(heard.some(([what]) => what === 'roll back')).toBe(outcome === 'expired');
    }
  });

  it('that is refused is rolled back, and its waiter enters the queues', async () => {
    const { clock, attempts, heard } = stageOf(HELD, { isConnected: false });
    const waiter = { member: 'p.1', since: 1 };
    expect((await clock.runUntil(attempts.make(termsOf(), { waiter }))).outcome).toBe('held');
    expect(heard).toEqual([
      ['acquire', value(heard, 0)],
      ['roll back', value(heard, 0), waiter],
    ]);
  });

  it('that finds nodes that may be new is made once more, with another value, when they have had time', async () => {
    const { clock, attempts, heard } = stageOf(SILENT, { isConnected: false });
    expect((await clock.runUntil(attempts.make(termsOf()))).outcome).toBe('no-quorum');
    const [first, second] = [value(heard, 0), value(heard, 3)];
    expect(second).not.toBe(first);
    expect(heard).toEqual([
      ['acquire', first],
      ['roll back', first, undefined],
      ['connected', 700],
      ['acquire', second],
      ['roll back', second, undefined],
    ]);
  });

  it.each<[string, readonly NodeVote[], boolean, ContendOptions | undefined]>([
    ['of a caller that waits', SILENT, false, { waiter: undefined }],
    ['at nodes that are all known', SILENT, true, undefined],
    ['that nodes refuse', HELD, false, undefined],
  ])('%s is made once', async (_, votes, isConnected, contend) => {
    const { clock, attempts, heard } = stageOf(votes, { isConnected });
    await clock.runUntil(attempts.make(termsOf(), contend));
    expect(heard.map(([what]) => what)).toEqual(['acquire', 'roll back']);
  });
});

describe('the attempt to adopt a lock', () => {
  it('extends it with a counter that is one higher, has its tokens from the holder’s on, and ends the old value', async () => {
    const { clock, attempts, heard } = stageOf(GRANTED);
    const handed = { value: 'old', token: 103, counter: 108 };
    const attempt = await clock.runUntil(attempts.adopt(termsOf(), handed));
    if (attempt.outcome !== 'acquired') throw new Error(attempt.outcome);
    expect(heard).toEqual([
      ['extend', value(heard, 0), 109, 'old'],
      ['release later', 'old'],
    ]);
    expect(attempt.lease.handTo({}, () => undefined)).toBe(103);
    expect(attempt.lease.lastToken).toBe(109);
  });

  it('without fencing has no tokens', async () => {
    const { clock, attempts, heard } = stageOf(GRANTED);
    await clock.runUntil(attempts.adopt(termsOf(), { value: 'old', token: 0, counter: 0 }));
    expect(heard[0]).toEqual(['extend', value(heard, 0), 0, 'old']);
  });

  it('that is refused is rolled back, and leaves the old value alone', async () => {
    const { clock, attempts, heard } = stageOf(HELD);
    const handed = { value: 'old', token: 103, counter: 108 };
    expect((await clock.runUntil(attempts.adopt(termsOf(), handed))).outcome).toBe('held');
    expect(heard.slice(1)).toEqual([['roll back', value(heard, 0), undefined]]);
  });
});
