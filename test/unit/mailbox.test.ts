import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/base/vote.ts';
import { Mailbox } from '../../src/node/mailbox.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import type { Client, ConnectionState } from '../../src/wire/client.ts';
import type { Operation } from '../../src/wire/operation.ts';

const TIMEOUT_MS = 50;
const HEADER_LENGTH = 6;
const OPERATION_LENGTH = 5;

interface Call {
  readonly command: 'evalsha' | 'eval';
  /** The lock values of its operations, in order. */
  readonly values: readonly unknown[];
  readonly deadline: unknown;
  answer(answer: unknown): void;
  fail(error: Error): void;
}

/** A client whose calls a test answers by hand. */
class HandClient implements Client {
  readonly address = 'by hand';
  readonly isCluster: boolean = false;
  readonly unsafeSettings: readonly string[] = [];
  readonly stateReason = 'as the test says';
  state: ConnectionState = 'ready';
  readonly calls: Call[] = [];
  slotOf: (key: string) => number = () => 0;

  onStateChange(): () => void {
    return () => undefined;
  }

  evalsha(_: string, __: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('evalsha', args);
  }

  eval(_: string, __: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    return this.#call('eval', args);
  }

  subscribe(): undefined {}

  close(): void {}

  call(index: number): Call {
    const call = this.calls[index];
    if (call === undefined) throw new Error(`there was no call ${index}`);
    return call;
  }

  #call(command: Call['command'], args: readonly (string | number)[]): Promise<unknown> {
    const values: unknown[] = [];
    for (let at = HEADER_LENGTH; at < args.length; at += OPERATION_LENGTH) values.push(args[at + 2]);
    return new Promise((resolve, reject) => {
      this.calls.push({ command, values, deadline: args[0], answer: resolve, fail: reject });
    });
  }
}

class Setup {
  readonly clock = new VirtualClock();
  readonly client = new HandClient();
  readonly replies = new Map<string, Reply>();
  readonly done: string[] = [];
  readonly undone: string[] = [];
  readonly unwanted = new Set<string>();
  readonly readings: number[] = [];
  timeouts = 0;
  readonly mailbox: Mailbox;

  constructor() {
    const header = {
      markerKey: undefined,
      nodeCount: 3,
      maxTtl: 30_000,
      clampUs: 1_000_000,
      fenceRetentionMs: 3_600_000,
      graceMs: 50,
      isHeard: () => false,
      deadlineUs: (_: number, withinMs: number) => withinMs,
    };
    this.mailbox = new Mailbox(this.client, this.clock, header, {
      answered: ({ timeUs }) => this.readings.push(timeUs),
      done: (operation, reply) => {
        this.done.push(lockValueOf(operation));
        return reply;
      },
      undone: (operation) => this.undone.push(lockValueOf(operation)),
      timedOut: () => {
        this.timeouts += 1;
      },
      isWanted: (operation) => !this.unwanted.has(lockValueOf(operation)),
    });
    this.mailbox.send();
  }

  post(value: string, timeoutMs = TIMEOUT_MS, key = 'key'): void {
    this.mailbox.post(
      { kind: 'release', keys: [key], fences: [], queues: ['queue'], value },
      timeoutMs,
      (reply) => {
        expect(this.replies.has(value)).toBe(false);
        this.replies.set(value, reply);
      },
    );
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
    for (const value of ['a', 'b', 'c']) setup.post(value);
    expect(setup.client.calls).toHaveLength(0);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a', 'b', 'c']]);
    setup.client.call(0).answer([1_000, granted, [3], [2, 77]]);
    await setup.clock.advance(0);
    expect([...setup.replies.values()]).toEqual([
      GRANTED,
      { outcome: 'missing' },
      { outcome: 'held', remainingTtl: 77 },
    ]);
    expect(setup.readings).toEqual([1_000]);
    expect(setup.clock.pendingTimers).toBe(0);
  });

  it('travels apart from what is posted in the next tick', async () => {
    const setup = new Setup();
    setup.post('a');
    await setup.clock.advance(0);
    setup.post('b');
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a'], ['b']]);
  });

  it('travels as several calls of 64 operations each, if it is more', async () => {
    const setup = new Setup();
    for (let index = 0; index < 200; index += 1) setup.post(String(index));
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values.length)).toEqual([64, 64, 64, 8]);
  });

  it('keeps its order, whatever the timeouts', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(50, 60), { maxLength: 300 }), async (timeouts) => {
        const setup = new Setup();
        timeouts.forEach((timeoutMs, index) => {
          setup.post(String(index), timeoutMs);
        });
        await setup.clock.advance(0);
        const sent = setup.client.calls.flatMap(({ values }) => values);
        expect(sent).toEqual(timeouts.map((_, index) => String(index)));
      }),
    );
  });

  it('travels as one call for each slot of a cluster', async () => {
    const setup = new Setup();
    setup.client.slotOf = (key) => Number(key);
    for (const [value, key] of ['1', '2', '1', '2'].entries()) setup.post(String(value), TIMEOUT_MS, key);
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ values }) => values)).toEqual([
      ['0', '2'],
      ['1', '3'],
    ]);
  });
});

describe('without an answer in time', () => {
  it('every operation fails with a timeout, once, and the late answer is no reply', async () => {
    const setup = new Setup();
    setup.post('a');
    setup.post('b');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('a')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(setup.timeouts).toBe(1);
    expect(setup.undone).toEqual([]);
    setup.client.call(0).answer([1_000, granted, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('b')).toMatchObject({ outcome: 'failed', reason: 'timeout' });
    expect(setup.done).toEqual(['a', 'b']);
    expect(setup.clock.pendingTimers).toBe(0);
  });

  it('no more than 4,096 operations are waited for; more fail at once', async () => {
    const setup = new Setup();
    for (let index = 0; index < 4_100; index += 1) setup.post(String(index), 1_000_000);
    await setup.clock.advance(0);
    const overloaded = [...setup.replies].filter(
      ([, reply]) => reply.outcome === 'failed' && reply.reason === 'overloaded',
    );
    expect(overloaded.map(([value]) => value)).toEqual(['4096', '4097', '4098', '4099']);
    expect(setup.undone).toEqual(['4096', '4097', '4098', '4099']);
    // Those that timed out count until the server or the connection settles them.
    for (const [index, call] of setup.client.calls.entries()) {
      if (index % 2 === 0) call.fail(new Error('lost'));
      else call.answer([1]);
    }
    await setup.clock.advance(0);
    setup.post('again');
    await setup.clock.advance(0);
    expect(setup.client.calls.at(-1)?.values).toEqual(['again']);
  });
});

describe('a server that does not know the script', () => {
  const unknown = () => new Error('NOSCRIPT No matching script. Please use EVAL.');

  it('gets its source, within the same timeout', async () => {
    const setup = new Setup();
    setup.post('a');
    await setup.clock.advance(20);
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    expect(setup.client.calls.map(({ command }) => command)).toEqual(['evalsha', 'eval']);
    expect(setup.client.call(1).deadline).toBe(30);
    setup.client.call(1).answer([1_000, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual(GRANTED);
  });

  it('does not get operations that are no longer wanted', async () => {
    const setup = new Setup();
    for (const value of ['a', 'b', 'c']) setup.post(value);
    await setup.clock.advance(0);
    setup.unwanted.add('b');
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    expect(setup.client.call(1).values).toEqual(['a', 'c']);
    expect(setup.undone).toEqual(['b']);
    expect(setup.replies.get('b')).toMatchObject({ outcome: 'failed', reason: 'error' });
    setup.client.call(1).answer([1_000, granted, granted]);
    await setup.clock.advance(0);
    expect(setup.replies.get('c')).toEqual(GRANTED);
  });

  it('does not get operations whose reply was a timeout', async () => {
    const setup = new Setup();
    setup.post('a');
    await setup.clock.advance(TIMEOUT_MS);
    setup.client.call(0).fail(unknown());
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(1);
    expect(setup.undone).toEqual(['a']);
  });
});

describe('a call that fails', () => {
  it.each<[ConnectionState, string]>([
    ['ready', 'error'],
    ['down', 'disconnected'],
  ])('while the client is %s is a failed vote because of: %s', async (state, reason) => {
    const setup = new Setup();
    setup.post('a');
    await setup.clock.advance(0);
    setup.client.state = state;
    setup.client.call(0).fail(new Error('its message'));
    await setup.clock.advance(0);
    expect(setup.replies.get('a')).toEqual({ outcome: 'failed', reason, message: 'its message' });
    expect(setup.undone).toEqual(['a']);
    expect(setup.clock.pendingTimers).toBe(0);
  });

  it.each([[undefined], [null], ['OK'], [[]], [[1_000]], [[1_000, 'no reply']], [[1_000, [99]]]])(
    'answers nonsense, %j, and so fails as a vote, without a throw',
    async (answer) => {
      const setup = new Setup();
      setup.post('a');
      await setup.clock.advance(0);
      setup.client.call(0).answer(answer);
      await setup.clock.advance(0);
      expect(setup.replies.get('a')).toMatchObject({ outcome: 'failed', reason: 'error' });
      expect(setup.clock.pendingTimers).toBe(0);
    },
  );
});

describe('without a connection', () => {
  it('what is posted is held, and sent in order once there is one', async () => {
    const setup = new Setup();
    setup.mailbox.hold();
    setup.post('a');
    await setup.clock.advance(10);
    setup.post('b');
    await setup.clock.advance(10);
    expect(setup.client.calls).toHaveLength(0);
    setup.mailbox.send();
    expect(setup.client.calls.map(({ values }) => values)).toEqual([['a'], ['b']]);
    expect(setup.client.calls.map(({ deadline }) => deadline)).toEqual([30, 40]);
  });

  it('what is held times out, and is not sent afterwards', async () => {
    const setup = new Setup();
    setup.mailbox.hold();
    setup.post('a');
    await setup.clock.advance(TIMEOUT_MS);
    expect(setup.replies.get('a')).toMatchObject({ reason: 'timeout' });
    setup.mailbox.send();
    await setup.clock.advance(0);
    expect(setup.client.calls).toHaveLength(0);
  });

  it('what is held fails together', async () => {
    const setup = new Setup();
    setup.mailbox.hold();
    setup.post('a');
    await setup.clock.advance(1);
    setup.mailbox.fail({ outcome: 'failed', reason: 'disconnected', message: 'why' });
    expect(setup.replies.get('a')).toMatchObject({ message: 'why' });
    expect(setup.undone).toEqual(['a']);
    expect(setup.clock.pendingTimers).toBe(0);
  });
});
