import { describe, expect, it } from 'vitest';
import type { LockMode } from '../../../src/base/diagnostics.ts';
import { LockHeldError, NoQuorumError, WaitTimeoutError } from '../../../src/base/errors.ts';
import { instant } from '../../../src/base/sound-clock.ts';
import type { NodeVote } from '../../../src/base/vote.ts';
import type { Attempt } from '../../../src/lock/attempts.ts';
import { Lease, type LeaseDeps } from '../../../src/lock/lease.ts';
import type { Quorum } from '../../../src/quorum/quorum.ts';
import type { AcquireRequest, FailedAttempt } from '../../../src/waiting/acquire-request.ts';
import { type Notifications, type Notified, QueueTicket } from '../../../src/waiting/notifications.ts';
import { type Awaited, WaitQueue, type WaitQueueDeps } from '../../../src/waiting/wait-queue.ts';
import { TTL, WaitingStage } from './stage.ts';

const vote = (index: number, rest: object): NodeVote =>
  ({ node: `n${index}`, latencyMs: 1, ...rest }) as NodeVote;

/** Three nodes that refuse: the keys live for this long, unless a node says something else. */
const held = (remainingTtl = 60_000, rest: object = {}): FailedAttempt => ({
  outcome: 'held',
  votes: [0, 1, 2].map((index) => vote(index, { outcome: 'held', remainingTtl, ...rest })),
});

const failing = (outcome: FailedAttempt['outcome'], reason: string): FailedAttempt => ({
  outcome,
  votes: [0, 1, 2].map((index) => vote(index, { outcome: 'failed', reason, message: '' })),
});

/** A wait queue of which a test plays the nodes. */
class Stage extends WaitingStage {
  readonly quorum = {
    size: 3,
    isAnswering: false,
    timeUs: (ms: number) => ms * 1_000,
    awaitAnswers: () => this.heard.push('await answers'),
    awaitNoMore: () => this.heard.push('await no more'),
  };
  readonly notifications = {
    isOpen: true,
    size: 1,
    open: async () => {
      this.heard.push('open');
    },
    register: (_: Notified, isShared: boolean, permits: number | undefined) => {
      this.heard.push(`register ${isShared} ${permits}`);
      return new QueueTicket('p.1', () => this.heard.push('unregister'));
    },
  };
  readonly queue: WaitQueue;
  lease: Lease | undefined;
  isInQueue = true;
  isExtended = true;
  extending: Promise<void> | undefined;

  constructor(mode: LockMode = 'exclusive', { isAsking = false, isHeld = false } = {}) {
    super();
    const awaited: Awaited = {
      mode,
      ...{ leave: () => this.heard.push('leave'), leaveLater: () => this.heard.push('leave later') },
      isInQueue: async () => {
        this.heard.push('look');
        return this.isInQueue;
      },
      idle: () => this.heard.push('idle'),
      granted: (lease) => {
        this.heard.push('granted');
        if (mode === 'exclusive') this.lease = lease;
        this.#follow(lease);
      },
      release: (lease) => {
        this.heard.push('release');
        this.lease = undefined;
        return lease.releaseOnNodes();
      },
      lease: undefined,
    };
    Object.defineProperty(awaited, 'lease', { get: () => this.lease });
    const deps: WaitQueueDeps = {
      clock: this.clock,
      random: { fraction: () => 0.5, identifier: () => 'p' },
      notifications: this.notifications as unknown as Notifications,
      quorum: this.quorum as unknown as Quorum,
    };
    if (isHeld) this.hold();
    this.queue = new WaitQueue(deps, awaited, isAsking);
  }

  #follow(lease: Lease): void {
    lease.successor = {
      released: (each) => this.queue.released(each),
      ended: () => {
        if (this.lease !== lease) return;
        this.lease = undefined;
        this.queue.lost();
      },
      notified: () => undefined,
    };
  }

  /** This process has the lock, and its first caller needed no queue. */
  hold(): void {
    const granted = this.granted();
    if (granted.outcome !== 'acquired') return;
    this.lease = granted.lease;
    this.#follow(granted.lease);
  }

  request(who: string, rest: Partial<AcquireRequest> = {}): AcquireRequest {
    return this.requestOf(who, ['r'], rest);
  }

  join(who: string, rest: Partial<AcquireRequest> = {}) {
    return this.callerOf(this.queue.join(this.request(who, rest)));
  }

  /** Milliseconds until the next attempt is begun, or anything is heard: a tenth of a millisecond is near enough. */
  async untilNext(mostMs = 10_000): Promise<number> {
    const before = this.asked.length + this.heard.length;
    for (let ms = 0; ms < mostMs; ms += 0.5) {
      await this.clock.advance(0.5);
      if (this.asked.length + this.heard.length > before) return ms + 0.5;
    }
    return Number.POSITIVE_INFINITY;
  }

  granted(slot?: number): Attempt {
    const votes = [0, 1, 2].map((index) => vote(index, { outcome: 'granted', counter: 108 }));
    const deps = {
      quorum: {
        background: () => undefined,
        release: async () => ({ decision: 'won', votes: [] }),
        extend: async () => {
          this.heard.push('extend');
          await this.extending;
          return { granted: this.isExtended, votes, startedAt: instant(this.clock), token: 108 };
        },
      },
      ...{ clock: this.clock, driftFactor: 0.01, nodeTimeout: 50, releaseTimeout: 50 },
      checkTtl: () => undefined,
    } as unknown as LeaseDeps;
    const permit = slot === undefined ? undefined : { slot, of: 5 };
    const terms = {
      ...{ resources: ['r'], value: 'v', ttl: TTL },
      target: { keys: ['r'], fences: ['f'], queues: ['q'], permit },
    };
    const startedAt = instant(this.clock);
    const grant = { granted: true, votes, startedAt, token: 108 };
    const lease = new Lease(deps, terms, grant, 8);
    return { outcome: 'acquired', lease, votes };
  }

  notify(...nodes: readonly (number | readonly [number, number])[]): void {
    for (const each of nodes) {
      const [node, slot] = typeof each === 'number' ? [each, undefined] : each;
      this.queue.notified(node, slot);
    }
  }
}

describe('a waiter', () => {
  it('asks at once, and when a majority of nodes has notified it', async () => {
    const stage = new Stage();
    const caller = stage.join('a');
    expect(stage.whoAsked).toEqual(['a']);
    expect(stage.last.contend?.waiter?.member).toBe('p.1');
    await stage.last.end(held());
    stage.notify(0, 0);
    expect(stage.asked).toHaveLength(1);
    stage.notify(1);
    expect(stage.asked).toHaveLength(2);
    await stage.last.end(stage.granted());
    expect(caller).toMatchObject({ token: 101 });
    expect(stage.heard).toEqual(['register false undefined', 'granted', 'unregister', 'idle']);
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('that some nodes have notified gives the others a while, and twice as long the next time', async () => {
    const stage = new Stage();
    stage.join('a');
    for (const waitMs of [75, 150, 300]) {
      await stage.last.end(held());
      stage.notify(0);
      expect(await stage.untilNext()).toBeCloseTo(waitMs, -1);
    }
    expect(stage.asked).toHaveLength(4);
  });

  it('counts anew how long it waits for other nodes once a majority has notified it', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held());
    stage.notify(0);
    await stage.untilNext();
    await stage.last.end(held());
    stage.notify(0, 1);
    await stage.last.end(held());
    stage.notify(0);
    expect(await stage.untilNext()).toBeCloseTo(75, -1);
  });

  it('that the same node notifies again waits no longer for the others', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held());
    stage.notify(0);
    await stage.clock.advance(50);
    stage.notify(0);
    expect(await stage.untilNext()).toBeCloseTo(25, -1);
  });

  it('in several queues of each node asks when all of a majority have notified it, or a moment after each has', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held(60_000, { queues: 2 }));
    stage.notify(0, 1, 0);
    expect(stage.asked).toHaveLength(1);
    stage.notify(1);
    expect(stage.asked).toHaveLength(2);
    await stage.last.end(held(60_000, { queues: 2 }));
    stage.notify(0, 1);
    expect(await stage.untilNext()).toBeCloseTo(3, 0);
  });

  it('that was notified while it asked asks again at once; by one node, after a while', async () => {
    const stage = new Stage();
    stage.join('a');
    stage.notify(0, 1);
    await stage.last.end(held());
    expect(stage.asked).toHaveLength(2);
    stage.notify(2);
    await stage.last.end(held());
    expect(stage.asked).toHaveLength(2);
    expect(await stage.untilNext()).toBeCloseTo(150, -1);
  });

  it('has one node looked at that it is in its queue, ever more seldom, and asks all if it is not', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held());
    stage.heard.length = 0;
    expect(await stage.untilNext()).toBeCloseTo(750, -1);
    expect(await stage.untilNext()).toBeCloseTo(1_500, -1);
    stage.isInQueue = false;
    expect(await stage.untilNext()).toBeCloseTo(1_500, -1);
    expect(stage.heard).toEqual(['look', 'look', 'look']);
    await stage.clock.advance(0);
    expect(stage.asked).toHaveLength(2);
  });

  it('that a majority has notified during a look asks once', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held());
    await stage.clock.advance(749.9);
    stage.heard.length = 0;
    stage.isInQueue = false;
    await stage.clock.advance(0.2);
    expect(stage.heard).toEqual(['look']);
    expect(stage.asked).toHaveLength(2);
  });

  it('asks when the holder’s keys should have expired', async () => {
    const stage = new Stage();
    stage.join('a');
    await stage.last.end(held(100));
    expect(await stage.untilNext()).toBeCloseTo(103.5, 0);
    expect(stage.whoAsked).toEqual(['a', 'a']);
  });

  it.each(['while it waits', 'while it asks'])(
    'to which notifications may be lost %s asks all nodes soon',
    async (when) => {
      const stage = new Stage();
      stage.join('a');
      if (when === 'while it asks') stage.queue.missed();
      await stage.last.end(held());
      if (when === 'while it waits') stage.queue.missed();
      stage.heard.length = 0;
      expect(await stage.untilNext()).toBeCloseTo(100, -1);
      expect(stage.heard).toEqual([]);
      // The next time it looks again.
      await stage.last.end(held());
      await stage.untilNext();
      expect(stage.heard).toEqual(['look']);
    },
  );

  it('whose attempt was granted too late asks again after a short pause, which grows', async () => {
    const stage = new Stage();
    stage.join('a');
    for (const waitMs of [9, 17, 33]) {
      await stage.last.end({ outcome: 'expired', votes: [] });
      expect(await stage.untilNext()).toBeCloseTo(waitMs, 0);
    }
  });

  it('that hears no notifications subscribes, and is in no queue until it has', async () => {
    const stage = new Stage();
    stage.notifications.isOpen = false;
    stage.join('a');
    expect(stage.last.contend?.waiter).toBe(undefined);
    await stage.last.end(held());
    expect(stage.heard).toEqual(['open']);
    expect(await stage.untilNext()).toBeCloseTo(9, 0);
    stage.notifications.open = async () => {
      stage.notifications.isOpen = true;
    };
    await stage.last.end(held());
    expect(stage.asked).toHaveLength(3);
    expect(stage.last.contend?.waiter?.member).toBe('p.1');
  });

  it('is known to the nodes by the time of its call, also in a later attempt', async () => {
    const stage = new Stage();
    const since = stage.clock.uptime() * 1_000;
    stage.join('a');
    await stage.last.end(held(100));
    await stage.untilNext();
    expect(stage.asked.map(({ contend }) => contend?.waiter?.since)).toEqual([since, since]);
  });

  it('is the first one: the next caller asks when that has left', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    const a = stage.join('a', { signal: leaving.signal });
    const b = stage.join('b');
    await stage.last.end(held());
    leaving.abort('enough');
    await stage.clock.advance(0);
    expect(a.error).toBe('enough');
    stage.notify(0, 1);
    expect(stage.whoAsked).toEqual(['a', 'b']);
    await stage.last.end(stage.granted());
    expect(b.token).toBe(101);
  });

  it('has nodes forget it, and leaves no timer, where it leaves', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    stage.join('a', { signal: leaving.signal });
    await stage.last.end(held());
    leaving.abort('enough');
    expect(stage.heard.slice(1)).toEqual(['leave', 'unregister', 'idle']);
    expect(stage.clock.pendingTimers).toBe(0);
  });

  it('that leaves while it asks is out of the queues once the nodes have answered, and releases what they grant', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    stage.join('a', { signal: leaving.signal });
    expect(stage.last.contend?.isWanted?.()).toBe(true);
    leaving.abort('enough');
    expect(stage.last.contend?.isWanted?.()).toBe(false);
    expect(stage.heard).toEqual(['register false undefined']);
    await stage.last.end(stage.granted());
    expect(stage.heard.slice(1)).toEqual(['granted', 'release', 'unregister', 'idle']);
  });
});

describe('a queue', () => {
  it('of readers says so to the nodes', () => {
    const stage = new Stage('shared');
    expect(stage.queue.mode).toBe('shared');
    stage.join('a');
    expect(stage.heard).toEqual(['register true undefined']);
  });

  it('that asks, or waits, has no lease to lose', async () => {
    const stage = new Stage();
    stage.join('a');
    stage.queue.lost();
    await stage.last.end(held());
    stage.queue.lost();
    expect(stage.asked).toHaveLength(1);
  });

  it('gives a lease that took long to get to the waiter that asked for it, as it is', async () => {
    const stage = new Stage();
    const a = stage.join('a');
    const granted = stage.granted();
    await stage.clock.advance(150);
    await stage.last.end(granted);
    expect(a.token).toBe(101);
    expect(stage.heard).not.toContain('extend');
    expect(stage.heard).not.toContain('release');
  });
});

/** A caller whose waitTime ends while it asks for the second time. */
async function overdue() {
  const stage = new Stage();
  const a = stage.join('a', { waitTime: 100 });
  await stage.last.end(held());
  await stage.clock.advance(101);
  return { stage, a };
}

describe('the end of a waitTime', () => {
  it('comes after one more attempt of the first waiter', async () => {
    const stage = new Stage();
    const a = stage.join('a', { waitTime: 100 });
    const b = stage.join('b', { waitTime: 100 });
    expect(stage.last.contend?.untilMs).toBe(stage.clock.uptime() + 100);
    await stage.last.end(held());
    await stage.clock.advance(99);
    expect(stage.asked).toHaveLength(1);
    await stage.clock.advance(2);
    expect(stage.whoAsked).toEqual(['a', 'a']);
    expect(b.error).toBeInstanceOf(WaitTimeoutError);
    expect(a.error).toBe(undefined);
    await stage.last.end(held());
    expect(a.error).toBeInstanceOf(WaitTimeoutError);
    expect(stage.heard.at(-1)).toBe('idle');
  });

  it('is about the holder where the last attempt had too little time for the nodes', async () => {
    const { stage, a } = await overdue();
    await stage.last.end(failing('no-quorum', 'timeout'));
    expect(a.error).toBeInstanceOf(WaitTimeoutError);
    expect(a.error).toMatchObject({ votes: held().votes });
  });

  it('is about the nodes where they failed in another way', async () => {
    const { stage, a } = await overdue();
    await stage.last.end(failing('no-quorum', 'disconnected'));
    expect(a.error).toBeInstanceOf(NoQuorumError);
  });

  it('is about what nodes said before where none was asked', async () => {
    const { stage, a } = await overdue();
    await stage.last.end(failing('no-quorum', 'overloaded'));
    expect(a.error).toMatchObject({ votes: held().votes });
  });

  it('is about the nodes where some of them were asked', async () => {
    const { stage, a } = await overdue();
    const [first, ...others] = failing('no-quorum', 'disconnected').votes;
    const votes = [...failing('no-quorum', 'overloaded').votes.slice(0, 1), ...others];
    expect(first).toBeDefined();
    await stage.last.end({ outcome: 'no-quorum', votes });
    expect(a.error).toMatchObject({ votes });
  });

  it.each(['no', 'a granted'])(
    'is about nodes that were too late where there was %s attempt before',
    async (before) => {
      const stage = new Stage();
      const a = stage.join('a', { waitTime: 100 });
      if (before !== 'no') {
        await stage.last.end({ outcome: 'expired', votes: stage.granted().votes });
        await stage.untilNext();
      }
      await stage.clock.advance(101);
      await stage.last.end(failing('no-quorum', 'timeout'));
      expect(a.error).toBeInstanceOf(NoQuorumError);
    },
  );

  it('during an attempt of its own comes when that has ended', async () => {
    const stage = new Stage();
    const a = stage.join('a', { waitTime: 100 });
    await stage.last.end(held());
    stage.notify(0, 1);
    await stage.clock.advance(101);
    expect(a.error).toBe(undefined);
    expect(stage.asked).toHaveLength(2);
    await stage.last.end(held());
    expect(a.error).toBeInstanceOf(WaitTimeoutError);
    expect(stage.asked).toHaveLength(2);
  });

  it('during the attempt of a caller that has left comes at once', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    stage.join('a', { signal: leaving.signal });
    const b = stage.join('b', { waitTime: 100 });
    leaving.abort('enough');
    await stage.clock.advance(101);
    expect(b.error).toBeInstanceOf(WaitTimeoutError);
  });

  it('before notifications can be heard comes after one more attempt', async () => {
    const stage = new Stage();
    stage.notifications.isOpen = false;
    let opened = () => {};
    stage.notifications.open = () =>
      new Promise((resolve) => {
        opened = resolve;
      });
    const a = stage.join('a', { waitTime: 100 });
    await stage.last.end(held());
    await stage.clock.advance(101);
    expect(stage.asked).toHaveLength(2);
    opened();
    await stage.clock.advance(20);
    expect(stage.asked).toHaveLength(2);
    await stage.last.end(held());
    expect(a.error).toBeInstanceOf(WaitTimeoutError);
  });

  it('comes at once in an outage, and while this process has the lock', async () => {
    const stage = new Stage();
    const a = stage.join('a', { waitTime: 100 });
    await stage.last.end(failing('no-quorum', 'disconnected'));
    await stage.clock.advance(101);
    expect(stage.asked).toHaveLength(1);
    expect(a.error).toBeInstanceOf(NoQuorumError);
    expect(stage.heard.slice(-4)).toEqual(['await no more', 'leave', 'unregister', 'idle']);
  });
});

describe('in an outage', () => {
  it('a waiter asks now and then, and soon after a majority is back', async () => {
    const stage = new Stage();
    stage.join('a');
    const outage = failing('no-quorum', 'disconnected');
    await stage.last.end(outage);
    stage.heard.length = 0;
    expect(await stage.untilNext()).toBeCloseTo(750, -1);
    expect(stage.heard).toEqual(['await no more']);
    await stage.last.end(outage);
    expect(stage.heard).toEqual(['await no more', 'await answers']);
    stage.quorum.isAnswering = true;
    stage.queue.returned();
    expect(await stage.untilNext()).toBeCloseTo(6, 0);
    // They say they are back, and yet do not answer: it asks ever more seldom.
    for (const waitMs of [12, 24, 48]) {
      await stage.last.end(outage);
      expect(await stage.untilNext()).toBeCloseTo(waitMs, -0.5);
    }
    await stage.last.end(held());
    const asked = stage.asked.length;
    stage.queue.returned();
    await stage.clock.advance(100);
    expect(stage.asked).toHaveLength(asked);
  });

  it('that begins after refusals a waiter asks as soon as in any other', async () => {
    const stage = new Stage();
    stage.quorum.isAnswering = true;
    stage.join('a');
    await stage.last.end(held(100));
    await stage.untilNext();
    await stage.last.end(failing('no-quorum', 'timeout'));
    // Notifications that may be lost say nothing of the nodes.
    stage.quorum.isAnswering = false;
    expect(await stage.untilNext()).toBeCloseTo(6, 0);
    await stage.last.end(failing('no-quorum', 'timeout'));
    stage.queue.missed();
    expect(await stage.untilNext()).toBeCloseTo(750, -1);
  });

  it('a caller that does not wait for nodes has its error at once', async () => {
    const stage = new Stage();
    const a = stage.join('a', { endsInOutage: () => true });
    const b = stage.join('b');
    await stage.last.end(failing('no-quorum', 'disconnected'));
    expect(a.error).toBeInstanceOf(NoQuorumError);
    expect(b.error).toBe(undefined);
    expect(stage.queue.waiters).toHaveLength(1);
  });
});

describe('an attempt that throws', () => {
  it('is its caller’s error, and the next one asks', async () => {
    const stage = new Stage();
    const a = stage.join('a');
    stage.join('b');
    await stage.last.crash(new Error('own'));
    expect(a.error).toEqual(new Error('own'));
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });
});

describe('an attempt that throws after its caller has left', () => {
  it('takes nothing from the others', async () => {
    const stage = new Stage();
    const leaving = new AbortController();
    stage.join('a', { signal: leaving.signal });
    const b = stage.join('b');
    leaving.abort('enough');
    await stage.last.crash(new Error('own'));
    expect(stage.whoAsked).toEqual(['a', 'b']);
    await stage.last.end(stage.granted());
    expect(b.token).toBe(101);
  });
});

describe('close()', () => {
  it('ends all waits, and the queue at once', async () => {
    const stage = new Stage();
    const callers = [stage.join('a'), stage.join('b')];
    await stage.last.end(held());
    stage.queue.close('closed');
    await stage.clock.advance(0);
    expect(callers).toEqual([{ error: 'closed' }, { error: 'closed' }]);
    expect(stage.heard.slice(2)).toEqual(['leave', 'unregister', 'idle']);
  });

  it('while nodes are asked ends the queue when they have answered', async () => {
    const stage = new Stage();
    const caller = stage.join('a');
    stage.queue.close('closed');
    expect(stage.heard).toEqual(['register false undefined']);
    await stage.last.end(held());
    expect(caller.error).toBe('closed');
    expect(stage.heard.slice(1)).toEqual(['leave', 'unregister', 'idle']);
  });
});

describe('a lease', () => {
  async function handedTo(...others: readonly [string, Partial<AcquireRequest>?][]) {
    const stage = new Stage();
    const a = stage.join('a');
    const callers = others.map(([who, rest]) => stage.join(who, rest));
    await stage.last.end(stage.granted());
    stage.heard.length = 0;
    return { stage, a, callers };
  }

  it('is handed over to the next caller, and nodes hear nothing', async () => {
    const { stage, a, callers } = await handedTo(['b'], ['c']);
    expect(a.token).toBe(101);
    void a.release?.();
    await stage.clock.advance(0);
    void callers[0]?.release?.();
    await stage.clock.advance(0);
    expect(callers.map(({ token }) => token)).toEqual([102, 103]);
    expect(stage.asked).toHaveLength(1);
    expect(stage.heard).toEqual(['unregister', 'idle']);
  });

  it.each(['extended', 'not extended'])('that has to be %s for the next caller', async (how) => {
    const { stage, a, callers } = await handedTo(['b']);
    stage.isExtended = how === 'extended';
    await stage.clock.advance(98.5);
    void a.release?.();
    await stage.clock.advance(0);
    if (stage.isExtended) {
      expect(callers[0]?.token).toBe(102);
      expect(stage.heard).toEqual(['extend', 'unregister', 'idle']);
    } else {
      expect(stage.heard).toEqual(['extend', 'release']);
      expect(stage.whoAsked).toEqual(['a', 'b']);
    }
  });

  it('that no caller waits for any more once it is extended is released', async () => {
    const leaving = new AbortController();
    const { stage, a } = await handedTo(['b', { signal: leaving.signal }]);
    await stage.clock.advance(98.5);
    let extended = () => {};
    stage.extending = new Promise((resolve) => {
      extended = resolve;
    });
    void a.release?.();
    leaving.abort('enough');
    expect(stage.heard).toEqual(['extend']);
    extended();
    await stage.clock.advance(0);
    expect(stage.heard).toEqual(['extend', 'release', 'unregister', 'idle']);
  });

  it.each(['lost', 'closed'])('that is %s while it is extended is released after that', async (how) => {
    const { stage, a, callers } = await handedTo(['b']);
    await stage.clock.advance(98.5);
    let extended = () => {};
    stage.extending = new Promise((resolve) => {
      extended = resolve;
    });
    void a.release?.();
    if (how === 'lost')
      stage.lease?.lose(() => new NoQuorumError({ resources: ['r'], votes: [], elapsedMs: 0 }));
    else stage.queue.close('closed');
    const asked = how === 'lost' ? ['a', 'b'] : ['a'];
    expect(stage.whoAsked).toEqual(asked);
    expect(stage.heard).toEqual(['extend']);
    extended();
    await stage.clock.advance(0);
    expect(stage.whoAsked).toEqual(asked);
    const end = how === 'lost' ? [] : ['unregister', 'idle'];
    expect(stage.heard).toEqual(['extend', 'release', ...end]);
    if (how === 'lost') await stage.last.end(stage.granted());
    else expect(callers[0]?.error).toBe('closed');
  });

  it('whose extension took too long is asked for anew', async () => {
    const { stage, a } = await handedTo(['b']);
    await stage.clock.advance(98.5);
    let extended = () => {};
    stage.extending = new Promise((resolve) => {
      extended = resolve;
    });
    void a.release?.();
    await stage.clock.advance(5);
    extended();
    await stage.clock.advance(0);
    expect(stage.heard).toEqual(['extend', 'release']);
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });

  it('that was extended for a caller that has left is not for one whose ttl is shorter', async () => {
    const leaving = new AbortController();
    const { stage, a } = await handedTo(['b', { signal: leaving.signal }], ['c', { ttl: 500 }]);
    await stage.clock.advance(98.5);
    let extended = () => {};
    stage.extending = new Promise((resolve) => {
      extended = resolve;
    });
    void a.release?.();
    leaving.abort('enough');
    extended();
    await stage.clock.advance(0);
    expect(stage.heard).toEqual(['extend', 'release']);
    expect(stage.whoAsked).toEqual(['a', 'c']);
  });

  it('that was extended is watched for the caller after that', async () => {
    const { stage, a, callers } = await handedTo(['b'], ['c']);
    await stage.clock.advance(98.5);
    void a.release?.();
    await stage.clock.advance(0);
    expect(callers[0]?.token).toBe(102);
    await stage.clock.advance(9_900);
    expect(stage.whoAsked).toEqual(['a', 'c']);
  });

  it('whose end shows as it is released is asked for once', async () => {
    const { stage, a } = await handedTo(['b']);
    await stage.clock.advance(9_898.5);
    void a.release?.();
    await stage.clock.advance(0);
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });

  it('that this process has is waited for, and asked for when its validity has ended', async () => {
    const stage = new Stage('exclusive', { isHeld: true });
    stage.join('b');
    stage.join('c');
    await stage.clock.advance(9_898);
    expect(stage.asked).toEqual([]);
    await stage.clock.advance(1.5);
    expect(stage.whoAsked).toEqual(['b']);
  });

  it('that is too old is released, and asked for in the same moment', async () => {
    const { stage, a } = await handedTo(['b']);
    await stage.clock.advance(100.5);
    void a.release?.();
    expect(stage.heard).toEqual(['release']);
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });

  it('that its holder keeps is asked for when its validity has ended', async () => {
    const { stage } = await handedTo(['b', { waitTime: 60_000 }]);
    await stage.clock.advance(9_898);
    expect(stage.asked).toHaveLength(1);
    await stage.clock.advance(1.5);
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });

  it('that is lost is asked for at once', async () => {
    const { stage } = await handedTo(['b']);
    stage.lease?.lose(() => new NoQuorumError({ resources: ['r'], votes: [], elapsedMs: 0 }));
    expect(stage.whoAsked).toEqual(['a', 'b']);
  });

  it('is not asked for by the next caller while it is held', async () => {
    const { stage, callers } = await handedTo(['b', { waitTime: 100 }], ['c']);
    await stage.clock.advance(101);
    expect(callers[0]?.error).toBeInstanceOf(WaitTimeoutError);
    expect(stage.asked).toHaveLength(1);
    expect(stage.queue.waiters).toHaveLength(1);
  });
});

describe('a caller that makes a number of attempts', () => {
  it('makes them a pause apart, the last one in no queue if it was in none', async () => {
    const stage = new Stage();
    let left = 3;
    const pace = {
      get isLeft() {
        return left > 0;
      },
      get isLast() {
        return left === 1;
      },
      pauseMs: () => 400,
    };
    const { attempt } = stage.request('a');
    const counted: AcquireRequest['attempt'] = (contend) => {
      left -= 1;
      return attempt(contend);
    };
    const caller = stage.join('a', { pace, attempt: counted, waitTime: Number.POSITIVE_INFINITY });
    await stage.clock.advance(0);
    expect(stage.heard).toEqual(['open', 'register false undefined']);
    await stage.last.end(held());
    // An outage, and partial notifications, change nothing for it.
    stage.notify(0);
    stage.queue.missed();
    expect(await stage.untilNext()).toBeCloseTo(400, 0);
    await stage.last.end(failing('no-quorum', 'disconnected'));
    stage.queue.returned();
    expect(await stage.untilNext()).toBeCloseTo(400, 0);
    expect(caller.error).toBe(undefined);
    expect(stage.last.contend?.waiter?.member).toBe('p.1');
    await stage.last.end(held());
    expect(caller.error).toBeInstanceOf(LockHeldError);
    expect(stage.asked).toHaveLength(3);
    expect(stage.heard.slice(2)).toEqual(['leave', 'unregister', 'idle']);
  });

  it('asks at once, and enters no queue, where it makes one', async () => {
    const stage = new Stage();
    stage.join('a', { pace: { isLeft: true, isLast: true, pauseMs: () => 40 } });
    expect(stage.asked).toHaveLength(1);
    expect(stage.last.contend?.waiter).toBe(undefined);
    expect(stage.heard).toEqual([]);
  });

  it('asks also where no notifications can be heard', async () => {
    const stage = new Stage();
    stage.notifications.isOpen = false;
    stage.join('a', { pace: { isLeft: true, isLast: false, pauseMs: () => 400 } });
    await stage.clock.advance(0);
    expect(stage.asked).toHaveLength(1);
  });

  it('asks as soon as a majority has notified it', async () => {
    const stage = new Stage();
    stage.join('a', { pace: { isLeft: true, isLast: false, pauseMs: () => 40 } });
    await stage.clock.advance(0);
    await stage.last.end(held());
    stage.notify(0, 1);
    expect(stage.asked).toHaveLength(2);
  });
});

describe('permits', () => {
  const five = { permits: 5 };

  it('are asked for beside each other, as long as one may be free and none was refused', async () => {
    const stage = new Stage('semaphore');
    const callers = [1, 2, 3, 4, 5, 6].map((each) => stage.join(`${each}`, five));
    expect(stage.whoAsked).toEqual(['1', '2', '3', '4', '5']);
    await stage.last.end(held());
    stage.join('7', five);
    expect(stage.asked).toHaveLength(5);
    await stage.asked[0]?.end(stage.granted(0));
    expect(callers[0]?.token).toBe(101);
  });

  it('are asked for at once by 16 callers at the most', () => {
    const stage = new Stage('semaphore');
    for (let each = 0; each < 20; each += 1) stage.join(`${each}`, { permits: 100 });
    expect(stage.asked).toHaveLength(16);
  });

  it('that this process has are not free', () => {
    const stage = new Stage('semaphore');
    const ownHold = () => ({ heldForMs: 0, permits: 3, isToBeUpgraded: false });
    for (let each = 0; each < 4; each += 1) stage.join(`${each}`, { ...five, ownHold });
    expect(stage.asked).toHaveLength(2);
  });

  it('are granted in the order of the calls, and two more are asked for in the place of each', async () => {
    const stage = new Stage('semaphore');
    const callers = [1, 2, 3, 4].map((each) => stage.join(`${each}`, { permits: 1 }));
    expect(stage.asked).toHaveLength(1);
    await stage.last.end(stage.granted(0));
    expect(callers.map(({ token }) => token)).toEqual([101, undefined, undefined, undefined]);
    expect(stage.asked).toHaveLength(3);
    expect(stage.whoAsked.slice(1)).toEqual(['2', '3']);
  });

  it('are asked for at the slot that most nodes name, the lowest of several', async () => {
    const stage = new Stage('semaphore');
    stage.join('1', five);
    expect(stage.heard).toEqual(['register false 5']);
    await stage.last.end(held());
    stage.notify([0, 4], [1, 2]);
    expect(stage.last.contend?.slot).toBe(2);
    await stage.last.end(held());
    stage.notify([0, 2], [1, 4]);
    expect(stage.last.contend?.slot).toBe(2);
    stage.notify([0, 1], [1, 3], [2, 3]);
    await stage.last.end(held());
    expect(stage.last.contend?.slot).toBe(3);
    await stage.last.end(held());
    expect(stage.asked).toHaveLength(4);
  });

  it('that are awaited are looked for more seldom than a lock', async () => {
    const stage = new Stage('semaphore');
    stage.join('1', five);
    await stage.last.end(held());
    stage.heard.length = 0;
    expect(await stage.untilNext()).toBeCloseTo(1_125, -1);
    expect(stage.heard).toEqual(['look']);
  });

  it('end a queue once', async () => {
    const stage = new Stage('semaphore');
    stage.join('1', five);
    await stage.last.end(stage.granted(0));
    expect(stage.heard.slice(1)).toEqual(['granted', 'unregister', 'idle']);
  });

  it('that come for a caller that has left are released', async () => {
    const stage = new Stage('semaphore');
    const leaving = new AbortController();
    stage.join('1', { ...five, signal: leaving.signal });
    leaving.abort('enough');
    await stage.last.end(stage.granted(0));
    expect(stage.heard.slice(1)).toEqual(['granted', 'release', 'unregister', 'idle']);
  });

  it('that come for a caller that has left are no other’s whose ttl is shorter', async () => {
    const stage = new Stage('semaphore');
    const leaving = new AbortController();
    stage.join('1', { permits: 1, signal: leaving.signal });
    const second = stage.join('2', { permits: 1, ttl: 500 });
    leaving.abort('enough');
    await stage.last.end(stage.granted(0));
    expect(stage.heard).toContain('release');
    expect(second.token).toBe(undefined);
    expect(stage.last.who).toBe('2');
  });

  it('that took long to get are given as they are', async () => {
    const stage = new Stage('semaphore');
    const first = stage.join('1', five);
    const granted = stage.granted(0);
    await stage.clock.advance(150);
    await stage.last.end(granted);
    expect(first.token).toBe(101);
    expect(stage.heard).not.toContain('release');
  });

  it('are asked for by one that joins when the one that asks has left', async () => {
    const stage = new Stage('semaphore');
    const leaving = new AbortController();
    stage.join('1', { ...five, signal: leaving.signal });
    leaving.abort('enough');
    const second = stage.join('2', five);
    expect(stage.whoAsked).toEqual(['1', '2']);
    await stage.asked[0]?.end(stage.granted(0));
    expect(second.token).toBe(101);
    expect(stage.heard).not.toContain('idle');
    await stage.asked[1]?.end(stage.granted(1));
    expect(stage.heard.slice(-3)).toEqual(['release', 'unregister', 'idle']);
  });

  it('have one place in the queues of the nodes: that of the first caller', async () => {
    const stage = new Stage('semaphore');
    stage.join('1', five);
    await stage.clock.advance(10);
    stage.join('2', five);
    const [first, second] = stage.asked.map(({ contend }) => contend?.waiter?.since);
    expect(second).toBe(first);
  });

  it('that are granted leave the place of those that are still asked for', async () => {
    const stage = new Stage('semaphore');
    const leaving = new AbortController();
    const { signal } = leaving;
    for (const each of ['1', '2', '3'])
      stage.join(each, { ...five, signal: each === '1' ? undefined : signal });
    const [first, second, third] = stage.asked;
    await first?.end(held());
    await second?.end(stage.granted(0));
    leaving.abort('enough');
    await third?.crash(new Error('own'));
    await stage.last.crash(new Error('own'));
    expect(stage.heard.slice(-3)).toEqual(['leave', 'unregister', 'idle']);
  });

  it('are asked for again at once by those that began before one that was granted, and were refused after', async () => {
    const stage = new Stage('semaphore');
    for (const each of ['1', '2']) stage.join(each, five);
    const [first, second] = stage.asked;
    await second?.end(stage.granted(0));
    expect(stage.asked).toHaveLength(2);
    await first?.end(held());
    expect(stage.asked).toHaveLength(3);
  });

  it.each([
    ['began after one that was granted', true],
    ['began before one that was refused', false],
  ])('are waited for by those that %s', async (_, isGranted) => {
    const stage = new Stage('semaphore');
    for (const each of ['1', '2', '3']) stage.join(each, five);
    const [first, second, third] = stage.asked;
    await second?.end(isGranted ? stage.granted(0) : held());
    await (isGranted ? first : third)?.end(held());
    await (isGranted ? third : first)?.end(held());
    expect(stage.asked).toHaveLength(3);
  });

  it('are not asked for anew while an attempt is under way, whatever another one came to', async () => {
    const stage = new Stage('semaphore');
    for (const each of ['1', '2', '3']) stage.join(each, five);
    const [first, second] = stage.asked;
    await first?.end(held());
    stage.notify(0, 1);
    await second?.crash(new Error('own'));
    expect(stage.asked).toHaveLength(3);
  });

  it('are asked for by one more that joins while another has one, and another asks', async () => {
    const stage = new Stage('semaphore');
    for (const each of ['1', '2']) stage.join(each, five);
    await stage.asked[0]?.end(stage.granted(0));
    stage.join('3', five);
    expect(stage.whoAsked).toEqual(['1', '2', '3']);
  });

  it('that have to be extended for the next caller are awaited by the others meanwhile', async () => {
    const stage = new Stage('semaphore');
    const [first, second] = [1, 2, 3].map((each) => stage.join(`${each}`, { permits: 1 }));
    await stage.last.end(stage.granted(0));
    for (const asked of stage.asked.slice(1)) await asked.end(held());
    await stage.clock.advance(98.5);
    void first?.release?.();
    await stage.clock.advance(0);
    expect(stage.heard).toContain('extend');
    expect(second?.token).toBe(102);
    stage.notify(0, 1);
    expect(stage.last.who).toBe('3');
    expect(stage.asked).toHaveLength(4);
  });

  it('that nodes have named meanwhile are asked for after the one that is released', async () => {
    const stage = new Stage('semaphore');
    const first = stage.join('1', { permits: 1 });
    stage.join('2', { permits: 1 });
    await stage.last.end(stage.granted(3));
    await stage.last.end(held());
    await stage.clock.advance(100.5);
    stage.notify([0, 4]);
    void first.release?.();
    expect(stage.last.contend?.slot).toBe(3);
    stage.notify([1, 4]);
    await stage.last.end(held());
    expect(stage.asked).toHaveLength(4);
    expect(stage.last.contend?.slot).toBe(4);
  });

  it('are asked for at the slot of the one that is released, if it is too old to be handed over', async () => {
    const stage = new Stage('semaphore');
    const first = stage.join('1', { permits: 1 });
    stage.join('2', { permits: 1 });
    await stage.last.end(stage.granted(3));
    await stage.last.end(held());
    await stage.clock.advance(100.5);
    void first.release?.();
    expect(stage.last).toMatchObject({ who: '2', contend: { slot: 3 } });
    expect(stage.heard).toContain('release');
  });

  it('are handed over in the process', async () => {
    const stage = new Stage('semaphore');
    const first = stage.join('1', { permits: 1 });
    const second = stage.join('2', { permits: 1 });
    await stage.last.end(stage.granted(3));
    await stage.last.end(held());
    void first.release?.();
    await stage.clock.advance(0);
    expect(second.token).toBe(102);
    expect(stage.asked).toHaveLength(2);
    expect(stage.heard.slice(2)).toEqual(['granted', 'leave later', 'unregister', 'idle']);
  });
});

describe('the queue behind a caller that began its attempt before there was one', () => {
  it('goes on with that caller first, where it is refused', async () => {
    const stage = new Stage('exclusive', { isAsking: true });
    const b = stage.join('b');
    expect(stage.asked).toEqual([]);
    void stage.queue.joinFirst(stage.request('a'), instant(stage.clock), held());
    // That attempt entered no queue.
    expect(stage.whoAsked).toEqual(['a']);
    await stage.last.end(stage.granted());
    expect(b.token).toBe(undefined);
    expect(stage.queue.waiters).toHaveLength(1);
  });

  it('hears of notifications before it goes on, where none can be heard yet', async () => {
    const stage = new Stage('exclusive', { isAsking: true });
    stage.notifications.isOpen = false;
    void stage.queue.joinFirst(stage.request('a'), instant(stage.clock), held());
    expect(stage.asked).toEqual([]);
    expect(stage.heard).toEqual(['open']);
  });

  it('has the lock after that caller, where it is granted', async () => {
    const stage = new Stage('exclusive', { isAsking: true });
    const b = stage.join('b');
    stage.hold();
    const { lease } = stage;
    lease?.handTo({}, () => undefined);
    stage.queue.skipFirst();
    expect(stage.asked).toEqual([]);
    void lease?.release();
    await stage.clock.advance(0);
    expect(b.token).toBe(102);
  });

  it('asks for the next one where that has given up', () => {
    const stage = new Stage('exclusive', { isAsking: true });
    stage.join('b');
    stage.queue.skipFirst();
    expect(stage.whoAsked).toEqual(['b']);
  });

  it('ends where no caller waits', () => {
    const stage = new Stage('exclusive', { isAsking: true });
    stage.queue.skipFirst();
    expect(stage.heard).toEqual(['idle']);
  });

  it.each([true, false])('ends a wait whose time was over meanwhile (refused: %j)', async (isRefused) => {
    const stage = new Stage('exclusive', { isAsking: true });
    const calledAt = instant(stage.clock);
    const b = stage.join('b', { waitTime: 100 });
    await stage.clock.advance(101);
    if (isRefused) {
      void stage.queue.joinFirst(stage.request('a'), calledAt, held());
    } else {
      stage.hold();
      stage.queue.skipFirst();
    }
    await stage.clock.advance(0);
    expect(b.error).toBeInstanceOf(WaitTimeoutError);
    if (!isRefused) expect(stage.heard.at(-1)).toBe('idle');
  });
});
