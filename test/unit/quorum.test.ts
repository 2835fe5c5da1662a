import { describe, expect, it, vi } from 'vitest';
import { fenceKeyOf, queueKeyOf } from '../../src/quorum/fencing-token.ts';
import { Quorum } from '../../src/quorum/quorum.ts';
import type { Latency } from '../../src/testing/latency.ts';
import { TOKENS_A_LEASE } from '../../src/wire/operation.ts';
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
    await world.clock.advance(100);
    expect(quorum.isConnected).toBe(true);
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
    expect(answered()).toBeLessThanOrEqual(3 * 96);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
  });

  it('do not delay extensions, if they are releases', async () => {
    const { world, quorum } = await connected();
    const { token } = await world.clock.runUntil(quorum.acquire(target, 'v', TTL, TIMEOUT_MS));
    const answered = ofThousand((one, value) => quorum.release(one, value, TIMEOUT_MS));
    const { result, tookMs } = await timed(world, quorum.extend(target, 'v', TTL, token, TIMEOUT_MS));
    expect(result.granted).toBe(true);
    expect(tookMs).toBe(0.5);
    expect(answered()).toBeLessThanOrEqual(96);
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
