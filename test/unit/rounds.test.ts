import { describe, expect, it } from 'vitest';
import type { Reply } from '../../src/base/vote.ts';
import type { ReplyListener } from '../../src/node/batcher.ts';
import type { Node } from '../../src/node/node.ts';
import { askAll, type RoundEnd, type RoundResult } from '../../src/quorum/round.ts';
import { failed, type Operation } from '../../src/wire/operation.ts';
import { World } from './world.ts';

const TIMEOUT_MS = 50;

function acquire(value: string): Operation {
  return {
    kind: 'acquire',
    keys: ['lock:r'],
    fences: [],
    queues: ['queue'],
    value,
    ttl: 10_000,
    proposal: 0,
  };
}

/** Holds a round to its end. Returns how long it took, too. */
async function round(
  world: World,
  nodes: readonly Node[],
  end: RoundEnd,
): Promise<RoundResult & { readonly tookMs: number; readonly outcomes: readonly string[] }> {
  const startedAtMs = world.clock.monotonic();
  const result = await world.clock.runUntil(askAll(nodes, acquire('v'), TIMEOUT_MS, end));
  const outcomes = result.votes.map(({ outcome }) => outcome);
  return { ...result, outcomes, tookMs: world.clock.monotonic() - startedAtMs };
}

describe('a round', () => {
  it('is won with the vote that makes a majority; later ones are pending', async () => {
    const world = new World(5);
    const nodes = await world.nodes();
    world.server(0).pause();
    world.server(1).pause();
    const { decision, outcomes, tookMs } = await round(world, nodes, 'outcome');
    expect(decision).toBe('won');
    expect(outcomes).toEqual(['pending', 'pending', 'granted', 'granted', 'granted']);
    expect(tookMs).toBeLessThan(5);
  });

  it('is lost as soon as no majority can be reached any more', async () => {
    const world = new World(5);
    const nodes = await world.nodes();
    world.holdElsewhere('lock:r', 10_000, world.servers.slice(0, 3));
    world.server(3).pause();
    world.server(4).pause();
    const { decision, outcomes, tookMs } = await round(world, nodes, 'outcome');
    expect(decision).toBe('lost');
    expect(outcomes).toEqual(['held', 'held', 'held', 'pending', 'pending']);
    expect(tookMs).toBeLessThan(5);
  });

  it('ends after its timeout at the latest, if nodes hang', async () => {
    const world = new World(5);
    const nodes = await world.nodes();
    for (const server of world.servers) server.pause();
    const { decision, tookMs } = await round(world, nodes, 'all');
    expect(decision).toBe('lost');
    expect(tookMs).toBe(TIMEOUT_MS);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it.each([2, 4, 6])('of %i nodes that ends in a tie is lost', async (nodeCount) => {
    const world = new World(nodeCount);
    const nodes = await world.nodes();
    world.holdElsewhere('lock:r', 10_000, world.servers.slice(0, nodeCount / 2));
    expect((await round(world, nodes, 'outcome')).decision).toBe('lost');
  });

  it('is not changed by votes that come after its end', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    world.server(0).pause();
    world.server(1).pause();
    const { decision, votes } = await round(world, nodes, 'outcome');
    const before = structuredClone(votes);
    expect(decision).toBe('lost');
    for (const server of world.servers) server.resume();
    await world.clock.advance(100);
    expect(votes).toEqual(before);
    expect(votes[0]).toMatchObject({ outcome: 'failed', reason: 'timeout', latencyMs: TIMEOUT_MS });
  });

  it('does not count a slow node that grants after the end', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    world.client(2).rules.latency = { least: 10, most: 10 };
    const { votes } = await round(world, nodes, 'outcome');
    expect(votes[2]).toMatchObject({ outcome: 'pending', latencyMs: undefined });
    await world.clock.advance(100);
    expect(world.valuesOf('lock:r')).toEqual(['v', 'v', 'v']);
    expect(votes[2]).toMatchObject({ outcome: 'pending', latencyMs: undefined });
  });

  it('hears of a node that crashes at once, not after a timeout', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    world.server(0).pause();
    world.server(1).pause();
    const voting = round(world, nodes, 'outcome');
    world.server(0).crash();
    world.server(1).crash();
    const { decision, votes, tookMs } = await voting;
    expect(decision).toBe('lost');
    expect(votes[0]).toMatchObject({ reason: 'disconnected' });
    expect(tookMs).toBeLessThan(5);
  });

  it('that waits for all nodes waits for the slowest node, but for none that is known to be silent', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    world.client(2).rules.latency = { least: 10, most: 10 };
    expect((await round(world, nodes, 'all')).tookMs).toBeGreaterThanOrEqual(20);
    world.server(2).pause();
    expect((await round(world, nodes, 'all')).tookMs).toBe(TIMEOUT_MS);
    const third = await round(world, nodes, 'all');
    expect(third.tookMs).toBeLessThan(5);
    expect(third.votes[2]).toMatchObject({ outcome: 'failed', reason: 'timeout', latencyMs: undefined });
  });

  it('counts nodes that have granted before, and does not ask them again', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    world.server(2).pause();
    const before = world.commands;
    const { decision, votes } = await world.clock.runUntil(
      askAll(nodes, acquire('v'), TIMEOUT_MS, 'outcome', undefined, new Set([0])),
    );
    expect(decision).toBe('won');
    expect(votes.map(({ outcome }) => outcome)).toEqual(['pending', 'granted', 'pending']);
    expect(world.server(0).commands).toBe(before[0]);
  });

  it('that waits for all nodes waits for none that has granted before', async () => {
    const world = new World(3);
    const nodes = await world.nodes();
    const { votes } = await world.clock.runUntil(
      askAll(nodes, acquire('v'), TIMEOUT_MS, 'all', undefined, new Set([0])),
    );
    expect(votes.map(({ outcome }) => outcome)).toEqual(['pending', 'granted', 'granted']);
  });

  it.each([true, false])(
    'gives the nodes that are silent their reason, and no other one: %j',
    async (notified) => {
      const silence = failed('timeout', 'not asked');
      // A node may be silent since it has voted.
      const node = (reply: Reply | undefined, obstacle?: Reply) =>
        ({
          ...{ address: 'a:1', pending: { node: 'a:1', latencyMs: undefined, outcome: 'pending' }, obstacle },
          isSilent: obstacle !== undefined,
          submit: (_: Operation, __: number, listener: ReplyListener, place: number) => {
            if (reply !== undefined) void Promise.resolve().then(() => listener(reply, 1, place));
          },
        }) as unknown as Node;
      const grant = { outcome: 'granted', counter: 1, notified } as const;
      const nodes = [
        node(undefined, silence),
        node(grant, silence),
        node(undefined, silence),
        node({ outcome: 'granted', counter: 1 }),
      ];
      const result = await askAll(nodes, acquire('v'), TIMEOUT_MS, 'all', undefined, new Set([0]));
      expect(result.votes.map(({ outcome }) => outcome)).toEqual(['pending', 'granted', 'failed', 'granted']);
      expect(result.notified).toBe(notified);
    },
  );

  it('tells of a lock that a late node granted only by giving it back', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil(redlock.inspect('other'));
    for (const server of world.servers) server.pause();
    const trying = world.clock.runUntil(redlock.tryAcquire('r'));
    await expect(trying).rejects.toThrow('no quorum');
    await world.clock.advance(20);
    for (const server of world.servers) server.resume();
    await world.clock.advance(100);
    expect(world.valuesOf('lock:r')).toEqual([undefined, undefined, undefined]);
  });
});
