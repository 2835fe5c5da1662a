import { describe, expect, it } from 'vitest';
import { LockHeldError, LockLostError } from '../../../src/base/errors.ts';
import { instant } from '../../../src/base/sound-clock.ts';
import type { NodeVote } from '../../../src/base/vote.ts';
import type { Attempt } from '../../../src/lock/attempts.ts';
import { Lease, type LeaseDeps } from '../../../src/lock/lease.ts';
import type { Quorum } from '../../../src/quorum/quorum.ts';
import type { AcquireRequest } from '../../../src/waiting/acquire-request.ts';
import { WaitQueues } from '../../../src/waiting/wait-queues.ts';
import type { LockKeys } from '../../../src/wire/operation.ts';
import { TTL, WaitingStage } from './stage.ts';

const target = (...keys: readonly string[]): LockKeys => ({
  ...{ keys, fences: keys.map((key) => `f${key}`), queues: keys.map((key) => `q${key}`) },
});
const permit = (slot: number, of: number): LockKeys => ({
  ...{ keys: [`s.${slot}`], fences: [`f.${slot}`], queues: ['qs'], permit: { slot, of } },
});

const HELD: Attempt = {
  outcome: 'held',
  votes: [0, 1, 2].map(
    (index): NodeVote => ({ node: `n${index}`, latencyMs: 1, outcome: 'held', remainingTtl: 60_000 }),
  ),
};

/** The wait queues of a process, of which a test plays the nodes. */
class Stage extends WaitingStage {
  readonly closing = new AbortController();
  hasNotified = false;
  /** Ends the extension that is under way: refused. */
  refuseExtension = () => {};
  readonly quorum = {
    size: 3,
    hearing: { heard: 3, unheard: 0 },
    timeUs: (ms: number) => ms * 1_000,
    listen: () => {
      this.heard.push('listen');
      return { close: () => this.heard.push('close') };
    },
    isInQueue: async () => {
      this.heard.push('look');
      return true;
    },
    leave: async () => this.heard.push('leave'),
    leaveLater: () => this.heard.push('leave later'),
    background: () => undefined,
    extend: () =>
      new Promise((resolve) => {
        this.refuseExtension = () => resolve({ granted: false, votes: [], startedAt: instant(this.clock) });
      }),
    handOver: async () => {
      this.heard.push('watch');
      return { state: 'over', hung: new Set() };
    },
    release: async () => {
      this.heard.push('release');
      return { decision: 'won', votes: [], notified: this.hasNotified };
    },
  } as unknown as Quorum;
  readonly queues = new WaitQueues({
    ...{ quorum: this.quorum, clock: this.clock, process: 'p', closing: this.closing.signal },
    ...{ random: { fraction: () => 0.5, identifier: () => 'p' }, grace: 50, releaseTimeout: 50 },
  });

  lease(keys: LockKeys, ttl = TTL): Lease {
    const startedAt = instant(this.clock);
    const deps = {
      ...{ quorum: this.quorum, clock: this.clock, driftFactor: 0.01, nodeTimeout: 50, releaseTimeout: 50 },
      checkTtl: () => undefined,
    } as unknown as LeaseDeps;
    const terms = { resources: keys.keys, value: 'v', ttl, target: keys };
    const grant = { granted: true, votes: [], startedAt, token: 108 };
    return new Lease(deps, terms, grant, 8);
  }

  granted(keys: LockKeys): Attempt {
    return { outcome: 'acquired', votes: [], lease: this.lease(keys) };
  }

  join(who: string, keys: LockKeys, rest: Partial<AcquireRequest> = {}) {
    return this.callerOf(this.queues.acquire(this.requestOf(who, keys.keys, rest), keys));
  }
}

describe('a caller that no other one of its process is before', () => {
  it('asks without a queue, and leaves nothing but its lease', async () => {
    const stage = new Stage();
    const caller = stage.join('a', target('r'));
    expect(stage.last.contend).toEqual({ waiter: undefined, untilMs: stage.clock.uptime() + 60_000 });
    await stage.last.end(stage.granted(target('r')));
    expect(caller.token).toBe(101);
    expect(stage.heard).toEqual([]);
    const [lease] = [...stage.queues.leases()];
    expect([...stage.queues.held()]).toEqual([{ lease, mode: 'exclusive' }]);
    expect(stage.queues.leasesAt(target('r'))).toEqual([lease]);
    expect(stage.queues.leasesAt(target('other'))).toEqual([]);
    expect([[...stage.queues.callers()], stage.queues.waiting('r')]).toEqual([[], 0]);
    void caller.release?.();
    await stage.clock.advance(0);
    expect([...stage.queues.leases()]).toEqual([]);
    stage.join('b', target('r'));
    expect(stage.last.contend?.waiter).toBe(undefined);
  });

  it('that does not wait leaves nothing where it is refused', async () => {
    const stage = new Stage();
    const caller = stage.join('a', target('r'), { waitTime: 0 });
    await stage.last.end(HELD);
    expect(caller.error).toBeInstanceOf(LockHeldError);
    stage.join('b', target('r'));
    expect(stage.whoAsked).toEqual(['a', 'b']);
    expect(stage.last.contend?.waiter).toBe(undefined);
  });

  it('waits first where it is refused, before those that have joined meanwhile', async () => {
    const stage = new Stage();
    stage.join('a', target('r'));
    stage.join('b', target('r'));
    expect(stage.whoAsked).toEqual(['a']);
    expect(stage.queues.waiting('r')).toBe(1);
    await stage.last.end(HELD);
    expect(stage.queues.waiting('r')).toBe(2);
    expect([...stage.queues.callers()].map(({ mode, request }) => [mode, request.ttl])).toEqual([
      ['exclusive', TTL],
      ['exclusive', TTL],
    ]);
    expect(stage.whoAsked).toEqual(['a', 'a']);
    expect(stage.last.contend?.waiter).toBeDefined();
  });

  it('has the next one wait for its lease', async () => {
    const stage = new Stage();
    const a = stage.join('a', target('r'));
    const b = stage.join('b', target('r'));
    await stage.last.end(stage.granted(target('r')));
    const c = stage.join('c', target('r'));
    void a.release?.();
    await stage.clock.advance(0);
    void b.release?.();
    await stage.clock.advance(0);
    expect([a, b, c].map(({ token }) => token)).toEqual([101, 102, 103]);
    expect(stage.whoAsked).toEqual(['a']);
  });

  it('has one that joins after a hand-over wait, too', async () => {
    const stage = new Stage();
    const a = stage.join('a', target('r'));
    const b = stage.join('b', target('r'));
    await stage.last.end(stage.granted(target('r')));
    void a.release?.();
    await stage.clock.advance(0);
    expect(b.token).toBe(102);
    const c = stage.join('c', target('r'));
    expect(stage.whoAsked).toEqual(['a']);
    await stage.clock.advance(100.5);
    void b.release?.();
    expect(stage.whoAsked).toEqual(['a', 'c']);
    expect([...stage.queues.leases()]).toEqual([]);
    await stage.last.end(stage.granted(target('r')));
    expect(c.token).toBe(101);
    // It was granted to a queue: it is known by its name all the same.
    stage.join('d', target('r'));
    expect(stage.whoAsked).toEqual(['a', 'c']);
    expect([...stage.queues.leases()]).toHaveLength(1);
  });

  it('that waits has a node looked at now and then, and nodes forget it when it leaves', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    const caller = stage.join('a', target('r'), { signal: leaving.signal });
    await stage.last.end(HELD);
    await stage.last.end(HELD);
    await stage.clock.advance(5_000);
    expect(stage.heard).toContain('look');
    leaving.abort('own');
    await stage.clock.advance(0);
    expect(caller.error).toBe('own');
    expect(stage.heard.at(-1)).toBe('leave');
    expect(stage.queues.waiting('r')).toBe(0);
  });

  it.each(['throws', 'aborts'])('that %s has its error, and the next one asks', async (how) => {
    const stage = new Stage();
    const leaving = new AbortController();
    const a = stage.join('a', target('r'), { signal: leaving.signal });
    const b = stage.join('b', target('r'));
    expect(stage.last.contend?.isWanted?.()).toBe(true);
    if (how === 'throws') {
      await stage.last.crash('own');
    } else {
      leaving.abort('own');
      await stage.clock.advance(0);
      expect(stage.asked[0]?.contend?.isWanted?.()).toBe(false);
      await stage.asked[0]?.end(stage.granted(target('r')));
      expect(stage.heard).toContain('release');
    }
    expect(a.error).toBe('own');
    stage.join('c', target('r'));
    expect(stage.whoAsked).toEqual(['a', 'b']);
    await stage.last.end(stage.granted(target('r')));
    expect(b.token).toBe(101);
  });

  it('that throws leaves nothing', async () => {
    const stage = new Stage();
    stage.join('a', target('r'));
    await stage.last.crash('own');
    stage.join('b', target('r'));
    expect(stage.whoAsked).toEqual(['a', 'b']);
    expect(stage.last.contend).toEqual({ waiter: undefined, untilMs: stage.clock.uptime() + 60_000 });
  });

  it('whose lease is lost in the moment of the grant leaves nothing', async () => {
    const stage = new Stage();
    stage.join('a', target('r'));
    const granted = stage.granted(target('r'));
    await stage.clock.advance(TTL);
    await stage.last.end(granted);
    for (const _ of stage.queues.held()) throw new Error('it is held');
    expect([...stage.queues.leases()]).toEqual([]);
    stage.join('b', target('r'));
    expect(stage.last.contend).toEqual({ waiter: undefined, untilMs: stage.clock.uptime() + 60_000 });
  });
});

describe('a lock over several resources', () => {
  it('is found at each of them, until it is over', async () => {
    const stage = new Stage();
    const caller = stage.join('a', target('r', 's'));
    const lease = stage.lease(target('r', 's'));
    await stage.last.end({ outcome: 'acquired', votes: [], lease });
    for (const each of ['r', 's']) expect(stage.queues.leasesAt(target(each))).toEqual([lease]);
    stage.join('b', target('r', 's'));
    expect(['r', 's', 't'].map((key) => stage.queues.waiting(key))).toEqual([1, 1, 0]);
    expect(stage.whoAsked).toEqual(['a']);
    void caller.release?.();
    await stage.clock.advance(TTL);
    expect(stage.queues.leasesAt(target('r'))).toEqual([]);
    expect(stage.queues.leasesAt(target('s'))).toEqual([]);
  });

  it.each([['=r'], ['*5 qs'], ['["r","s"]']])('is no other lock, whose key is %s', async (key) => {
    const stage = new Stage();
    stage.join('a', target('r', 's'));
    stage.join('b', permit(0, 5));
    stage.join('c', target('r'));
    stage.join('d', target(key));
    stage.join('e', target('*'));
    stage.join('f', target('r', 't'));
    expect(stage.whoAsked).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  });
});

describe('locks that are held beside each other', () => {
  it('shares: each caller waits for itself', async () => {
    const stage = new Stage();
    const shared = { ...target('r'), sharers: 'sh' };
    const callers = [stage.join('a', shared), stage.join('b', shared)];
    expect(stage.whoAsked).toEqual(['a', 'b']);
    expect(stage.queues.waiting('r')).toBe(2);
    expect([...stage.queues.callers()].map(({ mode }) => mode)).toEqual(['shared', 'shared']);
    for (const asked of stage.asked) await asked.end(stage.granted(shared));
    expect(callers.map(({ token }) => token)).toEqual([101, 101]);
    expect([...stage.queues.held()].map(({ mode }) => mode)).toEqual(['shared', 'shared']);
    expect(stage.queues.leasesAt(shared)).toHaveLength(2);
    expect(stage.queues.waiting('r')).toBe(0);
    void callers[0]?.release?.();
    await stage.clock.advance(0);
    expect([...stage.queues.leases()]).toHaveLength(1);
    expect(stage.queues.leasesAt(shared)).toHaveLength(1);
    expect(stage.heard).toEqual(['release']);
  });

  it('a waiter for a share asks all nodes where a lock would have one looked at', async () => {
    const stage = new Stage();
    const shared = { ...target('r'), sharers: 'sh' };
    stage.join('a', shared);
    await stage.last.end(HELD);
    await stage.clock.advance(0);
    await stage.last.end(HELD);
    const asked = stage.asked.length;
    await stage.clock.advance(2_000);
    expect(stage.asked.length).toBe(asked + 1);
    await stage.last.end(stage.granted(shared));
    expect(stage.heard).toEqual(['listen', 'leave later']);
  });

  it('callers that make a number of attempts make them beside each other', async () => {
    const stage = new Stage();
    const pace = { isLeft: true, isLast: true, pauseMs: () => 40 };
    for (const who of ['a', 'b']) stage.join(who, target('r'), { pace });
    expect(stage.whoAsked).toEqual(['a', 'b']);
    expect(['r', 's'].map((key) => stage.queues.waiting(key))).toEqual([2, 0]);
  });

  it('permits: those of another number are another semaphore', () => {
    const stage = new Stage();
    for (const [who, of] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ] as const) {
      stage.join(who, permit(0, of), { permits: of });
    }
    expect(stage.whoAsked).toEqual(['a', 'c']);
  });

  it('a permit that is released is the next caller’s', async () => {
    const stage = new Stage();
    const callers = ['a', 'b'].map((who) => stage.join(who, permit(0, 1), { permits: 1 }));
    await stage.last.end(stage.granted(permit(0, 1)));
    void callers[0]?.release?.();
    await stage.clock.advance(0);
    expect(callers.map(({ token }) => token)).toEqual([101, 102]);
    expect([...stage.queues.held()].map(({ mode }) => mode)).toEqual(['semaphore']);
    expect(stage.queues.leasesAt(permit(3, 1))).toHaveLength(1);
  });
});

describe('a lease that was granted without waiting', () => {
  it('is known by its name, if no other caller has it', async () => {
    const stage = new Stage();
    const lock = stage.queues.lockOf(stage.lease(target('r')), TTL);
    const next = stage.join('b', target('r'));
    expect(stage.asked).toEqual([]);
    // It is kept beside the other one.
    const beside = stage.queues.lockOf(stage.lease(target('r')), TTL);
    expect([...stage.queues.leases()]).toHaveLength(2);
    void beside.release();
    expect([...stage.queues.leases()]).toHaveLength(1);
    void lock.release();
    await stage.clock.advance(0);
    expect(next.token).toBe(102);
  });

  it('is kept beside others where it is a share', () => {
    const stage = new Stage();
    const shared = { ...target('r'), sharers: 'sh' };
    stage.queues.lockOf(stage.lease(shared), TTL);
    stage.join('b', target('r'));
    expect(stage.whoAsked).toEqual(['b']);
  });

  it('that is lost is known no more, and the next caller asks', () => {
    const stage = new Stage();
    const lease = stage.lease(target('r'));
    stage.queues.lockOf(lease, TTL);
    stage.join('b', target('r'));
    lease.lose(() => new LockLostError('tried', { resources: ['r'] }));
    expect([...stage.queues.leases()]).toEqual([]);
    stage.join('c', target('r'));
    expect(stage.whoAsked).toEqual(['b']);
  });

  it('that is lost while it is extended for the next caller is not mixed up with that one’s own', async () => {
    const stage = new Stage();
    const lease = stage.lease(target('r'));
    const lock = stage.queues.lockOf(lease, TTL);
    const b = stage.join('b', target('r'), { ttl: 2 * TTL });
    void lock.release();
    lease.lose(() => new LockLostError('tried', { resources: ['r'] }));
    await stage.last.end(stage.granted(target('r')));
    stage.refuseExtension();
    await stage.clock.advance(0);
    expect([b.token, stage.heard.at(-1)]).toEqual([101, 'release']);
    stage.join('c', target('r'));
    expect(stage.whoAsked).toEqual(['b']);
  });
});

describe.each(['kept by name', 'kept beside others', 'kept one way or the other'])(
  'leases that were forgotten, %s',
  (how) => {
    it('are looked for when there are 1,024, and twice as many as before', async () => {
      const stage = new Stage();
      const keep = (from: number, to: number) => {
        for (let index = from; index < to; index += 1) {
          const keys = target(`r${index}`);
          const isNamed = how === 'kept by name' || (how === 'kept one way or the other' && index % 3 > 0);
          stage.queues.lockOf(stage.lease(isNamed ? keys : { ...keys, sharers: 'sh' }), TTL);
        }
      };
      const size = () => [...stage.queues.leases()].length;
      keep(0, 1_023);
      await stage.clock.advance(TTL);
      expect(size()).toBe(1_023);
      keep(1_023, 1_024);
      expect(size()).toBe(1);
      keep(2_000, 3_500);
      await stage.clock.advance(TTL);
      // Nothing was to be forgotten at 1,024, so that the next look is at 2,048.
      expect(size()).toBe(1_501);
      keep(4_000, 4_546);
      expect(size()).toBe(2_047);
      keep(5_000, 5_001);
      expect(size()).toBe(547);
    });
  },
);

describe('the Redlock closes', () => {
  it.each(['alone', 'one of a few attempts'])(
    'and a lease that comes later is released (%s)',
    async (how) => {
      const stage = new Stage();
      const caller = how === 'alone' ? stage.join('a', target('r')) : undefined;
      stage.closing.abort('closed');
      stage.queues.endWaits();
      if (caller === undefined) {
        const lease = stage.lease(target('r'));
        expect(() => stage.queues.lockOf(lease, TTL)).toThrow('closed');
      } else {
        await stage.last.end(stage.granted(target('r')));
        expect(caller.error).toBe('closed');
      }
      expect(stage.heard).toEqual(['release']);
      expect([...stage.queues.leases()]).toEqual([]);
    },
  );

  it('and a caller that is refused later has its reason', async () => {
    const stage = new Stage();
    const caller = stage.join('a', target('r'));
    stage.closing.abort('closed');
    stage.queues.endWaits();
    await stage.last.end(HELD);
    expect(caller.error).toBe('closed');
    expect(stage.heard).toEqual([]);
  });

  it('and every wait ends, and then the subscriptions', async () => {
    const stage = new Stage();
    const callers = [
      stage.join('a', target('r')),
      stage.join('b', target('r')),
      stage.join('c', { ...target('r'), sharers: 'sh' }),
      stage.join('d', permit(0, 5)),
    ];
    for (const asked of [...stage.asked]) await asked.end(HELD);
    stage.closing.abort('closed');
    stage.queues.endWaits();
    for (const asked of stage.asked.slice(3)) await asked.end(HELD);
    await stage.clock.advance(0);
    expect(callers.map(({ error }) => error)).toEqual(['closed', 'closed', 'closed', 'closed']);
    expect(stage.heard).not.toContain('close');
    stage.queues.close();
    expect(stage.heard).toContain('close');
  });
});

describe('a release of which a node has notified a waiter', () => {
  it.each([true, false])(
    'has one node looked at before that waiter’s time is over (notified: %j)',
    async (notified) => {
      const stage = new Stage();
      const caller = stage.join('a', target('r'));
      await stage.last.end(stage.granted(target('r')));
      stage.hasNotified = notified;
      void caller.release?.();
      await stage.clock.advance(43);
      expect(stage.heard).toEqual(['release']);
      await stage.clock.advance(2);
      expect(stage.heard).toEqual(notified ? ['release', 'watch'] : ['release']);
    },
  );
});
