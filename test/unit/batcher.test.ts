import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/base/vote.ts';
import { Batcher } from '../../src/node/batcher.ts';
import { requestsOf } from '../../src/testing/batch-request.ts';
import type { Client, ConnectionState } from '../../src/wire/client.ts';
import type { Operation, Waiter } from '../../src/wire/operation.ts';
import { ProcessClock } from './process-clock.ts';

const TIMEOUT_MS = 50;

interface Call {
  readonly command: 'evalsha' | 'eval';
  /** The lock values of its operations, in order. */
  readonly values: readonly unknown[];
  readonly names: readonly string[];
  readonly keys: readonly string[];
  readonly deadline: unknown;
  answer(answer: unknown): void;
  fail(error: Error): void;
}

/** A client whose calls a test answers by hand. */
class HandClient implements Client {
  readonly address = 'by hand';
  isCluster = false;
  readonly stateReason = 'as the test says';
  state: ConnectionState = 'ready';
  readonly calls: Call[] = [];
  slotOf: (key: string) => number = (key) => key.length;

  onStateChange(): () => void {
    return () => undefined;
  }

  evalsha(_: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('evalsha', keys, args);
  }

  eval(_: string, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('eval', keys, args);
  }

  subscribe(): undefined {}

  reconnect(): boolean {
    return false;
  }

  close(): void {}

  call(index: number): Call {
    const call = this.calls[index];
    if (call === undefined) throw new Error(`there was no call ${index}`);
    return call;
  }

  #call(
    command: Call['command'],
    keys: readonly string[],
    args: readonly (string | number)[],
  ): Promise<unknown> {
    const requests = requestsOf(keys, args);
    const [values, names] = [requests.map(({ value }) => value), requests.map(({ name }) => name)];
    return new Promise((resolve, reject) => {
      this.calls.push({ command, values, names, keys, deadline: args[1], answer: resolve, fail: reject });
    });
  }
}

class Setup {
  readonly clock = new ProcessClock();
  readonly client = new HandClient();
  readonly replies = new Map<string, Reply>();
  readonly latencies: number[] = [];
  readonly done: string[] = [];
  readonly undone: string[] = [];
  /** What else its listener was told. */
  readonly told: string[] = [];
  readonly readings: (number | undefined)[] = [];
  jumpedMs = 0;
  timeouts = 0;
  /** Whether notifications are heard; counts how often that was asked for. */
  isHeard = false;
  looks = 0;
  deadlineUs = (withinMs: number) => withinMs;
  onAnswer: () => void = () => undefined;
  readonly batcher: Batcher;

  constructor({ isCluster = false, isConnected = true, markerKey = '' } = {}) {
    this.client.isCluster = isCluster;
    const header = {
      markerKey: markerKey || undefined,
      quorum: `${markerKey === '' ? '' : '3'} 30000 1000000 3600000 50 16`,
      isHeard: () => {
        this.looks += 1;
        return this.isHeard;
      },
      deadlineUs: (_: number, withinMs: number) => this.deadlineUs(withinMs),
    };
    this.batcher = new Batcher(this.client, this.clock, header, {
      answered: (reading, jumpedMs) => {
        this.readings.push(reading?.timeUs);
        this.jumpedMs = jumpedMs;
        this.onAnswer();
      },
      done: (operation, reply) => {
        this.done.push(lockValueOf(operation));
        return reply;
      },
      undone: (operation, setback) => {
        this.undone.push(lockValueOf(operation));
        this.told.push(setback);
      },
      refused: (error) => this.told.push(error),
      tooSlow: (tripMs, hadMs) => this.told.push(`${tripMs} for ${hadMs}`),
      inTime: () => this.told.push('in time'),
      timedOut: () => {
        this.timeouts += 1;
      },
    });
    if (isConnected) this.batcher.send();
  }

  enqueue(
    value: string,
    timeoutMs = TIMEOUT_MS,
    key = 'key',
    more: { ttl?: number; waiter?: Waiter } = {},
  ): void {
    const lock = { keys: [key], fences: [], queues: ['queue'] };
    this.#enqueue({ kind: 'acquire', ...lock, value, ttl: 1_000, proposal: 1, ...more }, value, timeoutMs);
  }

  release(value: string, key = 'key'): void {
    const lock = { keys: [key], fences: [], queues: ['queue'] };
    this.#enqueue({ kind: 'release', ...lock, value }, `release of ${value}`, TIMEOUT_MS);
  }

  #enqueue(operation: Operation, name: string, timeoutMs: number): void {
    this.batcher.enqueue(operation, timeoutMs, (reply, latencyMs) => {
      expect(this.replies.has(name)).toBe(false);
      this.replies.set(name, reply);
      this.latencies.push(latencyMs);
    });
  }
}

function lockValueOf(operation: Operation): string {
  return 'value' in operation ? operation.value : '';
}

const granted = [1, 1];
const GRANTED = { outcome: 'granted', counter: 1 };

describe('what is posted in one tick', () => {
  it('travels as one call in the order it was posted; each gets its own reply', async () => {
    const setup = new Setup();
    for (const value of ['a', 'b', 'c']) setup.enqueue(value);
    expect(setup.client.calls).toHaveLength(0);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a', 'b', 'c']]);
    setup.client.call(0).answer([1_000, granted, [3], [2, 77, '']]);
    await setup.clock.advance(0);
    expect([...setup.replies.values()]).toEqual([
      GRANTED,
      { outcome: 'missing' },
      { outcome: 'held', remainingTtl: 77 },
    ]);
    expect(setup.readings).toEqual([1_000]);
    await expectNoTimer(setup);
  });

  it('travels as two calls of 128 operations, if it is more, and the rest when one is answered', async () => {
    const setup = new Setup();
    for (let index = 0; index < 300; index += 1) setup.enqueue(String(index));
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values.length)).toEqual([128, 128]);
    setup.client.call(0).answer([1_000, ...Array.from({ length: 128 }, () => 1)]);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values.length)).toEqual([128, 128, 44]);
  });

  it('is about the marker and the time, and tells how long each took', async () => {
    const setup = new Setup({ markerKey: 'marker' });
    setup.enqueue('a');
    setup.release('b', 'one');
    await setup.clock.advance(7);
    setup.client.call(0).answer([1_000, 1, granted]);
    await setup.clock.advance(0);
    expect(setup.client.call(0).keys[0]).toBe('marker');
    expect(setup.latencies).toEqual([7, 7]);
    expect(setup.jumpedMs).toBe(setup.clock.uptime() - setup.clock.monotonic());
    setup.release('c');
    await setup.clock.advance(0);
    expect(setup.client.call(1).keys).toEqual(['key', 'queue']);
    expect(setup.clock.isKeptAlive).toBe(false);
  });

  it('has a caller enter the queue if its process hears notifications, and asks for that only then', async () => {
    const setup = new Setup();
    const names: (readonly string[])[] = [];
    for (const heard of [undefined, false, true]) {
      setup.isHeard = heard !== false;
      const waiter = { member: 'm', since: 1 };
      setup.enqueue(`${heard}`, TIMEOUT_MS, 'one', heard === undefined ? {} : { waiter });
      setup.enqueue(`${heard}, no waiter`);
      await setup.clock.advance(0);
      const call = setup.client.calls.at(-1);
      names.push(call?.names ?? []);
      call?.answer([1_000, 1, 1]);
      await setup.clock.advance(0);
    }
    expect(names).toEqual([
      ['acquire', 'acquire'],
      ['acquire', 'acquire'],
      ['contend', 'acquire'],
    ]);
    expect(setup.looks).toBe(2);
  });

  it('has more time where much was asked for before it', async () => {
    const setup = new Setup();
    setup.enqueue('a');
    await setup.clock.advance(0);
    setup.client.call(0).answer([1_000, 1]);
    await setup.clock.advance(0);
    for (let index = 0; index < 100; index += 1) setup.enqueue(String(index), 10_000);
    await setup.clock.advance(0);
    expect(setup.client.call(1).deadline).toBe(TIMEOUT_MS + 5);
    // On another connection it may have to get the script, too.
    setup.client.call(1).answer([1_000, ...Array.from({ length: 100 }, () => 1)]);
    await setup.clock.advance(0);
    setup.batcher.hold();
    setup.batcher.send();
    setup.enqueue('b', 10_000);
    await setup.clock.advance(0);
    expect(setup.client.call(2).deadline).toBe(2 * TIMEOUT_MS);
  });

  it('is not asked for the time if nothing of it depends on that', async () => {
    const setup = new Setup();
    setup.release('a');
    await setup.clock.advance(0);
    expect(setup.client.call(0).deadline).toBe('');
    setup.client.call(0).answer([0, 1]);
    await setup.clock.advance(0);
    expect(setup.readings).toEqual([undefined]);
    expect(setup.replies.get('release of a')).toEqual(GRANTED);
  });

  it('has its releases go first, but for those of keys that something before them is about', async () => {
    const setup = new Setup();
    setup.enqueue('a', TIMEOUT_MS, 'one');
    setup.release('b', 'two');
    setup.release('a', 'one');
    setup.enqueue('c', TIMEOUT_MS, 'two');
    setup.release('d', 'three');
    await setup.clock.advance(0);
    expect(setup.client.call(0).values).toEqual(['b', 'd', 'a', 'a', 'c']);
    setup.client.call(0).answer([1_000, [3], 1, 7, 1, [2, 5, '']]);
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual({ outcome: 'granted', counter: 7 });
    expect(setup.replies.get('release of b')).toEqual({ outcome: 'missing' });
    expect(setup.replies.get('c')).toEqual({ outcome: 'held', remainingTtl: 5 });
  });

  it('keeps its order, whatever the timeouts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(50, 60), { maxLength: 256 }), async (timeouts) => {
        const setup = new Setup();
        timeouts.forEach((timeoutMs, index) => {
          setup.enqueue(String(index), timeoutMs);
        });
        await setup.clock.advance(0);
        const sent = setup.client.calls.flatMap(({ values }) => values);
        expect(sent).toEqual(timeouts.map((_, index) => String(index)));
      }),
    );
  });

  it('keeps the order of what is about the same key', async () => {
    const operations = fc.record({ key: fc.constantFrom('1', '2', '3'), isRelease: fc.boolean() });
    await fc.assert(
      fc.asyncProperty(fc.array(operations, { maxLength: 20 }), async (list) => {
        const setup = new Setup();
        list.forEach(({ key, isRelease }, index) => {
          if (isRelease) setup.release(`${key}:${index}`, key);
          else setup.enqueue(`${key}:${index}`, TIMEOUT_MS, key);
        });
        await setup.clock.advance(0);
        const sent = setup.client.calls.flatMap(({ values }) => values.map(String));
        for (const key of ['1', '2', '3']) {
          const about = list.flatMap((one, index) => (one.key === key ? [`${key}:${index}`] : []));
          expect(sent.filter((value) => value.startsWith(`${key}:`))).toEqual(about);
        }
      }),
    );
  });

  it('travels as one call for each slot of a cluster', async () => {
    const setup = new Setup({ isCluster: true });
    setup.client.slotOf = (key) => Number(key);
    for (const [value, key] of ['1', '2', '1', '2'].entries()) setup.enqueue(String(value), TIMEOUT_MS, key);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([
      ['0', '2'],
      ['1', '3'],
    ]);
  });
});

describe('what can not be sent', () => {
  it('for a number of its own fails at once', async () => {
    const setup = new Setup();
    setup.enqueue('a', TIMEOUT_MS, 'key', { ttl: 1.5 });
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual({
      outcome: 'failed',
      reason: 'error',
      message: 'not sent, for its ttl 1.5',
    });
    expect([setup.client.calls, setup.undone, setup.told]).toEqual([[], ['a'], ['lost']]);
  });

  it('for the time of the call fails with it', async () => {
    const setup = new Setup();
    setup.deadlineUs = () => Number.NaN;
    setup.enqueue('a');
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toMatchObject({
      reason: 'error',
      message: expect.stringContaining('NaN'),
    });
    expect(setup.client.calls).toEqual([]);
    expect(setup.batcher.room).toBe(2_048);
  });
});

describe('without an answer in time', () => {
  it('every operation fails with a timeout, once, and the late answer is no reply', async () => {
    const setup = new Setup();
    setup.enqueue('a');
    setup.enqueue('b');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('a')).toMatchObject({ reason: 'timeout', message: 'no answer within 50 ms' });
    expect(setup.timeouts).toBe(1);
    expect(setup.undone).toEqual([]);
    setup.client.call(0).answer([1_000, granted, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('b')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(setup.done).toEqual(['a', 'b']);
    expect(setup.clock.pendingTimers).toBe(0);
    expect(setup.batcher.room).toBe(2_048);
    await expectTwoCallsAtMost(setup);
  });

  it('some operations of a call leave it under way, as long as others have time', async () => {
    const setup = new Setup();
    setup.enqueue('a');
    setup.enqueue('b', 1_000);
    await setup.clock.advance(0);
    setup.enqueue('c', 1_000);
    await setup.clock.advance(0);
    setup.enqueue('d', TIMEOUT_MS + 10);
    await setup.clock.advance(TIMEOUT_MS);
    expect([[...setup.replies.keys()], setup.timeouts]).toEqual([['a'], 1]);
    await setup.clock.advance(10);
    // It was not sent: the node is not silent for it.
    expect([[...setup.replies.keys()], setup.timeouts]).toEqual([['a', 'd'], 1]);
    setup.client.call(0).answer([1_000, 1, 1]);
    await setup.clock.advance(0);
    expect(setup.replies.get('b')).toMatchObject({ outcome: 'granted' });
  });

  it('also where the clock stands still meanwhile', async () => {
    const setup = new Setup();
    const { clock } = setup;
    const standsAt = clock.uptime();
    setup.enqueue('a', 2 * TIMEOUT_MS);
    setup.enqueue('b');
    clock.uptime = () => standsAt;
    await clock.advance(TIMEOUT_MS);
    expect([...setup.replies.keys()]).toEqual(['b']);
    await clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('a')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(clock.pendingTimers).toBe(0);
  });

  it('a release is known as undone once a later answer has shown that the call is lost', async () => {
    const setup = new Setup();
    setup.release('a');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.undone).toEqual([]);
    setup.enqueue('b');
    await setup.clock.advance(0);
    setup.client.call(1).answer([1_000, granted]);
    await setup.clock.advance(0);
    expect([setup.undone, setup.told]).toEqual([['a'], ['lost']]);
  });

  it('a call of a cluster is not known as lost by a later answer, and holds up no other one', async () => {
    const setup = new Setup({ isCluster: true });
    setup.release('a');
    await setup.clock.advance(TIMEOUT_MS);
    for (const value of ['b', 'c', 'd']) {
      setup.enqueue(value);
      await setup.clock.advance(0);
    }
    setup.client.call(1).answer([1_000, granted]);
    await setup.clock.advance(0);
    expect([setup.client.calls.length, setup.undone]).toEqual([4, []]);
  });

  it('no more than 4,096 operations are waited for; more fail at once', async () => {
    const setup = new Setup();
    for (let index = 0; index < 4_100; index += 1) setup.enqueue(String(index), 1_000_000);
    await setup.clock.advance(0);
    expect(overloadedIn(setup)).toEqual(['4096', '4097', '4098', '4099']);
    expect(setup.replies.get('4096')).toMatchObject({
      message: 'not asked: commands about 4096 keys are still without an answer',
    });
    expect(setup.batcher.room).toBe(-2_048);
    expect(setup.undone).toEqual(['4096', '4097', '4098', '4099']);
    // What is sent counts until the server or the connection settles it, and what is not sent until then.
    for (let index = 0; index < setup.client.calls.length; index += 1) {
      if (index % 2 === 0) setup.client.call(index).fail(new Error('lost'));
      else setup.client.call(index).answer([1]);
      await setup.clock.advance(0);
    }
    expect(setup.client.calls).toHaveLength(4_096 / 128);
    setup.enqueue('again');
    await setup.clock.advance(0);
    expect(setup.client.calls.at(-1)?.values).toEqual(['again']);
  });

  it('nor operations with more than 4 Mi characters of keys', async () => {
    const setup = new Setup();
    for (const value of ['a', 'b', 'c', 'd', 'e'])
      setup.enqueue(value, TIMEOUT_MS, 'k'.repeat(1_024 * 1_024));
    await setup.clock.advance(0);
    expect(overloadedIn(setup)).toEqual(['e']);
    setup.client.call(0).answer([1_000, 1, 1, 1, 1]);
    await setup.clock.advance(0);
    setup.enqueue('f');
    await setup.clock.advance(0);
    expect(setup.client.call(1).values).toEqual(['f']);
  });
});

describe('where the process is stopped between asking and sending', () => {
  it('a node has all of its time from the sending', async () => {
    const setup = new Setup();
    const { clock } = setup;
    setup.enqueue('a');
    setup.enqueue('b', 2 * TIMEOUT_MS);
    const uptime = clock.uptime.bind(clock);
    clock.uptime = () => uptime() + 10 * TIMEOUT_MS;
    await clock.advance(0);
    expect(setup.client.call(0).values).toEqual(['a', 'b']);
    // It would be refused as late.
    expect(setup.client.call(0).deadline).toBe(2 * TIMEOUT_MS);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(TIMEOUT_MS);
    expect([...setup.replies.keys()]).toEqual(['a']);
    setup.client.call(0).answer([1_000, granted, granted]);
    await clock.advance(0);
    expect(setup.replies.get('b')).toEqual(GRANTED);
    await expectNoTimer(setup);
  });
});

describe('where the process is busy for a moment between asking and sending', () => {
  it.each([
    [1, TIMEOUT_MS - 1],
    [2, TIMEOUT_MS],
  ])('%i ms long, a node has %i ms from the sending', async (busyMs, deadline) => {
    const setup = new Setup();
    setup.enqueue('a');
    const uptime = setup.clock.uptime.bind(setup.clock);
    setup.clock.uptime = () => uptime() + busyMs;
    await setup.clock.advance(0);
    expect(setup.client.call(0).deadline).toBe(deadline);
  });
});

describe('a node whose answers come too late', () => {
  it.each([
    [61, 'answers', ['61 for 60', 'in time']],
    [61, 'does not know the script', ['61 for 60', 'in time']],
    // The process was stopped, rather.
    [60, 'answers', ['in time']],
  ])('five times in a row is too slow, if they take longer than it has: %i ms, and it %s', async (...how) => {
    const setup = new Setup();
    const [tripMs, what, told] = how;
    const ask = async (answerMs: number) => {
      setup.enqueue('a', 60);
      setup.enqueue('b');
      await setup.clock.advance(answerMs);
      const call = setup.client.calls.at(-1);
      if (what === 'answers' || answerMs < tripMs) call?.answer([1_000, 1, 1]);
      else call?.fail(new Error('NOSCRIPT No matching script.'));
      await setup.clock.advance(0);
      setup.replies.clear();
      for (const each of setup.told.splice(0)) if (each !== 'refused') heard.push(each);
    };
    const heard: string[] = [];
    for (let times = 0; times < 4; times += 1) await ask(tripMs);
    expect(heard).toEqual([]);
    for (const answerMs of [tripMs, 10, 10]) await ask(answerMs);
    expect(heard).toEqual(told);
  });
});

describe('where the process is stopped before the answer comes', () => {
  async function stopped(): Promise<Setup> {
    const setup = new Setup();
    setup.enqueue('a');
    await setup.clock.advance(0);
    await setup.clock.pause(10 * TIMEOUT_MS);
    // The timer comes, before what the node has answered meanwhile is read.
    await setup.clock.advance(0);
    expect(setup.replies.size).toBe(0);
    return setup;
  }

  it('the answer is read before the node counts as late', async () => {
    const setup = await stopped();
    setup.client.call(0).answer([1_000, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual(GRANTED);
    await setup.clock.advance(1);
    expect(setup.timeouts).toBe(0);
    expect(setup.clock.pendingTimers).toBe(0);
  });

  it('and none has come, the node is late', async () => {
    const setup = await stopped();
    await setup.clock.advance(1);
    expectLate(setup);
  });

  it('and none has come, the node is late, be it stopped once more', async () => {
    const setup = await stopped();
    await setup.clock.pause(10 * TIMEOUT_MS);
    await setup.clock.advance(0);
    expectLate(setup);
  });

  function expectLate({ replies, timeouts, clock }: Setup): void {
    expect(replies.get('a')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(timeouts).toBe(1);
    expect(clock.pendingTimers).toBe(0);
  }
});

describe('while calls are under way', () => {
  it('two at the most, what is posted is collected, and goes together with the next one', async () => {
    const setup = new Setup();
    for (const value of ['a', 'b', 'c', 'd']) {
      setup.enqueue(value);
      await setup.clock.advance(1);
    }
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a'], ['b']]);
    setup.client.call(0).answer([1_000, 1]);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a'], ['b'], ['c', 'd']]);
    // It may be granted for as long as the last of them is waited for.
    expect(setup.client.call(2).deadline).toBe(TIMEOUT_MS - 1);
  });

  it('what was not sent in time fails, is not sent any more, and no node counts as silent for it', async () => {
    const setup = new Setup();
    for (const value of ['a', 'b']) {
      setup.enqueue(value, 1_000);
      await setup.clock.advance(0);
    }
    setup.enqueue('c');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('c')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(setup.undone).toEqual(['c']);
    expect(setup.timeouts).toBe(0);
    setup.client.call(0).answer([1_000, 1]);
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(2);
  });
});

describe('a node that leaves a call unanswered', () => {
  async function silent(): Promise<Setup> {
    const setup = new Setup();
    setup.enqueue('lost');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('lost')).toMatchObject({ reason: 'timeout' });
    return setup;
  }

  it('is asked again gently, and everything else fails at once', async () => {
    const setup = await silent();
    const moments: number[] = [];
    for (let ms = 0; ms < 3_000; ms += 1) {
      const before = setup.client.calls.length;
      setup.enqueue(`at ${ms}`);
      await setup.clock.advance(0);
      if (setup.client.calls.length > before) moments.push(ms);
      else expect(setup.replies.get(`at ${ms}`)).toMatchObject({ outcome: 'failed', reason: 'timeout' });
      await setup.clock.advance(1);
    }
    expect(moments).toEqual([0, 25, 75, 175, 375, 775, 1_275, 1_775, 2_275, 2_775]);
  });

  it('that leaves another one unanswered later is asked again as often as at first', async () => {
    const setup = await silent();
    for (const value of ['probe', 'lost again']) {
      setup.enqueue(value);
      await setup.clock.advance(0);
      if (value === 'probe') setup.client.call(1).answer([1_000, 1]);
      else await setup.clock.advance(TIMEOUT_MS);
    }
    for (let ms = 0; ms <= 25; ms += 1) {
      setup.enqueue(`after ${ms}`);
      await setup.clock.advance(1);
    }
    const asked = setup.client.calls.map(({ values }) => values[0]);
    expect(asked).toEqual(['lost', 'probe', 'lost again', 'after 0', 'after 25']);
  });

  it('is asked no sooner because a call to it failed', async () => {
    const setup = await silent();
    for (const value of ['probe', 'a']) {
      setup.enqueue(value);
      await setup.clock.advance(0);
      setup.client.calls[1]?.fail(new Error('lost'));
      await setup.clock.advance(0);
    }
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['lost'], ['probe']]);
    expect(setup.replies.get('a')).toMatchObject({
      message: 'not asked: earlier commands are still without an answer',
    });
  });

  it('is asked as ever once it has answered', async () => {
    const setup = await silent();
    setup.enqueue('probe');
    await setup.clock.advance(0);
    setup.client.call(0).answer([1_000, 1]);
    setup.client.call(1).answer([1_001, 1]);
    await setup.clock.advance(0);
    expect(setup.replies.get('probe')).toEqual(GRANTED);
    for (const value of ['a', 'b']) {
      setup.enqueue(value);
      await setup.clock.advance(0);
    }
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['lost'], ['probe'], ['a'], ['b']]);
  });

  it('is asked as ever once it has answered anything, be it that the answer before got lost', async () => {
    const setup = await silent();
    setup.enqueue('probe');
    await setup.clock.advance(0);
    setup.client.call(1).answer([1_001, 1]);
    await setup.clock.advance(0);
    setup.enqueue('a');
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['lost'], ['probe'], ['a']]);
    setup.client.call(0).answer([1_000, 1]);
    setup.client.call(2).answer([1_002, 1]);
    await setup.clock.advance(0);
    expect(setup.batcher.room).toBe(2_048);
  });

  it('is sent what is posted because it has answered', async () => {
    const setup = await silent();
    setup.enqueue('probe');
    await setup.clock.advance(0);
    setup.enqueue('refused at once');
    setup.onAnswer = () => setup.release('lost');
    setup.client.call(1).answer([1_001, 1]);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['lost'], ['probe'], ['lost']]);
  });

  it('costs no memory, however much it is asked for', async () => {
    const setup = await silent();
    for (let index = 0; index < 20_000; index += 1) {
      setup.enqueue(String(index));
      if (index % 10 === 0) await setup.clock.advance(1);
    }
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.size).toBe(20_001);
    // Ten operations each.
    expect(setup.client.calls.length).toBeLessThan(10);
    expect(setup.clock.pendingTimers).toBe(0);
  });
});

/** Of all calls so far none is under way. */
async function expectTwoCallsAtMost(setup: Setup): Promise<void> {
  const before = setup.client.calls.length;
  for (const value of ['first', 'second', 'third']) {
    setup.enqueue(value);
    await setup.clock.advance(0);
  }
  expect(setup.client.calls.length - before).toBe(2);
}

/** A timer may be left that its operation did not need; it is not set again. */
async function expectNoTimer({ clock }: Setup): Promise<void> {
  expect(clock.pendingTimers).toBeLessThanOrEqual(1);
  await clock.advance(TIMEOUT_MS);
  expect(clock.pendingTimers).toBe(0);
}

function overloadedIn({ replies }: Setup): readonly string[] {
  return [...replies].flatMap(([value, reply]) =>
    reply.outcome === 'failed' && reply.reason === 'overloaded' ? [value] : [],
  );
}

describe('a server that does not know the script', () => {
  const unknown = () => new Error('NOSCRIPT No matching script. Please use EVAL.');

  it('gets its source, within the same timeout', async () => {
    const setup = new Setup();
    setup.enqueue('a');
    await setup.clock.advance(20);
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ command }) => command)).toEqual(['evalsha', 'eval']);
    expect(setup.client.call(1).deadline).toBe(30);
    setup.client.call(1).answer([1_000, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual(GRANTED);
    expect(setup.told).toEqual([]);
    await expectTwoCallsAtMost(setup);
  });

  it('and says so of its source too, has refused the operations', async () => {
    const setup = new Setup();
    setup.release('a');
    await setup.clock.advance(0);
    for (const index of [0, 1]) {
      setup.client.call(index).fail(unknown());
      await setup.clock.advance(0);
    }
    expect(setup.client.calls.map(({ command }) => command)).toEqual(['evalsha', 'eval']);
    expect(setup.replies.get('release of a')).toMatchObject({ outcome: 'failed', reason: 'error' });
  });

  // Another program may bring the script in between: the release would find nothing, and the key would stay.
  it.each([1, 2])('does not get operations whose release is on its way, in call %i', async (released) => {
    const setup = new Setup();
    for (const value of ['a', 'b', 'c']) setup.enqueue(value);
    await setup.clock.advance(0);
    if (released === 2) setup.enqueue('d');
    await setup.clock.advance(0);
    setup.release('b');
    setup.release('e', 'one');
    await setup.clock.advance(0);
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    const again = setup.client.calls.filter(({ command }) => command === 'eval');
    expect(again.map(({ values }) => values)).toEqual([['a', 'c']]);
    expect(setup.undone).toEqual(['b']);
    expect(setup.replies.get('b')).toMatchObject({ outcome: 'failed', reason: 'error' });
    again[0]?.answer([1_000, granted, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('c')).toEqual(GRANTED);
  });

  it('does not get operations whose reply was a timeout', async () => {
    const setup = new Setup();
    setup.enqueue('a');
    await setup.clock.advance(TIMEOUT_MS);
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(1);
    expect(setup.undone).toEqual(['a']);
  });
});

describe('a call that fails', () => {
  it.each<[ConnectionState, string, string, readonly string[]]>([
    ['ready', 'error', 'its message', ['refused', 'its message']],
    ['down', 'disconnected', 'as the test says before the answer came', ['lost']],
  ])('while the client is %s is a failed vote because of: %s', async (state, reason, message, told) => {
    const setup = new Setup();
    setup.enqueue('a');
    await setup.clock.advance(0);
    setup.client.state = state;
    setup.client.call(0).fail(new Error('its message'));
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual({ outcome: 'failed', reason, message });
    expect([setup.undone, setup.told]).toEqual([['a'], told]);
    await expectNoTimer(setup);
  });

  it.each([[undefined], [null], ['OK'], [[]], [[1_000]], [[1_000, 'no reply']], [[1_000, [99]]]])(
    'answers nonsense, %j, and so fails as a vote, without a throw',
    async (answer) => {
      const setup = new Setup();
      setup.enqueue('a');
      await setup.clock.advance(0);
      setup.client.call(0).answer(answer);
      await setup.clock.advance(0);
      expect(setup.replies.get('a')).toMatchObject({ outcome: 'failed', reason: 'error' });
      await expectNoTimer(setup);
    },
  );
});

describe('without a connection', () => {
  it('what is posted is held, and sent in order once there is one', async () => {
    const setup = new Setup({ isConnected: false });
    setup.enqueue('a');
    await setup.clock.advance(10);
    setup.enqueue('b');
    await setup.clock.advance(10);
    expect(setup.client.calls).toHaveLength(0);
    setup.batcher.send();
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a', 'b']]);
    expect(setup.client.call(0).deadline).toBe(40);
  });

  it('what is held times out, and is not sent afterwards', async () => {
    const setup = new Setup();
    setup.batcher.hold();
    setup.enqueue('a');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('a')).toMatchObject({ reason: 'timeout' });
    setup.batcher.send();
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(0);
  });

  it('what is held fails together', async () => {
    const setup = new Setup();
    setup.batcher.hold();
    setup.enqueue('a');
    await setup.clock.advance(1);
    setup.batcher.fail({ outcome: 'failed', reason: 'disconnected', message: 'why' });
    expect(setup.replies.get('a')).toMatchObject({ message: 'why' });
    expect([setup.undone, setup.told]).toEqual([['a'], ['lost']]);
    await expectNoTimer(setup);
    expect(setup.timeouts).toBe(0);
    setup.enqueue('b');
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(0);
  });

  it('what is to be answered is waited for, held or under way', async () => {
    const setup = new Setup();
    const drained = () => {
      const state = ['waits'];
      void setup.batcher.drained().then(() => state.splice(0, 1, 'drained'));
      return state;
    };
    setup.batcher.hold();
    setup.enqueue('a');
    const held = drained();
    await setup.clock.advance(0);
    expect(held).toEqual(['waits']);
    setup.batcher.send();
    await setup.clock.advance(0);
    expect(held).toEqual(['waits']);
    setup.client.call(0).answer([1_000, 1]);
    await setup.clock.advance(0);
    expect(held).toEqual(['drained']);
    const nothing = drained();
    await setup.clock.advance(0);
    expect(nothing).toEqual(['drained']);
  });
});

describe('a batcher that is closed', () => {
  it('has nothing to end where nothing was enqueued', () => {
    const setup = new Setup();
    setup.batcher.close({ outcome: 'missing' });
    expect(setup.told).toEqual([]);
  });

  it('leaves no timer, also for what was enqueued in the same tick', async () => {
    const setup = new Setup();
    setup.enqueue('a', 2 * TIMEOUT_MS);
    await setup.clock.advance(0);
    setup.enqueue('b');
    setup.batcher.close({ outcome: 'failed', reason: 'closed', message: 'why' });
    await setup.clock.advance(0);
    expect([...setup.replies.keys()].toSorted()).toEqual(['a', 'b']);
    expect(setup.clock.pendingTimers).toBe(0);
  });
});
