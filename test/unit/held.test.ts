import { describe, expect, it } from 'vitest';
import { Simulation } from '../../src/testing/index.ts';

function program() {
  const simulation = new Simulation({ nodes: 3 });
  const machine = simulation.machine();
  return { simulation, redlock: machine.redlock({ quarantine: 'off', owner: 'web-3:4711' }), machine };
}

describe('held()', () => {
  it('lists locks of every kind, with token, since when, and what is left', async () => {
    const { simulation, redlock, machine } = program();
    const { clock } = machine;
    const set = await simulation.until(redlock.acquire(['b', 'a'], { ttl: 20_000 }));
    await simulation.advance(1_000);
    const reader = await simulation.until(redlock.readWrite('r').acquireRead());
    const permit = await simulation.until(redlock.semaphore('s', 5).acquire());
    await simulation.advance(500);
    const { owner, locks, waiting } = redlock.held();
    expect(owner).toBe('web-3:4711');
    expect(waiting).toEqual([]);
    expect(locks).toMatchObject([
      { resources: ['a', 'b'], mode: 'exclusive', token: set.token },
      { resources: ['r'], mode: 'shared', token: reader.token },
      { resources: ['s'], mode: 'semaphore', token: permit.token },
    ]);
    const agesMs = locks.map(({ since }) => Math.round((clock.wall() - since) / 100) * 100);
    expect(agesMs).toEqual([1_500, 500, 500]);
    expect(locks.map(({ remainingValidity }) => remainingValidity)).toEqual(
      [set, reader, permit].map((lock) => lock.remainingValidity()),
    );
  });

  it('lists callers that wait, those that called first first', async () => {
    const { simulation, redlock, machine } = program();
    await simulation.until(redlock.acquire('r', { ttl: 30_000 }));
    await simulation.until(redlock.semaphore('s', 1).acquire({ ttl: 30_000 }));
    void redlock.acquire('r', { waitTime: 60_000 });
    await simulation.advance(100);
    void redlock.readWrite('r').acquireRead({ waitTime: 20_000 });
    await simulation.advance(100);
    void redlock.semaphore('s', 1).acquire({ waitTime: 7_000 });
    void redlock.acquire(['r', 'q'], { waitTime: 8_000 });
    await simulation.advance(100);
    const { waiting, locks } = redlock.held();
    expect(locks).toHaveLength(2);
    expect(waiting).toMatchObject([
      { resources: ['r'], mode: 'exclusive', waitTime: 60_000 },
      { resources: ['r'], mode: 'shared', waitTime: 20_000 },
      { resources: ['s'], mode: 'semaphore', waitTime: 7_000 },
      { resources: ['q', 'r'], mode: 'exclusive', waitTime: 8_000 },
    ]);
    const agesMs = waiting.map(({ since }) => Math.round((machine.clock.wall() - since) / 10) * 10);
    expect(agesMs).toEqual([300, 200, 100, 100]);
  });

  it('gives the token of the caller that has the lock now', async () => {
    const { simulation, redlock } = program();
    const first = await simulation.until(redlock.acquire('r'));
    const next = redlock.acquire('r', { waitTime: 10_000 });
    await simulation.advance(10);
    await simulation.until(first.release());
    const second = await simulation.until(next);
    expect(redlock.held().locks).toMatchObject([{ token: second.token }]);
    expect(second.token).toBe(first.token + 1);
  });

  it('has no token without fencing', async () => {
    const { simulation, machine } = program();
    const redlock = machine.redlock({ quarantine: 'off', fencing: false });
    await simulation.until(redlock.acquire('r'));
    expect(redlock.held().locks).toMatchObject([{ token: undefined }]);
  });

  it('leaves out what was released, what has expired, and all once closed', async () => {
    const { simulation, redlock } = program();
    const released = await simulation.until(redlock.acquire('released'));
    await simulation.until(redlock.acquire('expired', { ttl: 1_000 }));
    await simulation.until(redlock.acquire('held'));
    void released.release();
    await simulation.advance(1_100);
    expect(redlock.held().locks.map(({ resources }) => resources)).toEqual([['held']]);
    await simulation.until(redlock.close());
    expect(redlock.held()).toEqual({ owner: 'web-3:4711', locks: [], waiting: [] });
  });
});
