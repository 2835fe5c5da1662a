import { describe, expect, it } from 'vitest';
import { ClosedError, type Lock, NoQuorumError, NotALockError } from '../../../src/index.ts';
import type { SimulatedServer } from '../../../src/testing/simulated-node.ts';
import { type Program, Scene } from './scene.ts';

const SEEDS = [1, 2, 3];

interface OutageScene {
  readonly scene: Scene;
  readonly program: Program;
  /** Enough nodes for the others to be no majority. */
  readonly most: readonly SimulatedServer[];
  readonly rest: readonly SimulatedServer[];
}

/** One program that is connected to five nodes, three of which are about to fail. */
async function outageScene(seed = 1, options = {}): Promise<OutageScene> {
  const scene = new Scene({ seed });
  const [program] = await scene.programs(1, options);
  const { nodes } = scene.simulation;
  return { scene, program, most: nodes.slice(0, 3), rest: nodes.slice(3) };
}

/** Runs a call to its end. */
async function outcomeOf(scene: Scene, call: Promise<Lock | null>) {
  const startedAtMs = scene.simulation.nowMs;
  const [settled] = await scene.simulation.until(Promise.allSettled([call]));
  return { settled, tookMs: scene.simulation.nowMs - startedAtMs };
}

const pause = (servers: readonly SimulatedServer[]) => {
  for (const server of servers) server.pause();
};
const resume = (servers: readonly SimulatedServer[]) => {
  for (const server of servers) server.resume();
};

describe.each(SEEDS)('a majority that stands still for a moment, seed %i,', (seed) => {
  it.each([10, 60, 100, 500, 3_000])('costs a caller no more than its %i ms', async (stallMs) => {
    const { scene, program, most } = await outageScene(seed);
    pause(most);
    const call = program.redlock.acquire('r');
    await scene.simulation.advance(stallMs);
    resume(most);
    const { settled, tookMs } = await outcomeOf(scene, call);
    expect(settled.status).toBe('fulfilled');
    expect(tookMs).toBeLessThan(20);
  });

  it.each([120, 250, 500])('for %i ms, fails none of a thousand callers', async (stallMs) => {
    const { scene, program, most } = await outageScene(seed);
    let errors = 0;
    const callers = Array.from({ length: 1_000 }, async (_, index) => {
      for (let turn = 0; turn < 3; turn += 1) {
        await program.machine.sleep(index % 50);
        await program.redlock
          .using(`r${index}`, { waitTime: 30_000 }, () => undefined)
          .catch(() => {
            errors += 1;
          });
      }
    });
    await scene.simulation.advance(30);
    pause(most);
    await scene.simulation.advance(stallMs);
    resume(most);
    await scene.simulation.until(Promise.all(callers));
    expect(errors).toBe(0);
    expect(scene.simulation.nowMs).toBeLessThan(stallMs + 1_000);
  });

  it('has lost all its connections, and all calls are served once it is back', async () => {
    const { scene, program } = await outageScene(seed);
    for (const client of program.machine.clients) client.disconnect({ requestsArrive: true });
    await scene.simulation.advance(1);
    const calls = Array.from({ length: 20 }, (_, index) => program.redlock.acquire(`r${index}`));
    const { settled, tookMs } = await outcomeOf(
      scene,
      Promise.all(calls).then(([first = null]) => first),
    );
    expect(settled.status).toBe('fulfilled');
    // The simulated clients connect anew after 50 ms.
    expect(tookMs).toBeLessThan(100);
  });

  it('leaves every waiter its place', async () => {
    const scene = new Scene({ seed });
    const programs = await scene.programs(5);
    const [holder, ...others] = programs;
    const lock = await scene.simulation.until(holder.redlock.acquire('r'));
    const waits: Promise<unknown>[] = [];
    for (const [index, program] of others.entries()) {
      waits.push(scene.hold(program, `${index}`, 20));
      await scene.simulation.advance(30);
    }
    pause(scene.simulation.nodes.slice(0, 3));
    // All of them recheck in vain meanwhile.
    await scene.simulation.advance(4_000);
    resume(scene.simulation.nodes.slice(0, 3));
    await scene.simulation.advance(2_100);
    void lock.release();
    await scene.simulation.until(Promise.all(waits));
    expect(scene.order).toEqual(['0', '1', '2', '3']);
    expect(scene.overlaps).toBe(0);
  });
});

describe('a majority that is gone for good', () => {
  it.each(['pause', 'crash'] as const)(
    '(%s) costs the whole waitTime, and two attempts a second',
    async (fault) => {
      const { scene, program, most, rest } = await outageScene();
      for (const server of most) server[fault]();
      const before = rest.map(({ commands }) => commands);
      const waitTime = 20_000;
      const { settled, tookMs } = await outcomeOf(scene, program.redlock.acquire('r', { waitTime }));
      expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(NoQuorumError) });
      expect(tookMs).toBeGreaterThan(waitTime - 1);
      expect(tookMs).toBeLessThan(waitTime + 100);
      const reason = fault === 'pause' ? 'timeout' : 'disconnected';
      const votes = [{ reason }, { reason }, { reason }, { outcome: 'granted' }, { outcome: 'granted' }];
      expect(settled).toMatchObject({ reason: { votes, elapsedMs: expect.closeTo(waitTime, -2) } });
      // An attempt is two commands: what the nodes that answer grant is given back.
      rest.forEach(({ commands }, index) => {
        expect(commands - (before[index] ?? 0)).toBeLessThanOrEqual((2 * 2 * waitTime) / 1_000);
      });
    },
  );

  it('fails callers of one resource each in its own time, and costs no attempt for each', async () => {
    const { scene, program, most, rest } = await outageScene();
    pause(most);
    const took = Array.from({ length: 100 }, async (_, index) => {
      const waitTime = 1_000 + 10 * index;
      const startedAtMs = scene.simulation.nowMs;
      await expect(program.redlock.acquire('r', { waitTime })).rejects.toThrow(NoQuorumError);
      return scene.simulation.nowMs - startedAtMs - waitTime;
    });
    const late = await scene.simulation.until(Promise.all(took));
    expect(Math.min(...late)).toBeGreaterThan(-1);
    expect(Math.max(...late)).toBeLessThan(100);
    for (const { commands } of rest) expect(commands).toBeLessThan(20);
  });

  it('ends a wait at once where its signal aborts, and leaves nothing behind', async () => {
    const { scene, program, most } = await outageScene();
    pause(most);
    const controller = new AbortController();
    const reason = new Error('its own');
    const call = program.redlock.acquire('r', {
      waitTime: Number.POSITIVE_INFINITY,
      signal: controller.signal,
    });
    const failing = call.catch((error: unknown) => error);
    await scene.simulation.advance(2_345);
    controller.abort(reason);
    expect(await failing).toBe(reason);
    resume(most);
    await scene.simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('ends every wait at once where the Redlock is closed', async () => {
    const { scene, program, most } = await outageScene();
    pause(most);
    const calls = ['r', 'r', 's'].map((name) =>
      program.redlock.acquire(name).catch((error: unknown) => error),
    );
    await scene.simulation.advance(2_345);
    const closedAtMs = scene.simulation.nowMs;
    const closing = program.redlock.close();
    for (const call of calls) expect(await scene.simulation.until(call)).toBeInstanceOf(ClosedError);
    expect(scene.simulation.nowMs).toBe(closedAtMs);
    await scene.simulation.until(closing);
    expect(program.machine.clock.pendingTimers).toBe(0);
  });
});

describe('an outage is told at once', () => {
  it.each([
    ['onOutage of the call', {}, { onOutage: 'reject' }],
    ['onOutage of the Redlock', { onOutage: 'reject' }, {}],
    ['a waitTime of 0', {}, { waitTime: 0 }],
  ] as const)('by %s', async (_, options, callOptions) => {
    const { scene, program, most } = await outageScene(1, options);
    for (const server of most) server.crash();
    await scene.simulation.advance(1);
    const { settled, tookMs } = await outcomeOf(scene, program.redlock.acquire('r', callOptions));
    expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(NoQuorumError) });
    expect(tookMs).toBeLessThan(2);
  });

  it('by tryAcquire', async () => {
    const { scene, program, most } = await outageScene();
    pause(most);
    const { settled, tookMs } = await outcomeOf(scene, program.redlock.tryAcquire('r'));
    expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(NoQuorumError) });
    expect(tookMs).toBeLessThan(100);
  });

  it('to those of one resource that want to know, while others wait on', async () => {
    const { scene, program, most } = await outageScene();
    const calls = (['wait', 'reject', 'wait', 'reject'] as const).map((onOutage) =>
      program.redlock.acquire('r', { onOutage, waitTime: 10_000 }).then(
        async (lock) => {
          await lock.release();
          return 'lock';
        },
        () => 'error',
      ),
    );
    pause(most);
    await scene.simulation.advance(500);
    resume(most);
    expect(await scene.simulation.until(Promise.all(calls))).toEqual(['lock', 'error', 'lock', 'error']);
  });
});

describe('a key that is no lock', () => {
  it('on a minority is waited with, for the nodes that are down', async () => {
    const { scene, program, most, rest } = await outageScene();
    for (const { store } of rest) store.set('lock:r', 'a string without expiry');
    const [down] = most;
    down?.crash();
    const call = program.redlock.acquire('r', { waitTime: 5_000 });
    await scene.simulation.advance(1_000);
    down?.restart({ keepMemory: true });
    const { settled, tookMs } = await outcomeOf(scene, call);
    expect(settled.status).toBe('fulfilled');
    // Enough nodes for other keys were there all the time, so that the waiter asked ever more seldom.
    expect(tookMs).toBeLessThan(1_100);
  });

  it('on a minority is named once waitTime is over', async () => {
    const { scene, program, most, rest } = await outageScene();
    for (const { store } of rest) store.set('lock:r', 'a string without expiry');
    most[0]?.crash();
    const { settled, tookMs } = await outcomeOf(scene, program.redlock.acquire('r', { waitTime: 1_000 }));
    expect(settled).toMatchObject({ status: 'rejected', reason: expect.any(NotALockError) });
    expect(tookMs).toBeGreaterThan(999);
  });
});
