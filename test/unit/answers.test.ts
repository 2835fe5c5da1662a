import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Redlock, type RedlockWarning } from '../../src/index.ts';
import { Batcher } from '../../src/node/batcher.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { quorumText } from '../../src/wire/batch.ts';
import type { Client, Subscription, SubscriptionEvents } from '../../src/wire/client.ts';
import { decode, type Operation, readAnswer } from '../../src/wire/operation.ts';
import { World } from './world.ts';

const TERMS = { nodeCount: undefined, maxTtl: 1, clampUs: 1, fenceRetentionMs: 1, graceMs: 1, block: 1 };

const HEADER = {
  markerKey: undefined,
  quorum: quorumText(TERMS),
  isHeard: () => true,
  deadlineUs: () => TIME,
};

const TIME = 1_893_456_000_000_000;
const TOKEN = TIME + 5;

const LOCK = { keys: ['k'], fences: ['f'], queues: ['q'] } as const;
const PLAIN = { ...LOCK, fences: [] } as const;
const WAITER = { member: 'p.1', since: 3 } as const;

const acquire: Operation = { ...LOCK, kind: 'acquire', value: 'v', ttl: 1, proposal: 2 };
const plainAcquire: Operation = { ...PLAIN, kind: 'acquire', value: 'v', ttl: 1, proposal: 2 };
const confirm: Operation = { ...LOCK, kind: 'confirm', value: 'v', token: 2 };
const extend: Operation = { ...LOCK, kind: 'extend', value: 'v', ttl: 1, token: 2 };
const plainExtend: Operation = { ...PLAIN, kind: 'extend', value: 'v', ttl: 1, token: 0 };
const release: Operation = { ...LOCK, kind: 'release', value: 'v' };
const inspect: Operation = { ...LOCK, kind: 'inspect' };
const enter: Operation = { ...LOCK, kind: 'enter', waiter: WAITER };
const leave: Operation = { ...LOCK, kind: 'leave', member: 'p.1' };
const waiting: Operation = { ...LOCK, kind: 'waiting' };

/** What the scripts answer, see the heads of their files. */
const GOOD: readonly (readonly [operation: Operation, ...elements: readonly unknown[]])[] = [
  [
    acquire,
    TOKEN,
    [1, TOKEN],
    [1, TOKEN, 0, 3],
    [2, 0, ''],
    [2, 7, 'web-3:4711'],
    [2, 7, '&', 0, 1],
    [2, 7, '', 3, 2, 50],
    [4, 'list'],
    [6],
    [7],
  ],
  [acquire, [8, 'OOM'], [10, 7, '&'], [10, 7, '&', 0, 1, 50]],
  [plainAcquire, 0, [1, 0]],
  [confirm, [1, TOKEN], [3], [2, 7, ''], [5, TOKEN], [4, 'hash'], [7], [8, 'ERR']],
  [extend, [1, TOKEN], [3], [2, 7, 'web-3:4711'], [5, TOKEN], [4, 'hash'], [6], [7], [8, 'ERR']],
  [plainExtend, [1, 0]],
  [release, 1, [1, 2], [1, 1, 1], [3], [3, 0, 1], [2, 7, ''], [4, 'set'], [8, 'ERR']],
  [inspect, [2, 7, 'value', 0], [2, 7, 'value', TOKEN], [3, 0], [3, TOKEN], [7], [4, 'zset'], [8, 'ERR']],
  [enter, [1, 1], [6], [8, 'ERR']],
  [leave, [1, 1], [8, 'ERR']],
  [waiting, [9], [9, 'p.1', '3'], [9, 'p.1', '3', 'p.2', '1e400'], [8, 'ERR']],
];

const NO_COUNTS = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '7', null, undefined, [], 10n];

const BAD: readonly (readonly [operation: Operation, ...elements: readonly unknown[]])[] = [
  [
    acquire,
    0,
    ...NO_COUNTS,
    'QUEUED',
    {},
    [],
    [1],
    [1, 0],
    [1, TOKEN, 1],
    [1, TOKEN, 0, 0],
    [1, TOKEN, 1, 3],
    [2],
    [2, 7],
    [2, 7, 0],
    [2, 7, '', 0],
    [2, 7, 'web-3:4711', 0, 1, 50, 0],
    [2, 7, '', 0, 1, -1],
    [10],
    [10, 7],
    [10, 7, '&', 0],
    [2, 7, 'value', 0],
    [6, 1],
    [11, 1],
    [0],
  ],
  [
    acquire,
    ...NO_COUNTS.flatMap((none) => [[1, none], [2, none, ''], [none], [none, TOKEN]]),
    [5, 0],
    [9],
    [4],
    [4, 7],
    [8],
  ],
  [plainAcquire, ...NO_COUNTS, ...NO_COUNTS.map((none) => [1, none])],
  [
    confirm,
    TOKEN,
    [1, 0],
    ...NO_COUNTS.flatMap((none) => [
      [1, none],
      [5, none],
    ]),
  ],
  [extend, TOKEN, [1, 0], ...NO_COUNTS.map((none) => [1, none])],
  [
    release,
    0,
    ...NO_COUNTS,
    [1, 0],
    [1, 1, 2],
    [1, 1, 0, 3],
    [2, 7],
    [2, 7, '', 0, 1],
    [3, 1, 1],
    [3, 0],
    [10, 7],
  ],
  [
    inspect,
    [2, 7],
    [2, 7, 'v'],
    [3],
    [1, 1],
    ...NO_COUNTS.flatMap((none) => [
      [3, none],
      [2, none, 'v', 0],
      [2, 7, 'v', none],
    ]),
  ],
  [waiting, [1, 0], [9, 'p.1'], [9, 'p.1', 3], [9, 3, '3']],
];

const each = (table: typeof GOOD) =>
  table.flatMap(([operation, ...elements]) =>
    elements.map((element) => [operation.kind, operation, element] as const),
  );

describe('an answer of the script', () => {
  it.each(each(GOOD))('to %s is in its form: %3$j', (_, operation, element) => {
    expect(readAnswer([TIME, element], [{ operation }], true)).toEqual([decode(element)]);
    expect(readAnswer([0, element], [{ operation }], false)).toEqual([decode(element)]);
    expect(decode(element)).toHaveProperty('outcome');
  });

  it.each(each(BAD))('to %s is not in its form: %3$o', (_, operation, element) => {
    expect(() => readAnswer([TIME, element], [{ operation }], true)).toThrow(/none of the script's/);
  });

  it.each<[element: unknown, held: object]>([
    [[2, 7, 'web-3:4711'], { remainingTtl: 7, holder: 'web-3:4711' }],
    [[2, 7, '', 0, 1], { remainingTtl: 7, rank: 0, queues: 1 }],
    [[2, 7, '&', 3, 2, 50], { remainingTtl: 7, isShared: true, rank: 3, queues: 2, againMs: 50 }],
    [[2, 7, 'web-3:4711', 0, '1,4'], { remainingTtl: 7, holder: 'web-3:4711', rank: 0, open: [1, 4] }],
    [[2, 7, 'value', 9], { remainingTtl: 7, value: 'value', counter: 9 }],
    [[10, 7, '&'], { remainingTtl: 7, isShared: true, isBehindWriter: true }],
  ])('tells who holds a key: %j', (element, held) => {
    expect(decode(element)).toEqual({ outcome: 'held', ...held });
  });

  it('names waiters whose place is a time, and leaves others out', () => {
    const reply = decode([9, 'p.1', '3', 'p.2', 'inf', 'p.3', '-1', 'p.4', 'nan']);
    expect(reply).toMatchObject({ waiters: [{ member: 'p.1', since: 3 }] });
  });

  const carriers = [{ operation: acquire }, { operation: release }];
  it.each([
    ['QUEUED'],
    [null],
    [undefined],
    [{}],
    [7],
    [[]],
    [[TIME]],
    [[TIME, TOKEN]],
    [[TIME, TOKEN, 1, 1]],
    [[0, TOKEN, 1]],
    [[-TIME, TOKEN, 1]],
    [[TIME + 0.5, TOKEN, 1]],
    [[Number.NaN, TOKEN, 1]],
    [[Number.POSITIVE_INFINITY, TOKEN, 1]],
    [[9e15, TOKEN, 1]],
    [[String(TIME), TOKEN, 1]],
    [[TIME, TOKEN, new Error('ERR')]],
  ])('is not in its form as a whole: %o', (answer) => {
    expect(() => readAnswer(answer, carriers, true)).toThrow(/none of the script's/);
  });

  it('tells no time where it was not asked for one', () => {
    expect(() => readAnswer([TIME, 1], [{ operation: release }], false)).toThrow(/none of the script's/);
  });

  it('makes no message of a long one that is long', () => {
    const answer = Array.from({ length: 100_000 }, () => 'x'.repeat(1_000));
    expect(() => readAnswer(answer, carriers, true)).toThrow(/^.{1,2000}$/);
  });
});

describe('an answer that is not in the script’s form', () => {
  it.each([['QUEUED'], [[TIME]], [[TIME, TOKEN, 'QUEUED']], [[Number.NaN, TOKEN, 1]], [[TIME, 0, 1]]])(
    'fails all that was asked, and nothing else is heard of it: %o',
    async (answer) => {
      const heard: string[] = [];
      const clock = new VirtualClock();
      const client = { state: 'ready', isCluster: false, evalsha: async () => answer } as unknown as Client;
      const batcher = new Batcher(client, clock, HEADER, {
        answered: () => heard.push('answered'),
        done: (_, reply) => {
          heard.push('done');
          return reply;
        },
        undone: ({ kind }) => heard.push(`${kind} undone`),
        refused: () => undefined,
        timedOut: () => heard.push('timed out'),
        tooSlow: () => undefined,
        inTime: () => undefined,
      });
      batcher.send();
      for (const operation of [acquire, { ...release, keys: ['other'] }]) {
        batcher.enqueue(operation, 50, (reply) => {
          expect(reply).toMatchObject({ outcome: 'failed', reason: 'error' });
          heard.push('replied');
        });
      }
      await clock.advance(0);
      expect(heard.sort()).toEqual(['acquire undone', 'release undone', 'replied', 'replied']);
    },
  );

  it('of a whole quorum costs the attempt, and leaves tokens, clocks and keys as they are', async () => {
    const answers = fc.oneof(
      fc.constantFrom<unknown>('QUEUED', null, undefined, [], [Number.NaN], 'OK', 0),
      fc.anything(),
      fc.constant(SPOILED),
    );
    await fc.assert(
      fc.asyncProperty(answers, fc.nat(), async (garbage, chance) => {
        const world = new World(3);
        const garbled = world.clients.map((client) => new GarbledClient(client));
        const warnings: RedlockWarning[] = [];
        const redlock = new Redlock(garbled, {
          clock: world.clock,
          random: world.random,
          quarantine: 'off',
          onWarning: (warning) => warnings.push(warning),
        });
        const cycle = async () => {
          const lock = await redlock.acquire('good');
          await lock.release();
          return lock.token ?? 0;
        };
        const until = <Result>(promise: Promise<Result>) => world.clock.runUntil(promise);
        const before = await until(cycle());
        for (const client of garbled)
          client.garble = (answer) => (garbage === SPOILED ? spoiled(answer, chance) : garbage);
        await until(redlock.tryAcquire('bad').catch(() => null));
        for (const client of garbled) client.garble = undefined;
        const after = await until(cycle());
        expect(after).toBeGreaterThan(before);
        // In microseconds of the virtual time that passed.
        expect(after - before).toBeLessThan(2_000_000);
        await world.clock.advance(1_000);
        await until(cycle());
        await world.clock.advance(1_000);
        for (const server of world.servers) expect(server.store.keys()).not.toContain('lock:bad');
        expect(warnings).toEqual([]);
        await until(redlock.close());
      }),
    );
  });

  it('to the first look at a node keeps it from voting until it says what it is', async () => {
    const world = new World(1);
    const garbled = world.clients.map((client) => new GarbledClient(client));
    for (const client of garbled) client.garble = (answer) => (answer as readonly unknown[]).with(0, 'now');
    const redlock = new Redlock(garbled, {
      clock: world.clock,
      random: world.random,
      onWarning: () => undefined,
    });
    const refused = redlock.acquire('wanted').catch((error: unknown) => error);
    expect(String(await world.clock.runUntil(refused))).toContain("none of the script's");
    for (const client of garbled) client.garble = undefined;
    await world.clock.advance(1_000);
    const lock = await world.clock.runUntil(redlock.acquire('wanted'));
    await world.clock.runUntil(lock.release());
    await world.clock.runUntil(redlock.close());
  });
});

const NO_NUMBERS = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1, 0.5, 2 ** 53];

describe('a number that is none', () => {
  /** What is sent, and what is replied, if this is asked along with a release. */
  async function ask(operation: Operation, header = HEADER) {
    const sent: unknown[] = [];
    const replies: string[] = [];
    const clock = new VirtualClock();
    const evalsha = async (...[, , args]: Parameters<Client['evalsha']>) => {
      sent.push(...args);
      return [TIME, ...args.filter((arg) => arg === 'other').map(() => 1)];
    };
    const client = { state: 'ready', isCluster: false, evalsha } as unknown as Client;
    const batcher = new Batcher(client, clock, header, {
      answered: () => undefined,
      done: (_, reply) => reply,
      undone: () => undefined,
      refused: () => undefined,
      timedOut: () => undefined,
      tooSlow: () => undefined,
      inTime: () => undefined,
    });
    batcher.send();
    const other: Operation = {
      ...PLAIN,
      kind: 'acquire',
      keys: ['other'],
      value: 'other',
      ttl: 1,
      proposal: 2,
    };
    for (const each of [operation, other]) {
      batcher.enqueue(each, 50, (reply) => {
        const { outcome } = reply;
        replies.push(outcome === 'failed' ? reply.message : outcome);
      });
    }
    await clock.advance(0);
    return { sent, replies: replies.sort() };
  }

  it.each(
    NO_NUMBERS.flatMap((none): readonly (readonly [string, Operation])[] => [
      [`ttl ${none}`, { ...acquire, ttl: none }],
      [`ttl ${none}`, { ...extend, ttl: none }],
      [`proposed token ${none}`, { ...acquire, proposal: none }],
      [`token ${none}`, { ...confirm, token: none }],
      [`token ${none}`, { ...extend, token: none }],
      [`time of asking ${none}`, { ...acquire, waiter: { ...WAITER, since: none } }],
      [`time of asking ${none}`, { ...LOCK, kind: 'enter', waiter: { ...WAITER, since: none } }],
      [`permits ${none}`, { ...acquire, permit: { slot: 0, of: none } }],
    ]),
  )('is not sent, and takes nothing else with it: %s', async (what, operation) => {
    const { sent, replies } = await ask(operation);
    expect(replies).toEqual(['granted', `not sent, for its ${what}`]);
    expect(sent).toContain('other');
    for (const none of NO_NUMBERS) expect(sent).not.toContain(none);
  });

  it.each(NO_NUMBERS)('in what a call begins with is not sent: %d', async (none) => {
    const why = `nothing is sent with ${none} in it: it must be a whole number`;
    const { sent, replies } = await ask(plainAcquire, { ...HEADER, deadlineUs: () => none });
    expect(sent).toEqual([]);
    for (const reply of replies) expect(reply).toBe(why);
    for (const name of Object.keys(TERMS)) expect(() => quorumText({ ...TERMS, [name]: none })).toThrow(why);
  });
});

/** Stands for an answer of which one part is something else. */
const SPOILED = Symbol('spoiled');

function spoiled(answer: unknown, chance: number): unknown {
  if (!Array.isArray(answer)) return answer;
  const parts = [Number.NaN, 'QUEUED', -1, null, [1, 'x'], [1, -5], [2, Number.NaN], [10], 2 ** 60];
  return answer.with(chance % answer.length, parts[chance % parts.length]);
}

/** A client: between it and the server something else answers at times. */
class GarbledClient implements Client {
  readonly isCluster = false;
  garble: ((answer: unknown) => unknown) | undefined;
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
  }

  get address(): string {
    return this.#client.address;
  }

  get state() {
    return this.#client.state;
  }

  get stateReason(): string {
    return this.#client.stateReason;
  }

  onStateChange(listener: () => void): () => void {
    return this.#client.onStateChange(listener);
  }

  async evalsha(...call: Parameters<Client['evalsha']>): Promise<unknown> {
    const answer = await this.#client.evalsha(...call);
    return this.garble === undefined ? answer : this.garble(answer);
  }

  async eval(...call: Parameters<Client['eval']>): Promise<unknown> {
    const answer = await this.#client.eval(...call);
    return this.garble === undefined ? answer : this.garble(answer);
  }

  subscribe(channel: string, events: SubscriptionEvents): Subscription | undefined {
    return this.#client.subscribe(channel, events);
  }

  slotOf(): number {
    return 0;
  }

  reconnect(): boolean {
    return this.#client.reconnect();
  }

  close(): void {
    this.#client.close();
  }
}
