import { describe, expect, it, vi } from 'vitest';
import type { Machine } from '../../../src/testing/machine.ts';
import { World } from '../world.ts';
import { RECONNECT_MS } from './scene.ts';

/** When, in milliseconds from now on, each client of a machine is told to connect anew. */
function renewalsAt(world: World, machine: Machine): readonly (readonly number[])[] {
  const start = world.clock.uptime();
  return machine.clients.map((client) => {
    const times: number[] = [];
    const reconnect = client.reconnect.bind(client);
    vi.spyOn(client, 'reconnect').mockImplementation(() => {
      times.push(world.clock.uptime() - start);
      return reconnect();
    });
    return times;
  });
}

const pausesOf = (times: readonly number[] = []) =>
  times.map((time, index) => time - (times[index - 1] ?? time)).slice(1);

describe('a node that turns out to be a replica', () => {
  it('is connected to anew at once, and votes when a master answers there', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('r'))).release());
    world.server(0).becomeReplica();
    const lock = await world.clock.runUntil(redlock.acquire('r'));
    world.server(0).becomeMaster();
    await world.clock.runUntil(lock.release());
    await world.clock.advance(RECONNECT_MS);
    const next = await world.clock.runUntil(redlock.acquire('r', { ttl: 30_000 }));
    await world.clock.advance(10);
    expect(world.server(0).store.get('lock:r')).toBe(next.value);
  });

  it('is connected to anew ever more seldom, at the latest every 5 s, and never once the Redlock is closed', async () => {
    const world = new World(3);
    const [times] = renewalsAt(world, world.here);
    world.server(0).becomeReplica();
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('r'))).release());
    await world.clock.advance(60_000);
    const pauses = pausesOf(times);
    pauses.forEach((pause, index) => {
      expect(pause).toBeGreaterThan(Math.min(100 * 2 ** index, 5_000) * 0.99);
      expect(pause).toBeLessThan(5_500);
    });
    expect(pauses.length).toBeGreaterThan(12);
    await world.clock.runUntil(redlock.close());
    const until = times?.length;
    await world.clock.advance(60_000);
    expect(times).toHaveLength(until ?? 0);
    expect(world.clock.pendingTimers).toBe(0);
  });

  it('does not keep a call waiting meanwhile: it has no vote, and says why', async () => {
    const world = new World(1);
    world.server(0).becomeReplica();
    const redlock = world.redlock();
    for (let times = 0; times < 20; times += 1) {
      const error = await world.clock.runUntil(redlock.acquire('r').catch((reason: unknown) => reason));
      expect(String(error)).toContain('it is a slave');
      await world.clock.advance(70);
    }
  });

  it('is left alone where its driver makes no new connections, and looked at again', async () => {
    const world = new World(1);
    vi.spyOn(world.client(0), 'reconnect').mockReturnValue(false);
    world.server(0).becomeReplica();
    const redlock = world.redlock();
    await expect(world.clock.runUntil(redlock.acquire('r'))).rejects.toThrow('it is a slave');
    world.server(0).becomeMaster();
    await world.clock.advance(1_000);
    await world.clock.runUntil(redlock.acquire('r'));
  });
});

describe('two addresses that stay one server', () => {
  it('have the one that votes connected to anew seldom, for the other one may be right', async () => {
    const world = new World(3);
    vi.spyOn(world.server(1), 'runId', 'get').mockReturnValue(world.server(0).runId);
    const times = renewalsAt(world, world.here);
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('r'))).release());
    await world.clock.advance(600_000);
    const counts = times.map(({ length }) => length).sort((a, b) => a - b);
    expect(counts[0]).toBe(0);
    // After 1, 2, 4, … s; the two may change places.
    expect(counts[1]).toBeLessThan(12 + 600 / 5);
  });

  it('have the other one say which server it is, also while it is connected to anew', async () => {
    const world = new World(3);
    vi.spyOn(world.server(1), 'runId', 'get').mockReturnValue(world.server(0).runId);
    const redlock = world.redlock();
    await world.clock.runUntil((await world.clock.runUntil(redlock.acquire('r'))).release());
    for (let times = 0; times < 100; times += 1) {
      // It has answered until now, so that the call does not wait for the second one.
      world.server(2).pause();
      const error = await world.clock.runUntil(
        redlock.acquire('r', { waitTime: 0 }).catch((reason: unknown) => reason),
      );
      expect(String(error)).toContain('it is the same server as');
      world.server(2).resume();
      await world.clock.advance(7);
    }
  });
});
