import { describe, expect, it, vi } from 'vitest';
import type { NodeVote } from '../../src/base/vote.ts';
import { fenceKeyOf, queueKeyOf } from '../../src/quorum/fencing-token.ts';
import { Quorum } from '../../src/quorum/quorum.ts';
import { wasNeverSent } from '../../src/quorum/round.ts';
import type { Latency } from '../../src/testing/latency.ts';
import { failed, TOKENS_A_LEASE } from '../../src/wire/operation.ts';
import { World } from './world.ts';

const TIMEOUT_MS = 50;
const TTL = 10_000;
const FENCE = fenceKeyOf('lock:r');
const target = { keys: ['lock:r'], fences: [FENCE], queues: [queueKeyOf('lock:r')] };

const oneWay = (ms: number): Latency => ({ least: ms, most: ms });

function quorumIn(world: World): Quorum {
  return new Quorum(world.clients, {
    clock: world.clock,
    random: world.random.fork(),
    quarantine: 'off',
    usesMarker: false,
    probeKeys: [],
    nodeCount: world.clients.length,
    driftFactor: 0.01,
    maxTtl: 30_000,
    nodeTimeout: TIMEOUT_MS,
    leastTimeout: TIMEOUT_MS,
    grace: TIMEOUT_MS,
    handshakeTimeout: 1_000,
    fenceRetention: 3_600_000,
    warn: () => undefined,
  });
}

/** A quorum that is connected to its nodes, which know the scripts. */
async function connected(nodeCount = 3, latency: Latency = oneWay(0.25)) {
  const world = new World(nodeCount, { latency });
  const quorum = quorumIn(world);
  await world.clock.advance(100);
  await world.clock.runUntil(quorum.inspect(target, TIMEOUT_MS));
  return { world, quorum };
}

/** Has the first node be a minute ahead of the others with its fence counter. Returns that. */
function raiseCounter(world: World): number {
  const counter = world.server(0).timeUs + 60_000_000;
  world.server(0).store.set(FENCE, String(counter), '3600000');
  return counter;
}

/** A promise to settle later. */
function open() {
  let [resolve, reject] = [() => {}, () => {}];
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

/** How long something takes, in milliseconds. */
async function timed<Result>(world: World, work: Promise<Result>) {
  const startedAtMs = world.clock.monotonic();
  const result = await world.clock.runUntil(work);
  return { result, tookMs: world.clock.monotonic() - startedAtMs };
}

const outcomes = (votes: readonly { readonly outcome: string }[]) => votes.map(({ outcome }) => outcome);

describe('a token that one node alone answered', () => {
  it('is taken by the others before it counts', async () => {
    const { world, quorum } = await connected();
    const counter = raiseCounter(world);
    const grant = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    expect(grant).toMatchObject({ granted: true, token: counter + TOKENS_A_LEASE });
    await world.clock.advance(10);
    expect(world.valuesOf(FENCE)).toEqual(Array(3).fill(String(counter + TOKENS_A_LEASE)));
  });

  it('costs no second call to the node that answered it', async () => {
    const { world, quorum } = await connected();
    raiseCounter(world);
    const before = world.commands;
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    await world.clock.advance(10);
    expect(world.commands.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 2, 2]);
  });

  it('is no token of a lock if the others can take it no more', async () => {
    const { world, quorum } = await connected(3, oneWay(10));
    raiseCounter(world);
    const acquiring = quorum.acquire(target, 'v', TTL, TIMEOUT_MS);
    await world.clock.advance(25);
    for (const index of [1, 2]) world.server(index).store.delete('lock:r');
    world.holdElsewhere('lock:r', TTL, [world.server(1), world.server(2)]);
    const { granted, votes } = await world.clock.runUntil(acquiring);
    expect(granted).toBe(false);
    expect(outcomes(votes)).toEqual(['granted', 'held', 'held']);
  });

  it('is confirmed as soon as a majority has it, though another node hangs', async () => {
    const { world, quorum } = await connected();
    raiseCounter(world);
    world.server(2).pause();
    const { result, tookMs } = await timed(world, quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    expect(outcomes(result.votes)).toEqual(['granted', 'granted', 'pending']);
    expect(tookMs).toBeLessThan(TIMEOUT_MS);
  });
});

describe('a token that a majority answered', () => {
  it('costs each node one call', async () => {
    const { world, quorum } = await connected();
    const before = world.commands;
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    await world.clock.advance(10);
    expect(world.commands.map((count, index) => count - (before[index] ?? 0))).toEqual([1, 1, 1]);
  });
});

describe('a majority that answers', () => {
  it('is enough for a lock: no caller waits for the node that hangs', async () => {
    const { world, quorum } = await connected();
    world.server(2).pause();
    const { result, tookMs } = await timed(world, quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    expect(result.granted).toBe(true);
    expect(tookMs).toBeLessThan(TIMEOUT_MS);
  });

  it('is enough for an extension', async () => {
    const { world, quorum } = await connected();
    const { token } = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    world.server(2).pause();
    const { result, tookMs } = await timed(world, quorum.extend(target, 'v', TTL, token, TIMEOUT_MS));
    expect(result).toMatchObject({ granted: true, token });
    expect(tookMs).toBeLessThan(TIMEOUT_MS);
  });

  it('is waited for in full by a caller that is going to wait, and by no other one', async () => {
    const { world, quorum } = await connected();
    world.holdElsewhere('lock:r', TTL, [world.server(0), world.server(1)]);
    world.client(2).rules.latency = oneWay(10);
    const { tookMs } = await timed(world, quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    expect(tookMs).toBe(0.5);
    const waiting = quorum.acquire(target, 'w', TTL, TIMEOUT_MS, { waiter: undefined });
    const { result, tookMs: waitedMs } = await timed(world, waiting);
    expect(waitedMs).toBe(20);
    expect(outcomes(result.votes)).toEqual(['held', 'held', 'held']);
  });

  it('says that a lock is lost, though the last node hangs', async () => {
    const { world, quorum } = await connected();
    const { token } = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    for (const index of [0, 1]) world.server(index).store.delete('lock:r');
    world.holdElsewhere('lock:r', TTL, [world.server(0), world.server(1)]);
    world.server(2).pause();
    const { result, tookMs } = await timed(world, quorum.extend(target, 'v', TTL, token, TIMEOUT_MS));
    expect([result.granted, tookMs]).toEqual([false, 0.5]);
  });
});

describe('an attempt', () => {
  it('has until its caller’s waitTime is over, and little more', async () => {
    const { world, quorum } = await connected(3, oneWay(100));
    for (const server of world.servers) server.pause();
    for (const [leftMs, took] of [
      [120, 120],
      [10, TIMEOUT_MS],
    ] as const) {
      const contend = { waiter: undefined, untilMs: world.clock.uptime() + leftMs };
      const { tookMs } = await timed(world, quorum.acquire(target, `${leftMs}`, TTL, 400, contend));
      expect(tookMs).toBeCloseTo(took, 6);
    }
  });

  it.each(['no caller wants', 'is not to be made any more'])('that %s asks no node', async (why) => {
    const { world, quorum } = await connected();
    const before = world.commands;
    if (why !== 'no caller wants') quorum.stopAsking();
    const contend = { waiter: undefined, isWanted: () => why !== 'no caller wants' };
    const grant = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS, contend));
    expect(grant).toMatchObject({ granted: false, token: 0, startedAt: { uptime: world.clock.uptime() } });
    const vote = { outcome: 'failed', reason: 'overloaded', message: 'no caller wants it any more' };
    expect(grant.votes).toMatchObject(
      [0, 1, 2].map((index) => ({ ...vote, node: world.client(index).address })),
    );
    expect(world.commands).toEqual(before);
  });
});

describe('a lost attempt', () => {
  const about = { node: '', latencyMs: 1 };
  const votes: readonly NodeVote[] = [
    { ...about, outcome: 'granted', counter: 1 },
    { ...about, outcome: 'held', remainingTtl: 1 },
    { ...about, ...failed('timeout', '') },
    { ...about, ...failed('overloaded', '') },
  ];
  const QUEUE = queueKeyOf('lock:r');

  /** Nodes that all have the attempt's value, be it that a driver has sent it twice. */
  async function lost() {
    const { world, quorum } = await connected(4);
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    await world.clock.advance(10);
    return { world, quorum };
  }

  it('is released where it may be, with the next call where it was refused, and not where none was sent', async () => {
    const { world, quorum } = await lost();
    await world.clock.runUntil(quorum.rollBack(target, 'v', { votes, waiter: undefined }, TIMEOUT_MS));
    expect(world.valuesOf('lock:r')).toEqual([undefined, 'v', undefined, 'v']);
    await world.clock.runUntil(quorum.inspect(target, TIMEOUT_MS));
    await world.clock.advance(10);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined, 'v']);
  });

  it('is released later where it was not granted', async () => {
    const { world, quorum } = await lost();
    quorum.releaseLater(target, 'v', votes);
    expect(world.valuesOf('lock:r')).toEqual(['v', 'v', 'v', 'v']);
    await world.clock.runUntil(quorum.inspect(target, TIMEOUT_MS));
    await world.clock.advance(10);
    expect(world.valuesOf('lock:r')).toEqual(['v', undefined, undefined, undefined]);
  });

  it('asks no node where all have refused it', async () => {
    const { world, quorum } = await lost();
    const before = world.commands;
    const held = votes.map((): NodeVote => ({ ...about, outcome: 'held', remainingTtl: 1 }));
    await world.clock.runUntil(quorum.rollBack(target, 'v', { votes: held, waiter: undefined }, TIMEOUT_MS));
    expect(world.commands).toEqual(before);
  });

  it('has its waiter enter the queues, which it leaves again, now or with the next call', async () => {
    const { world, quorum } = await connected(4);
    world.holdElsewhere('lock:r', TTL);
    const waiter = { member: 'p.1', since: 1 };
    const queued = () => world.servers.map(({ store }) => store.typeOf(QUEUE) === 'zset');
    await world.clock.runUntil(quorum.rollBack(target, 'v', { votes, waiter }, TIMEOUT_MS));
    expect(queued()).toEqual([true, false, true, false]);
    quorum.leaveLater(target, 'p.1', new Set([2]));
    await world.clock.runUntil(quorum.leave(target, 'p.1', new Set(), TIMEOUT_MS));
    expect(queued()).toEqual([true, false, true, false]);
    await world.clock.runUntil(quorum.leave(target, 'p.1', new Set([0]), TIMEOUT_MS));
    expect(queued()).toEqual([false, false, true, false]);
    await world.clock.runUntil(quorum.inspect(target, TIMEOUT_MS));
    await world.clock.advance(10);
    expect(queued()).toEqual([false, false, false, false]);
  });
});

describe('a channel', () => {
  it('is listened to at each node, until it is closed', async () => {
    const { world, quorum } = await connected();
    const heard: unknown[] = [];
    let changes = 0;
    expect(quorum.hearing).toEqual({ heard: 0, unheard: 3 });
    const subscription = quorum.listen(
      'channel',
      (...message) => heard.push(message),
      () => {
        changes += 1;
      },
    );
    await world.clock.advance(100);
    expect([quorum.hearing, changes]).toEqual([{ heard: 3, unheard: 0 }, 3]);
    for (const [index, server] of world.servers.entries())
      expect(server.publish('channel', `${index}`)).toBe(1);
    await world.clock.advance(10);
    expect(heard).toEqual([
      [0, '0'],
      [1, '1'],
      [2, '2'],
    ]);
    // A node that does not vote is none to be waited for.
    world.server(1).crash();
    await world.clock.advance(10);
    expect([quorum.hearing, changes]).toEqual([{ heard: 2, unheard: 0 }, 4]);
    subscription.close();
    await world.clock.advance(10);
    expect(world.server(0).publish('channel', '')).toBe(0);
    expect(quorum.hearing).toEqual({ heard: 0, unheard: 2 });
  });
});

describe('whether a majority is lost for good', () => {
  const about = { node: '', latencyMs: 1 };
  const foreign: NodeVote = { ...about, outcome: 'foreign', type: 'list' };
  const unset: NodeVote = { ...about, ...failed('error', 'WRONGPASS invalid username-password pair') };
  const held: NodeVote = { ...about, outcome: 'held', remainingTtl: 1 };
  const late: NodeVote = { ...about, ...failed('timeout', 'no answer') };

  it.each([
    [[], false],
    [[foreign, held, late], false],
    [[foreign, unset, late], true],
    [[late, unset, late], false],
    [[held, held, held], false],
    [[foreign, foreign, held], true],
  ])('is told by votes and by nodes: %#', async (votes, isLost) => {
    const { quorum } = await connected();
    expect(quorum.isLost(votes)).toBe(isLost);
  });
});

describe('the readers of a lock', () => {
  it('are told as waiters of its set of shares; other locks have none', async () => {
    const { world, quorum } = await connected();
    const shared = { ...target, sharers: 'shares' };
    await world.clock.runUntil(quorum.acquire(shared, 'v', TTL, TIMEOUT_MS));
    await world.clock.advance(10);
    const readers = async (of: typeof target) => {
      const votes = await world.clock.runUntil(quorum.sharers(of, TIMEOUT_MS));
      return votes.map((vote) =>
        vote.outcome === 'granted' ? vote.waiters?.map(({ member }) => member) : [],
      );
    };
    expect(await readers(shared)).toEqual([['v'], ['v'], ['v']]);
    expect(await readers(target)).toEqual([[], [], []]);
  });
});

describe('whether it is certain if a majority votes', () => {
  it('is open while the node that decides it is still being connected to', async () => {
    const world = new World(3);
    world.server(1).crash();
    world.client(2).cut('both');
    const quorum = quorumIn(world);
    await world.clock.advance(100);
    expect(quorum.isConnected).toBe(false);
    world.client(2).mend();
    await world.clock.advance(100);
    expect(quorum.isConnected).toBe(true);
  });

  it('is known at once if too many nodes are down, whatever the last one does', async () => {
    const world = new World(3);
    world.server(0).crash();
    world.server(1).crash();
    world.client(2).cut('both');
    const quorum = quorumIn(world);
    await world.clock.advance(100);
    expect(quorum.isConnected).toBe(true);
  });

  it('is known as soon as a majority votes', async () => {
    const world = new World(5);
    for (const index of [3, 4]) world.client(index).cut('both');
    const quorum = quorumIn(world);
    expect(quorum.isConnected).toBe(false);
    const { tookMs } = await timed(world, quorum.connected(1_000));
    expect(quorum.isConnected).toBe(true);
    expect(tookMs).toBeLessThan(100);
  });
});

describe('whether a majority is up', () => {
  it('is told with the reason of each node that is not, if it is not in time', async () => {
    const { world, quorum } = await connected(5);
    expect(await world.clock.runUntil(quorum.ready(100))).toBe(undefined);
    for (const index of [1, 2]) world.server(index).pause();
    world.server(3).crash();
    await world.clock.advance(10);
    const votes = await world.clock.runUntil(quorum.ready(100));
    const silent = { outcome: 'failed', reason: 'timeout', message: 'no answer within 100 ms' };
    const down = { outcome: 'failed', reason: 'disconnected' };
    const up = { outcome: 'granted', counter: 0 };
    expect(votes).toMatchObject([up, silent, silent, down, up]);
  });
});

describe('a majority answers', () => {
  it('if it is a bare one', async () => {
    const { world, quorum } = await connected();
    world.server(0).crash();
    await world.clock.advance(10);
    expect(quorum.isAnswering).toBe(true);
  });

  it('not if too many nodes are down or owe an answer', async () => {
    const { world, quorum } = await connected();
    world.server(0).crash();
    world.server(1).pause();
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    expect(quorum.isAnswering).toBe(false);
  });

  it('as soon as a node that owed an answer is heard of', async () => {
    const { world, quorum } = await connected();
    world.server(0).crash();
    world.server(1).pause();
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    const returned = vi.fn();
    quorum.awaitAnswers(returned);
    world.server(1).resume();
    await world.clock.advance(1);
    expect(quorum.isAnswering).toBe(true);
    expect(returned).toHaveBeenCalledTimes(1);
  });

  it('and is awaited no more by one that said so', async () => {
    const { world, quorum } = await connected();
    const returned = vi.fn();
    quorum.awaitAnswers(returned);
    quorum.awaitNoMore(returned);
    world.server(0).crash();
    await world.clock.advance(100);
    expect(quorum.isAnswering).toBe(true);
    expect(returned).not.toHaveBeenCalled();
  });

  it('and is not told of where another node goes', async () => {
    const { world, quorum } = await connected();
    const returned = vi.fn();
    world.server(0).crash();
    await world.clock.advance(10);
    quorum.awaitAnswers(returned);
    world.server(1).crash();
    await world.clock.advance(10);
    expect(returned).not.toHaveBeenCalled();
  });
});

describe('initialize', () => {
  it('does not wait when all nodes are connected', async () => {
    const { world, quorum } = await connected();
    const { tookMs } = await timed(world, quorum.initialize(1_000));
    expect(tookMs).toBeLessThan(100);
  });

  it('waits for the last of the first connections', async () => {
    const world = new World(3);
    world.client(2).cut('both');
    const quorum = quorumIn(world);
    world.clock.after(300, () => world.client(2).mend());
    const { result, tookMs } = await timed(world, quorum.initialize(1_000));
    expect(result).toEqual([]);
    expect(tookMs).toBeGreaterThanOrEqual(300);
    expect(tookMs).toBeLessThan(400);
  });

  it('waits for no longer than it may', async () => {
    const world = new World(3);
    world.client(2).cut('both');
    const quorum = quorumIn(world);
    const { tookMs } = await timed(world, quorum.initialize(400));
    expect(tookMs).toBe(400);
  });
});

describe('work in the background', () => {
  it('keeps no flush waiting where there is none', async () => {
    const { quorum } = await connected();
    await quorum.flush();
  });

  it('keeps every flush waiting until all of it has settled, however that is', async () => {
    const { quorum } = await connected();
    const [one, other] = [open(), open()];
    quorum.background(one.promise);
    quorum.background(other.promise);
    let isFlushed = false;
    const both = Promise.all([quorum.flush(), quorum.flush()]).then(() => {
      isFlushed = true;
    });
    one.reject();
    await new Promise(setImmediate);
    expect(isFlushed).toBe(false);
    other.resolve();
    await both;
  });

  it('keeps a flush waiting for what it led to, a few steps later', async () => {
    const { quorum } = await connected();
    const [first, second] = [open(), open()];
    quorum.background(first.promise);
    void first.promise
      .then(() => undefined)
      .then(() => undefined)
      .then(() => quorum.background(second.promise));
    let isFlushed = false;
    const flushed = quorum.flush().then(() => {
      isFlushed = true;
    });
    first.resolve();
    await new Promise(setImmediate);
    expect(isFlushed).toBe(false);
    second.resolve();
    await flushed;
  });
});

describe('a closed quorum', () => {
  it('has closed its connections, and every vote says so', async () => {
    const { world, quorum } = await connected();
    quorum.close();
    expect(world.clients.map(({ state }) => state)).toEqual(['ended', 'ended', 'ended']);
    const votes = await world.clock.runUntil(quorum.inspect(target, TIMEOUT_MS));
    expect(votes).toMatchObject(Array(3).fill({ outcome: 'failed', reason: 'closed' }));
    expect(world.clock.pendingTimers).toBe(0);
  });
});

describe('a lock without fencing', () => {
  it('has the token 0, and no node has a counter for it', async () => {
    const { world, quorum } = await connected();
    const bare = { ...target, fences: [] };
    const grant = await world.clock.runUntil(quorum.acquire(bare, 'v', TTL, TIMEOUT_MS));
    expect(grant).toMatchObject({ granted: true, token: 0 });
    await world.clock.advance(10);
    expect(world.valuesOf(FENCE)).toEqual([undefined, undefined, undefined]);
  });
});

describe('a thousand calls at once', () => {
  /** Has each of a thousand locks of their own be asked for something. Returns how many have been answered by now. */
  function ofThousand(ask: (one: typeof target, value: string) => Promise<unknown>): () => number {
    let answered = 0;
    for (let index = 0; index < 1_000; index += 1) {
      const one = {
        keys: [`lock:${index}`],
        fences: [fenceKeyOf(`lock:${index}`)],
        queues: [`queue:${index}`],
      };
      void ask(one, `v${index}`).then(() => {
        answered += 1;
      });
    }
    return () => answered;
  }

  it('do not delay extensions and releases, if they are attempts', async () => {
    const { world, quorum } = await connected();
    const { token } = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    const answered = ofThousand((one, value) => quorum.acquire(one, value, TTL, TIMEOUT_MS));
    const extending = quorum.extend(target, 'v', TTL, token, TIMEOUT_MS);
    const { result, tookMs } = await timed(world, extending);
    expect(result.granted).toBe(true);
    expect(tookMs).toBe(0.5);
    await world.clock.runUntil(quorum.release(target, 'v', TIMEOUT_MS));
    expect(answered()).toBeLessThanOrEqual(3 * 128);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
  });

  it('do not delay an attempt that takes over from a lock of this process, if they are attempts', async () => {
    const { world, quorum } = await connected();
    await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    void ofThousand((one, value) => quorum.acquire(one, value, TTL, TIMEOUT_MS));
    const contend = { waiter: undefined, previous: 'v' };
    const { tookMs } = await timed(world, quorum.acquire(target, 'w', TTL, TIMEOUT_MS, contend));
    expect(tookMs).toBe(0.5);
  });

  it('ask no node where their time is over before their turn', async () => {
    const { world, quorum } = await connected(3, oneWay(40));
    const late = new Set<string>();
    const contend = { waiter: undefined, untilMs: world.clock.uptime() };
    ofThousand(async (one, value) => {
      const { votes } = await quorum.acquire(one, value, TTL, 1_000, contend);
      for (const vote of votes) if (wasNeverSent(vote) && 'message' in vote) late.add(vote.message);
    });
    await world.clock.advance(1_000);
    expect([...late]).toEqual([
      'not asked: until the time was over, this process had more attempts under way than it makes at once',
    ]);
  });

  it('do not delay extensions, if they are releases', async () => {
    const { world, quorum } = await connected();
    const { token } = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    const answered = ofThousand((one, value) => quorum.release(one, value, TIMEOUT_MS));
    const { result, tookMs } = await timed(world, quorum.extend(target, 'v', TTL, token, TIMEOUT_MS));
    expect(result.granted).toBe(true);
    expect(tookMs).toBe(0.5);
    expect(answered()).toBeLessThanOrEqual(128);
  });

  it('travel in few calls, also those that have waited', async () => {
    const { world, quorum } = await connected();
    const before = world.server(0).commands;
    const answered = ofThousand((one, value) => quorum.acquire(one, value, TTL, TIMEOUT_MS));
    await world.clock.advance(50);
    expect(answered()).toBe(1_000);
    expect(world.server(0).commands - before).toBeLessThanOrEqual(40);
  });
});
