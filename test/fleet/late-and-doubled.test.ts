import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { scriptCallsDuring } from '../../scripts/fleet/server-calls.ts';
import { chooseSeed } from '../../scripts/support/seeds.ts';
import { now } from '../../scripts/support/time.ts';
import { SystemClock } from '../../src/base/clock.ts';
import type { Reply } from '../../src/base/vote.ts';
import { NoQuorumError, QuorlockError, Redlock } from '../../src/index.ts';
import { Batcher } from '../../src/node/batcher.ts';
import { MARKER_KEY } from '../../src/node/marker.ts';
import { CLAMP_MS } from '../../src/node/node-settings.ts';
import { fenceKeyOf, queueKeyOf } from '../../src/quorum/fencing-token.ts';
import { findOverlaps, type Interval } from '../../src/testing/checkers/overlaps.ts';
import { findTokenFaults, type Grant } from '../../src/testing/checkers/tokens.ts';
import { Rng } from '../../src/testing/rng.ts';
import { quorumText } from '../../src/wire/batch.ts';
import { clientOver } from '../../src/wire/clients/ioredis.ts';
import { type Operation, TOKENS_A_LEASE } from '../../src/wire/operation.ts';
import { nodeAt, startDeployment, untilAllVote } from '../support/deployment.ts';
import { expectNoKeys, keysOn, LONG_TTL_MS } from '../support/lock-keys.ts';

const MAX_TTL_MS = 30_000;
const FAR_FUTURE_US = Number.MAX_SAFE_INTEGER;

let fleet: Fleet;
let proxies: TcpProxy[];
let clients: Redis[];

beforeAll(async () => {
  fleet = await startDeployment(3, { maxTtl: MAX_TTL_MS });
});
afterAll(() => fleet.stop());

beforeEach(async () => {
  proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
  // As ioredis makes them: commands wait in a queue while there is no connection, and those that had no answer when
  // it was lost are sent again.
  clients = proxies.map(({ url }) => new Redis(url));
  for (const client of clients) client.on('error', () => undefined);
  await Promise.all(clients.map((client) => client.ping()));
});
afterEach(async () => {
  for (const client of clients) client.disconnect();
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

/** The way to the first node, as a Redlock goes it, with a deadline to choose. */
class Wire {
  readonly #batcher: Batcher;

  constructor(deadlineUs: number) {
    const [client] = clients;
    if (client === undefined) throw new Error('there are no clients');
    const header = {
      markerKey: MARKER_KEY,
      quorum: quorumText({
        nodeCount: 3,
        maxTtl: MAX_TTL_MS,
        clampUs: CLAMP_MS * 1_000,
        fenceRetentionMs: 3_600_000,
        graceMs: 50,
        block: TOKENS_A_LEASE,
      }),
      isHeard: () => true,
      deadlineUs: () => deadlineUs,
    };
    const answers = {
      answered: () => undefined,
      done: (_: Operation, reply: Reply) => reply,
      undone: () => undefined,
      refused: () => undefined,
      timedOut: () => undefined,
      tooSlow: () => undefined,
      inTime: () => undefined,
    };
    // The driver needs its time to send something twice.
    this.#batcher = new Batcher(clientOver(client), new SystemClock(), header, answers, 20_000);
    this.#batcher.send();
  }

  ask(operation: Operation): Promise<Reply> {
    return new Promise((resolve) => this.#batcher.enqueue(operation, 20_000, resolve));
  }
}

/**
 * Has the first node do an operation twice: its reply is lost with the connection, and the driver sends it again on
 * the next one. `between` runs after the first time and before the second. Resolves with the reply to the second.
 */
async function doneTwice(
  operation: Operation,
  between: () => Promise<void>,
  deadlineUs = FAR_FUTURE_US,
): Promise<Reply> {
  const proxy = proxyAt(0);
  const wire = new Wire(deadlineUs);
  await wire.ask({ kind: 'release', ...freshLock().keys, value: 'none' });
  let reply: Promise<Reply> | undefined;
  const [calls] = await scriptCallsDuring(fleet, async () => {
    await proxy.refuse(true);
    const sprung = proxy.resetAfterNextBytes('up');
    reply = wire.ask(operation);
    expect(await sprung).toBe(true);
    await between();
    await proxy.refuse(false);
    await reply;
  });
  expect(calls).toBe(2);
  if (reply === undefined) throw new Error('nothing was asked');
  return reply;
}

function proxyAt(index: number): TcpProxy {
  const proxy = proxies[index];
  if (proxy === undefined) throw new Error(`there is no proxy ${index}`);
  return proxy;
}

function onFirstNode(...command: (string | number)[]) {
  return nodeAt(fleet, 0).command(...command);
}

async function firstNodesTimeUs(): Promise<number> {
  const [seconds, micros] = (await onFirstNode('TIME')) as string[];
  return Number(seconds) * 1_000_000 + Number(micros);
}

let resources = 0;

/** The keys of a new lock, and an ACQUIRE for it. */
function freshLock({ ttl = LONG_TTL_MS } = {}) {
  resources += 1;
  const key = `lock:resource ${resources}`;
  const keys = { keys: [key], fences: [fenceKeyOf(key)], queues: [queueKeyOf(key)] };
  const proposal = Date.now() * 1_000;
  const acquire: Operation = { kind: 'acquire', ...keys, value: 'first', ttl, proposal };
  return { key, fence: fenceKeyOf(key), keys, acquire };
}

async function expire(key: string): Promise<void> {
  await onFirstNode('PEXPIRE', key, 1);
  await eventually('its key has expired', async () => (await onFirstNode('EXISTS', key)) === 0);
}

describe('a command that the driver sends twice', () => {
  it('ACQUIRE: answers the same counter, and leaves the expiry of the first', async () => {
    const { key, fence, acquire } = freshLock();
    let counter: unknown;
    let expiresAt: unknown;

    const reply = await doneTwice(acquire, async () => {
      counter = await onFirstNode('GET', fence);
      expiresAt = await onFirstNode('PEXPIRETIME', key);
      await sleep(20);
    });

    expect(Number(counter)).toBeGreaterThan(0);
    expect(reply).toEqual({ outcome: 'granted', counter: Number(counter) });
    expect(await onFirstNode('GET', fence)).toBe(counter);
    expect(await onFirstNode('PEXPIRETIME', key)).toBe(expiresAt);
    expect(await onFirstNode('GET', key)).toBe('first');
  });

  it('ACQUIRE: the second takes nothing from a holder that got the lock in between', async () => {
    const { key, keys, acquire } = freshLock();

    const reply = await doneTwice(acquire, async () => {
      await onFirstNode('DEL', ...keys.keys);
      await onFirstNode('SET', key, 'another holder', 'PX', LONG_TTL_MS);
    });

    expect(reply.outcome).toBe('held');
    expect(await onFirstNode('GET', key)).toBe('another holder');
  });

  it('CONFIRM: the counter is the token, once as twice', async () => {
    const { fence, keys, acquire } = freshLock();
    const granted = await new Wire(FAR_FUTURE_US).ask(acquire);
    const token = granted.outcome === 'granted' ? granted.counter + 7 : 0;

    const reply = await doneTwice({ kind: 'confirm', ...keys, value: 'first', token }, async () => {
      expect(await onFirstNode('GET', fence)).toBe(String(token));
    });

    expect(reply).toEqual({ outcome: 'granted', counter: token });
    expect(await onFirstNode('GET', fence)).toBe(String(token));
  });

  it('EXTEND: keeps the token, and lets no holder have it longer than the second says', async () => {
    const { key, fence, keys, acquire } = freshLock({ ttl: 10_000 });
    const granted = await new Wire(FAR_FUTURE_US).ask(acquire);
    const token = granted.outcome === 'granted' ? granted.counter : 0;
    let expiresAt: unknown;

    const extend: Operation = { kind: 'extend', ...keys, value: 'first', ttl: 20_000, token };
    const reply = await doneTwice(extend, async () => {
      expiresAt = await onFirstNode('PEXPIRETIME', key);
    });

    expect(reply).toEqual({ outcome: 'granted', counter: token });
    expect(await onFirstNode('GET', fence)).toBe(String(token));
    expect(Number(await onFirstNode('PEXPIRETIME', key))).toBeGreaterThanOrEqual(Number(expiresAt));
    expect(Number(await onFirstNode('PTTL', key))).toBeLessThanOrEqual(20_000);
  });

  it('RELEASE: the second does not free the lock of the next holder', async () => {
    const { key, keys, acquire } = freshLock();
    await new Wire(FAR_FUTURE_US).ask(acquire);

    const reply = await doneTwice({ kind: 'release', ...keys, value: 'first' }, async () => {
      expect(await onFirstNode('EXISTS', key)).toBe(0);
      await onFirstNode('SET', key, 'next', 'PX', LONG_TTL_MS);
    });

    expect(reply.outcome).toBe('held');
    expect(await onFirstNode('GET', key)).toBe('next');
  });
});

describe('an ACQUIRE that comes late', () => {
  it('out of a cut network, past its deadline: is refused and leaves nothing behind', async () => {
    const { key, fence, acquire } = freshLock();
    const wire = new Wire((await firstNodesTimeUs()) + 100_000);
    proxyAt(0).cut('up');
    const reply = wire.ask(acquire);
    await sleep(200);
    await proxyAt(0).heal();

    expect(await reply).toMatchObject({ outcome: 'failed', reason: 'late' });
    expect(await onFirstNode('EXISTS', key, fence)).toBe(0);
  });

  it('a second time, past its deadline and after its key has expired: is refused', async () => {
    const { key, acquire } = freshLock();
    const deadlineUs = (await firstNodesTimeUs()) + 2_000_000;
    const untilLate = async () => {
      expect(await onFirstNode('GET', key)).toBe('first');
      await expire(key);
      await eventually('its deadline has passed', async () => (await firstNodesTimeUs()) > deadlineUs);
    };

    const reply = await doneTwice(acquire, untilLate, deadlineUs);

    expect(reply).toMatchObject({ outcome: 'failed', reason: 'late' });
    expect(await onFirstNode('EXISTS', key)).toBe(0);
  });

  it('without a deadline would leave an orphan', async () => {
    const { key, acquire } = freshLock();

    const reply = await doneTwice(acquire, () => expire(key));

    expect(reply.outcome).toBe('granted');
    expect(await onFirstNode('GET', key)).toBe('first');
  });

  it('of a Redlock that has given up: takes the lock on no node', async () => {
    await using redlock = new Redlock(clients, {
      nodeTimeout: 200,
      maxTtl: MAX_TTL_MS,
      onWarning: () => undefined,
    });
    await untilAllVote(redlock);
    for (const proxy of proxies) proxy.cut('up');
    await expect(redlock.tryAcquire('late')).rejects.toThrow(NoQuorumError);
    await sleep(200);
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    // The same connections, so what was held has been done when this has.
    await untilAllVote(redlock);

    // A counter outlives the lock by an hour: there never was one.
    expect(await keysOn(fleet, fenceKeyOf('lock:late'))).toEqual([]);
    await expectNoKeys(fleet, 'lock:late');
  });
});

describe('connections that are cut and reset all the time, under drivers that send again', () => {
  const ttl = 1_000;
  const RUN_MS = 6_000;

  it('never let two holders overlap or a token come twice, and no key outlives its ttl', async () => {
    const seed = chooseSeed();
    console.log(`late and doubled: QUORLOCK_SEED=${seed}`);
    const dice = Rng.ofSeed(seed);
    const stop = new AbortController();
    const intervals: Interval[] = [];
    const grants: Grant[] = [];
    const redlock = new Redlock(clients, {
      ttl,
      maxTtl: MAX_TTL_MS,
      nodeTimeout: 100,
      onWarning: () => undefined,
    });
    let callers = 0;
    const caller = async () => {
      callers += 1;
      const holder = `caller ${callers}`;
      while (!stop.signal.aborted) {
        const requestedAt = now();
        try {
          const lock = await redlock.tryAcquire('contended');
          if (lock !== null) {
            const from = now();
            grants.push({ holder, token: lock.token ?? 0, requestedAt, grantedAt: from });
            await sleep(20);
            const to = now();
            lock.assertHeld();
            intervals.push({ holder, from, to });
            await lock.release();
          }
        } catch (error) {
          if (!(error instanceof QuorlockError)) throw error;
        }
        await sleep(5);
      }
    };
    const nuisance = async () => {
      while (!stop.signal.aborted) {
        const proxy = dice.pick(proxies);
        const direction = dice.pick(['up', 'down'] as const);
        if (dice.chance(0.5)) {
          void proxy.resetAfterNextBytes(direction);
        } else {
          proxy.cut(direction);
          await sleep(dice.between(50, 400));
          await proxy.heal();
        }
        await sleep(dice.between(5, 60));
      }
    };
    let longestTtl = 0;
    const watch = async () => {
      while (!stop.signal.aborted) {
        const left = await Promise.all(fleet.nodes.map((node) => node.command('PTTL', 'lock:contended')));
        longestTtl = Math.max(longestTtl, ...left.map(Number));
        await sleep(20);
      }
    };
    const work = Promise.all([caller(), caller(), caller(), nuisance(), watch()]);
    await sleep(RUN_MS);
    await eventually('a lock was granted', () => grants.length > 0);
    stop.abort();
    await work;
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    await redlock.close();

    expect(findOverlaps(intervals)).toEqual([]);
    expect(findTokenFaults(grants)).toEqual([]);
    expect(longestTtl).toBeLessThanOrEqual(ttl);
    await sleep(ttl);
    // For a while, for a driver may still have something to send again.
    for (let round = 0; round < 10; round += 1) {
      expect(await keysOn(fleet, 'lock:contended')).toEqual([]);
      await sleep(50);
    }
  });
});
