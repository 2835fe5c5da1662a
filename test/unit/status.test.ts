import { describe, expect, it } from 'vitest';
import { ClosedError, NoQuorumError, type RedlockOptions } from '../../src/index.ts';
import { Simulation } from '../../src/testing/index.ts';

/** Five nodes (or other many) that vote, and a program on a machine of its own. */
async function scene({ nodes = 5, ...options }: RedlockOptions & { readonly nodes?: number } = {}) {
  const simulation = new Simulation({ nodes });
  const machine = simulation.machine();
  const redlock = machine.redlock({ maxTtl: 10_000, owner: 'web-3:4711', ...options });
  const node = (index: number) => {
    const found = simulation.nodes[index];
    if (found === undefined) throw new Error(`there is no node ${index}`);
    return found;
  };
  const status = () => simulation.until(redlock.status());
  const warnings = () => machine.warnings.map(({ code, isOver, node: at }) => [code, at, isOver ?? false]);
  if (options.quarantine !== 'strict') await simulation.until(redlock.ready());
  return { simulation, machine, redlock, node, status, warnings };
}

describe('status()', () => {
  it('tells of every node what it is, and how many more may fail', async () => {
    const { simulation, machine, status, node } = await scene();
    await simulation.advance(10_000);
    node(0).maxmemoryPolicy = 'allkeys-lru';
    node(0).wall.step(-200);
    const { owner, hasQuorum, survives, nodes } = await status();
    expect({ owner, hasQuorum, survives }).toEqual({ owner: 'web-3:4711', hasQuorum: true, survives: 2 });
    expect(nodes).toEqual(
      simulation.nodes.map(({ address, runId }, index) => ({
        node: address,
        state: 'up',
        since: expect.any(Number),
        why: undefined,
        until: undefined,
        roundTripMs: expect.any(Number),
        clockOffsetMs: expect.any(Number),
        version: '7.0.15',
        runId,
        role: 'master',
        evictionPolicy: index === 0 ? 'allkeys-lru' : 'noeviction',
        marker: expect.stringMatching(new RegExp(`^active ${runId} \\S+ 5 10000$`)),
        isMarkerActive: true,
      })),
    );
    for (const [index, { since, roundTripMs = 0, clockOffsetMs = 0 }] of nodes.entries()) {
      expect(machine.clock.wall() - since).toBeGreaterThan(9_000);
      expect(machine.clock.wall() - since).toBeLessThan(11_000);
      expect(roundTripMs).toBeGreaterThan(0.2);
      expect(roundTripMs).toBeLessThan(3);
      const aheadMs = node(index).wall.read() - machine.clock.wall();
      expect(Math.abs(clockOffsetMs - aheadMs)).toBeLessThan(1);
    }
  });

  it('tells of a node that is down since when, and why', async () => {
    const { simulation, machine, status, node } = await scene({ nodes: 3 });
    const atMs = machine.clock.wall();
    node(1).crash();
    await simulation.advance(5_000);
    const { hasQuorum, survives, nodes } = await status();
    expect({ hasQuorum, survives }).toEqual({ hasQuorum: true, survives: 0 });
    expect(nodes[1]).toMatchObject({ state: 'down', why: expect.any(String), version: undefined });
    expect((nodes[1]?.since ?? 0) - atMs).toBeLessThan(10);
    node(2).crash();
    await simulation.advance(5);
    expect(await status()).toMatchObject({ hasQuorum: false, survives: 0 });
  });

  it('finds a node that hangs, of a client that asks nothing else, and its end', async () => {
    const { simulation, status, node } = await scene();
    node(1).pause();
    expect((await status()).nodes[1]).toMatchObject({
      state: 'slow',
      why: expect.stringMatching(/unanswered/),
    });
    node(1).resume();
    await simulation.advance(5);
    expect((await status()).nodes[1]).toMatchObject({ state: 'up' });
  });

  it('finds a node that was emptied, of a client that asks nothing else, and until when it does not vote', async () => {
    const { simulation, machine, status, node } = await scene();
    node(1).flushAll();
    await status();
    await simulation.advance(50);
    const quarantined = (await status()).nodes[1];
    expect(quarantined).toMatchObject({
      state: 'quarantined',
      isMarkerActive: false,
      marker: expect.stringMatching(/^joining/),
      why: expect.stringMatching(/votes again at/),
    });
    const leftMs = (quarantined?.until ?? 0) - machine.clock.wall();
    expect(leftMs).toBeGreaterThan(11_000);
    await simulation.advance(leftMs - 500);
    expect((await status()).nodes[1]).toMatchObject({ state: 'quarantined' });
    await simulation.advance(1_000);
    expect((await status()).nodes[1]).toMatchObject({ state: 'up', until: undefined, isMarkerActive: true });
  });

  it('tells of a wrong clock until when the node is left out, and of the end of that', async () => {
    const { simulation, machine, redlock, status, node } = await scene();
    await simulation.until(redlock.inspect('r'));
    node(1).wall.step(5_000);
    const wrong = (await status()).nodes[1];
    expect(wrong).toMatchObject({ state: 'clock', why: expect.stringMatching(/its clock went ahead/) });
    const leftMs = (wrong?.until ?? 0) - machine.clock.wall();
    expect(leftMs).toBeGreaterThan(9_000);
    await simulation.advance(leftMs + 1);
    expect((await status()).nodes[1]).toMatchObject({ state: 'up', why: undefined, until: undefined });
  });

  it('tells of a server that can’t be a node', async () => {
    const { simulation, status, node } = await scene();
    node(1).becomeReplica();
    await status();
    await simulation.advance(100);
    expect((await status()).nodes[1]).toMatchObject({ state: 'refused', role: 'slave' });
  });

  it('gives first connections connectTimeout, and then tells what is known', async () => {
    const simulation = new Simulation({ nodes: 3, network: { latency: { least: 600, most: 600 } } });
    const redlock = simulation.machine().redlock({ connectTimeout: 500 });
    const { nodes, hasQuorum } = await simulation.until(redlock.status());
    expect(hasQuorum).toBe(false);
    expect(nodes.map(({ state }) => state)).toEqual(['down', 'down', 'down']);
  });

  it('ends with close()', async () => {
    const { simulation, redlock, node } = await scene();
    node(1).pause();
    const asked = redlock.status().catch((error: unknown) => error);
    await simulation.until(redlock.close());
    expect(await asked).toBeInstanceOf(ClosedError);
    await expect(redlock.status()).rejects.toThrow(ClosedError);
    await expect(redlock.ready()).rejects.toThrow(ClosedError);
  });
});

describe('ready()', () => {
  it('waits for first connections, and for no more than a majority', async () => {
    const simulation = new Simulation({ nodes: 3 });
    simulation.nodes[2]?.crash();
    const redlock = simulation.machine().redlock({ quarantine: 'off' });
    await simulation.until(redlock.ready());
    expect(simulation.nowMs).toBeLessThan(10);
  });

  it.each([130, 180])('has a new deployment start whose nodes are %i ms away', async (ms) => {
    const simulation = new Simulation({ nodes: 3, network: { latency: { least: ms, most: ms } } });
    const redlock = simulation.machine().redlock();
    await simulation.until(redlock.ready());
    await simulation.until(redlock.acquire('r'));
  });

  it('waits for a quarantine, and no longer', async () => {
    const { simulation, redlock } = await scene({ quarantine: 'strict' });
    await simulation.until(redlock.ready({ timeout: Number.POSITIVE_INFINITY }));
    expect(simulation.nowMs).toBeGreaterThan(12_000);
    expect(simulation.nowMs).toBeLessThan(13_000);
    await simulation.until(redlock.acquire('r'));
  });

  it('rejects with what every node says, once its time is over', async () => {
    const { simulation, redlock, node } = await scene({ nodes: 3 });
    node(0).crash();
    node(1).flushAll();
    await simulation.advance(10);
    const startedAt = simulation.nowMs;
    const error = await simulation.until(
      redlock.ready({ timeout: 2_000 }).catch((reason: unknown) => reason),
    );
    expect(simulation.nowMs - startedAt).toBeCloseTo(2_000, 0);
    expect(error).toBeInstanceOf(NoQuorumError);
    expect(error).toMatchObject({
      votes: [
        { outcome: 'failed', reason: 'disconnected' },
        { outcome: 'failed', reason: 'quarantined' },
        { outcome: 'granted' },
      ],
    });
    expect((error as Error).message).toMatch(/^no quorum: 2 of 3 nodes did not vote and 2 are needed\. /);
  });

  it('says of nodes that are being connected to that they are', async () => {
    const simulation = new Simulation({ nodes: 3, network: { latency: { least: 100, most: 100 } } });
    const redlock = simulation.machine().redlock();
    const rejection = expect(simulation.until(redlock.ready({ timeout: 250 }))).rejects;
    await rejection.toThrow(/disconnected \([^)]+\)\]$/);
  });

  it('is not deceived by nodes that hang or were emptied since they were asked last', async () => {
    const { simulation, redlock, node } = await scene({ nodes: 3 });
    node(0).pause();
    node(1).flushAll();
    const hasFailed = (timeout: number) =>
      simulation.until(
        redlock.ready({ timeout }).then(
          () => false,
          () => true,
        ),
      );
    expect(await hasFailed(100)).toBe(true);
    node(0).resume();
    expect(await hasFailed(1_000)).toBe(false);
  });

  it('ends with close()', async () => {
    const { simulation, redlock } = await scene({ quarantine: 'strict' });
    const waiting = redlock.ready({ timeout: 60_000 }).catch((error: unknown) => error);
    await simulation.advance(100);
    await simulation.until(redlock.close());
    expect(await waiting).toBeInstanceOf(ClosedError);
  });

  it('refuses what is no timeout', async () => {
    const { redlock } = await scene();
    await expect(redlock.ready({ timeout: -1 })).rejects.toThrow('timeout must be at least 1: got -1');
    await expect(redlock.ready({ within: 1 } as object)).rejects.toThrow('there is no ready option "within"');
  });
});

describe('a node that fails for longer than a moment', () => {
  it('is warned of once, and its end is said, with what is left of the quorum', async () => {
    const { simulation, machine, node, warnings } = await scene({ nodes: 3 });
    node(1).crash();
    await simulation.advance(10_000);
    expect(warnings()).toEqual([['QUORLOCK_NODE_DOWN', 'node-2:6379', false]]);
    expect(machine.warnings[0]?.message).toMatch(
      /^node-2:6379 is down: .*\. 2 of 3 nodes vote, and 2 must: one more failure, and there are no locks$/,
    );
    node(1).restart({ keepMemory: false });
    await simulation.advance(20_000);
    expect(warnings().slice(1)).toEqual([
      ['QUORLOCK_NODE_DOWN', 'node-2:6379', true],
      ['QUORLOCK_NODE_QUARANTINED', 'node-2:6379', false],
      ['QUORLOCK_NODE_QUARANTINED', 'node-2:6379', true],
    ]);
    const [, up, quarantined, over] = machine.warnings.map(({ message }) => message);
    expect(up).toMatch(/^node-2:6379 was down for 10\.\d s, and is in quarantine now\. 2 of 3 nodes vote/);
    expect(quarantined).toMatch(
      /^node-2:6379 is in quarantine: it is new, restarted or was emptied, and votes again at/,
    );
    expect(over).toMatch(
      /^node-2:6379 was in quarantine for 12\.\d s, and votes again\. 3 of 3 nodes vote, and 2 must$/,
    );
  });

  it('is not warned of where it is back at once', async () => {
    const { simulation, node, warnings, redlock } = await scene({ nodes: 3 });
    node(0).pause();
    await simulation.until(redlock.acquire('r'));
    await simulation.advance(900);
    node(0).resume();
    node(1).restart({ keepMemory: true });
    await simulation.advance(900);
    expect(warnings()).toEqual([]);
  });

  it('and hangs is warned of as slow, once it was asked', async () => {
    const { simulation, node, warnings, redlock } = await scene({ nodes: 3 });
    node(0).pause();
    for (let calls = 0; calls < 5; calls += 1) {
      const lock = await simulation.until(redlock.acquire('r'));
      await simulation.until(lock.release());
      await simulation.advance(500);
    }
    expect(warnings()).toEqual([['QUORLOCK_NODE_SLOW', 'node-1:6379', false]]);
    node(0).resume();
    await simulation.advance(5);
    expect(warnings()[1]).toEqual(['QUORLOCK_NODE_SLOW', 'node-1:6379', true]);
  });

  it.each([
    ['from its first call on', 0],
    ['of two calls at a time', 1],
  ])(
    'and is too far for its nodeTimeout is slow %s, also to status() and ready()',
    async (_, callsBefore) => {
      const { simulation, machine, node, redlock, status, warnings } = await scene({
        nodes: 3,
        nodeTimeout: 100,
      });
      const call = async () => {
        const lock = await simulation.until(redlock.acquire('r'));
        await simulation.until(lock.release());
        await simulation.advance(1_000);
      };
      for (let calls = 0; calls < callsBefore; calls += 1) await call();
      const [client] = machine.clients;
      if (client !== undefined) client.rules.latency = { least: 100, most: 100 };
      for (let calls = 0; calls < 10; calls += 1) await call();
      for (let looks = 0; looks < 3; looks += 1) {
        expect((await status()).nodes[0]).toMatchObject({
          state: 'slow',
          why: expect.stringMatching(/Raise nodeTimeout/),
        });
        await call();
      }
      expect(warnings()).toEqual([['QUORLOCK_NODE_SLOW', 'node-1:6379', false]]);
      node(1).pause();
      await expect(simulation.until(redlock.ready({ timeout: 2_000 }))).rejects.toThrow(
        /it takes about \d+ ms/,
      );
    },
  );

  it('is told of with the reason, also while its next connection is being made', async () => {
    const { simulation, machine, node, status } = await scene({ nodes: 3 });
    node(0).crash();
    await simulation.advance(900);
    const [client] = machine.clients;
    if (client !== undefined) client.rules.latency = { least: 80, most: 80 };
    node(0).restart({ keepMemory: true });
    await simulation.advance(200);
    expect(machine.warnings[0]?.message).toMatch(/^node-1:6379 is down: [^.]+\. 2 of 3 nodes vote/);
    expect((await status()).nodes[0]).not.toMatchObject({ state: 'down', why: undefined });
  });

  it('and is refused is warned of, with the reason', async () => {
    const simulation = new Simulation({ nodes: 3 });
    simulation.nodes[1]?.becomeReplica();
    const machine = simulation.machine();
    const redlock = machine.redlock();
    await simulation.advance(4_000);
    expect(machine.warnings).toMatchObject([
      {
        code: 'QUORLOCK_NODE_REFUSED',
        message: expect.stringMatching(/^node-2:6379 is refused: it is a slave, /),
      },
    ]);
    await simulation.until(redlock.close());
  });

  it('one after the other, as in a rolling restart, is not silent', async () => {
    const { simulation, node, warnings } = await scene({ nodes: 3 });
    for (const index of [0, 1, 2]) {
      node(index).restart({ keepMemory: false });
      await simulation.advance(5_000);
    }
    await simulation.advance(20_000);
    const told = warnings();
    for (const address of ['node-1:6379', 'node-2:6379', 'node-3:6379']) {
      expect(told).toContainEqual(['QUORLOCK_NODE_QUARANTINED', address, false]);
      expect(told).toContainEqual(['QUORLOCK_NODE_QUARANTINED', address, true]);
    }
    expect(told).toHaveLength(6);
  });

  it('is not warned of once the Redlock is closed', async () => {
    const { simulation, node, warnings, redlock } = await scene({ nodes: 3 });
    node(0).crash();
    await simulation.advance(500);
    await simulation.until(redlock.close());
    await simulation.advance(5_000);
    expect(warnings()).toEqual([]);
  });
});
