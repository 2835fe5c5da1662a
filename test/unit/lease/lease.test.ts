import { describe, expect, it } from 'vitest';
import { LockLostError, LockReleasedError } from '../../../src/base/errors.ts';
import { instant } from '../../../src/base/sound-clock.ts';
import type { NodeVote } from '../../../src/base/vote.ts';
import { Lease, type LeaseDeps, type Successor } from '../../../src/lock/lease.ts';
import type { Quorum } from '../../../src/quorum/quorum.ts';
import { VirtualClock } from '../../../src/testing/index.ts';
import type { LockKeys } from '../../../src/wire/operation.ts';

const TTL = 10_000;

interface Options {
  readonly driftFactor?: number;
  readonly quorum?: Partial<Record<'extend' | 'release', () => Promise<unknown>>>;
  readonly votes?: readonly NodeVote[];
  readonly permit?: LockKeys['permit'];
  readonly token?: number;
}

/** A lease of a block of eight tokens that begins now, beside the calls that its quorum hears. */
function leaseOn(clock: VirtualClock, options: Options = {}) {
  const { driftFactor = 0.01, quorum = {}, votes = [], permit, token = 108 } = options;
  const calls: string[] = [];
  const hear = (name: 'extend' | 'release', answer: object) => () => {
    calls.push(name);
    return quorum[name]?.() ?? Promise.resolve(answer);
  };
  const granted = () => ({ granted: true, votes, startedAt: instant(clock), token });
  const deps: LeaseDeps = {
    quorum: {
      extend: () => hear('extend', granted())(),
      release: hear('release', { votes: [] }),
      background: () => undefined,
    } as unknown as Quorum,
    clock,
    driftFactor,
    checkTtl: () => undefined,
    nodeTimeout: 50,
    releaseTimeout: 50,
  };
  let ends = 0;
  const terms = {
    resources: ['r'],
    target: { keys: ['r'], fences: ['f'], queues: ['q'], permit },
    value: 'v',
    ttl: TTL,
    ended: () => {
      ends += 1;
    },
  };
  const lease = new Lease(deps, terms, granted(), 8);
  return { lease, calls, ends: () => ends };
}

describe('what a lease is good for as the next caller’s', () => {
  it.each([
    // A new lock has 9,898 ms of validity: 98 % of the ttl are left until 98 ms have passed.
    { driftFactor: 0.01, afterMs: 97, fitness: 'now' },
    { driftFactor: 0.01, afterMs: 98, fitness: 'now' },
    { driftFactor: 0.01, afterMs: 98.5, fitness: 'after extension' },
    { driftFactor: 0.01, afterMs: 99.5, fitness: 'after extension' },
    { driftFactor: 0.01, afterMs: 100, fitness: 'no' },
    // A new lock has 9,498 ms, never 98 %: 99 % of that are left until 94.98 ms have passed.
    { driftFactor: 0.05, afterMs: 94, fitness: 'now' },
    { driftFactor: 0.05, afterMs: 95.5, fitness: 'after extension' },
    // A new lock has exactly 98 %, and 99 % of that are enough.
    { driftFactor: 0.01975, afterMs: 97.5, fitness: 'now' },
    { driftFactor: 0.01975, afterMs: 98.5, fitness: 'after extension' },
  ])(
    'with a driftFactor of $driftFactor, $afterMs ms later: $fitness',
    async ({ driftFactor, afterMs, fitness }) => {
      const clock = new VirtualClock();
      const { lease } = leaseOn(clock, { driftFactor });
      await clock.advance(afterMs);
      expect(lease.fitnessFor(TTL)).toBe(fitness);
    },
  );

  it.each([
    // The nodes name 45 waiters: all of their turns take 900 ms.
    ['of a lock', 19.5, true, undefined],
    ['of a lock', 20.5, false, undefined],
    // Permits have their turns beside each other.
    ['of a permit', 99.5, true, { slot: 0, of: 2 }],
    ['of a permit', 100.5, false, { slot: 0, of: 2 }],
  ])('where many processes wait, one %s, %d ms later: %j', async (_, afterMs, may, permit) => {
    const clock = new VirtualClock();
    const node = { node: 'n', latencyMs: 1 };
    const votes: NodeVote[] = [30, 45].map((others) => ({
      ...{ ...node, outcome: 'granted', counter: 108 },
      others,
    }));
    const { lease } = leaseOn(clock, { votes, permit });
    await clock.advance(afterMs);
    expect(lease.mayBeHandedOver).toBe(may);
  });

  it('is nothing to one whose ttl is shorter than what the keys live', () => {
    const { lease } = leaseOn(new VirtualClock());
    const remainingMs = lease.remainingMs();
    expect([remainingMs - 1, remainingMs].map((ttl) => lease.fitnessFor(ttl))).toEqual(['no', 'now']);
  });

  it('ends with its block', () => {
    const { lease } = leaseOn(new VirtualClock());
    const tokens = Array.from({ length: 8 }, () => lease.handTo({}, () => undefined));
    expect(tokens).toEqual([101, 102, 103, 104, 105, 106, 107, 108]);
    expect(lease.fitnessFor(TTL)).toBe('no');
  });
});

it.each([
  ['of the caller that has it', 108, [undefined, 101, undefined, 102]],
  ['undefined without fencing', 0, [undefined, undefined, undefined, undefined]],
])('the token of a lease is %s, and undefined before, between and after', async (_, token, tokens) => {
  const { lease } = leaseOn(new VirtualClock(), { token });
  const ignore = () => undefined;
  lease.successor = { released: () => new Promise(ignore), ended: ignore, notified: ignore };
  const seen = [lease.token];
  lease.handTo({}, () => undefined);
  seen.push(lease.token);
  void lease.release();
  seen.push(lease.token);
  lease.handTo({}, () => undefined);
  seen.push(lease.token);
  expect(seen).toEqual(tokens);
  lease.lose(() => new LockLostError('tried', { resources: ['r'] }));
  expect(lease.token).toBe(undefined);
});

describe('the end of a lease', () => {
  /** What a successor and a holder hear of it. */
  function watched(clock = new VirtualClock(), options: Options = {}) {
    const subject = leaseOn(clock, options);
    const heard: string[] = [];
    const successor: Successor = {
      released: (lease) => {
        heard.push('released');
        return lease.releaseOnNodes();
      },
      ended: () => heard.push('ended'),
      notified: () => heard.push('notified'),
    };
    subject.lease.successor = successor;
    subject.lease.handTo({}, (_, why) => heard.push(why().name));
    return { ...subject, heard, clock };
  }
  const lost = () => new LockLostError('tried', { resources: ['r'] });

  it.each([
    ['a node has notified a waiter', true, ['notified']],
    ['no node has notified a waiter', false, []],
  ])('by a release tells its successor whether %s', async (_, notified, last) => {
    const quorum = { release: () => Promise.resolve({ decision: 'won', votes: [], notified }) };
    const { lease, heard } = watched(new VirtualClock(), { quorum });
    expect((await lease.release()).freed).toBe(true);
    expect(heard).toEqual(['released', 'ended', ...last]);
  });

  it('by loss is told once, and never again', () => {
    const { lease, heard, ends } = watched();
    lease.lose(lost);
    lease.lose(lost);
    expect(lease.look()?.()).toBeInstanceOf(LockLostError);
    expect(heard).toEqual(['LockLostError', 'ended']);
    expect(ends()).toBe(1);
  });

  it('by a look when its validity is over is told once', async () => {
    const { lease, heard, clock } = watched();
    await clock.advance(TTL);
    for (let looks = 0; looks < 3; looks += 1) expect(lease.isHeld).toBe(false);
    expect(heard).toEqual(['LockLostError', 'ended']);
  });

  it('by release asks the nodes once, and is no loss', async () => {
    const { lease, heard, calls, ends } = watched();
    const reports = [lease.release(), lease.releaseOnNodes(), lease.releaseOnNodes()];
    expect(new Set(reports).size).toBe(1);
    expect(await reports[0]).toMatchObject({ handedOver: false });
    expect(calls).toEqual(['release']);
    expect(lease.look()?.()).toBeInstanceOf(LockReleasedError);
    lease.lose(lost);
    expect(heard).toEqual(['released', 'ended']);
    expect(ends()).toBe(1);
  });

  it('of one that was lost is a loss still after the nodes were asked to release it', async () => {
    const { lease, heard, ends } = watched();
    lease.lose(lost);
    await lease.releaseOnNodes();
    expect(lease.look()?.()).toBeInstanceOf(LockLostError);
    expect(heard).toEqual(['LockLostError', 'ended']);
    expect(ends()).toBe(1);
  });

  it('before a caller has it is told to that caller at once', () => {
    const { lease } = leaseOn(new VirtualClock());
    lease.lose(lost);
    const heard: unknown[] = [];
    const holder = {};
    lease.handTo(holder, (...told) => heard.push(...told));
    expect(heard).toEqual([holder, lost]);
    expect(lease.token).toBe(undefined);
  });

  it('while it is extended comes after the extension', async () => {
    let extended: (answer: unknown) => void = () => undefined;
    const extend = () =>
      new Promise((resolve) => {
        extended = resolve;
      });
    const { lease, calls } = leaseOn(new VirtualClock(), { quorum: { extend } });
    const extension = lease.extend(TTL);
    const report = lease.release();
    expect(calls).toEqual(['extend']);
    extended({ granted: true, votes: [], startedAt: instant(new VirtualClock()), token: 108 });
    await expect(extension).rejects.toThrow(LockReleasedError);
    await report;
    expect(calls).toEqual(['extend', 'release']);
  });

  it('keeps it from being extended, and the nodes hear nothing', async () => {
    const { lease, calls } = watched();
    lease.lose(lost);
    await expect(lease.extend(TTL)).rejects.toThrow(LockLostError);
    expect(calls).toEqual([]);
  });

  it('without a successor is a release on the nodes', async () => {
    const { lease, calls } = leaseOn(new VirtualClock());
    await lease.release();
    expect(calls).toEqual(['release']);
  });
});

it('an extension that is not wanted any more when its turn comes is not made', async () => {
  const { lease, calls } = leaseOn(new VirtualClock());
  const first = lease.extend(TTL);
  const second = lease.extend(TTL, () => {
    throw new Error('not wanted');
  });
  await first;
  await expect(second).rejects.toThrow('not wanted');
  expect(calls).toEqual(['extend']);
});

it('the first extension is asked for at once, and the next one after it', async () => {
  const { lease, calls } = leaseOn(new VirtualClock());
  const both = [lease.extend(TTL), lease.extend(TTL)];
  expect(calls).toEqual(['extend']);
  await Promise.all(both);
  expect(calls).toEqual(['extend', 'extend']);
});
