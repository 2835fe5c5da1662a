import { describe, expect, it } from 'vitest';
import { type Lock, LockReleasedError, WaitTimeoutError } from '../../../src/index.ts';
import { type Program, Scene } from '../waiting/scene.ts';
import { inARow, lockOf, settled, TTL } from './in-a-row.ts';

/** One program whose nodes take a while to answer, and that waits for no lock yet: its first call is made alone. */
async function alone(): Promise<{ readonly scene: Scene; readonly program: Program }> {
  const scene = new Scene({ network: { latency: { least: 10, most: 11 } } });
  const [program] = await scene.programs(1, { nodeTimeout: 200 });
  if (program === undefined) throw new Error('too few');
  return { scene, program };
}

/** Lets so many microtasks go by. */
async function hop(count: number): Promise<void> {
  for (let hops = 0; hops < count; hops += 1) await undefined;
}

describe('a listener of the signal that releases the lock', () => {
  it('releases it once: the next caller keeps it, and the one after that waits', async () => {
    const { scene, simulation, holder, next } = await inARow();
    holder.signal.addEventListener('abort', () => void holder.release());
    const report = await holder.release();
    const second = await lockOf(next[0]);
    expect(report.handedOver).toBe(true);
    expect(await settled(next[1])).toBe('pending');
    second.assertHeld();
    await simulation.until(second.release());
    await simulation.until((await lockOf(next[1])).release());
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });

  it('does not release it on the nodes while the next caller has it', async () => {
    const { simulation, holder, next } = await inARow([{}, {}]);
    holder.signal.addEventListener('abort', () => void holder.release());
    void holder.release();
    const second = await lockOf(next[0]);
    await simulation.advance(100);
    second.assertHeld();
    expect(await simulation.until(second.extend())).toBeGreaterThan(0);
    await simulation.until(second.release());
    expect(second.signal.reason).toBeInstanceOf(LockReleasedError);
  });
});

describe('a listener that closes the Redlock while a lease begins', () => {
  it('has it released, and the lock says so', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    // So many leases have expired that the next one makes this process look at all of them.
    const forgotten = Array.from({ length: 1_023 }, (_, index) =>
      program.redlock.acquire(`forgotten ${index}`, { ttl: 100 }),
    );
    const [first] = await simulation.until(Promise.all(forgotten));
    first?.signal.addEventListener('abort', () => void program.redlock.close());
    program.machine.clock.stepWall(1_000);
    const lock = await simulation.until(program.redlock.acquire('r', { ttl: TTL }));
    expect(lock.signal.reason).toBeInstanceOf(LockReleasedError);
    expect(lock.remainingValidity()).toBe(0);
    await simulation.advance(1_000);
    expect(scene.keys).toEqual([]);
  });
});

describe('a caller that joins while another one of its process asks the nodes', () => {
  it('waits for no longer than its waitTime, where the other one gets the lock', async () => {
    const { scene, program } = await alone();
    const { simulation } = scene;
    const first = program.redlock.acquire('r', { ttl: TTL });
    const second = expect(program.redlock.acquire('r', { ttl: TTL, waitTime: 5 })).rejects.toThrow(
      WaitTimeoutError,
    );
    const holder = await simulation.until(first);
    await simulation.until(second, 100);
    await simulation.until(holder.release());
    await simulation.advance(20_000);
    expect(scene.keys).toEqual([]);
  });

  it('waits for no longer than its waitTime, where the other one waits, too', async () => {
    const { scene, program } = await alone();
    const { simulation } = scene;
    for (const { store } of simulation.nodes) store.set('lock:r', 'another client', String(TTL));
    const first = program.redlock.acquire('r', { ttl: TTL, waitTime: 2 * TTL });
    const second = expect(program.redlock.acquire('r', { ttl: TTL, waitTime: 5 })).rejects.toThrow(
      WaitTimeoutError,
    );
    await simulation.until(second, 200);
    await simulation.until((await simulation.until(first)).release());
  });

  it('leaves no timer behind if it leaves before the other one has the lock', async () => {
    const { scene, program } = await alone();
    const { simulation } = scene;
    const leaving = new AbortController();
    const first = program.redlock.acquire('r', { ttl: 3 * TTL });
    const second = expect(
      program.redlock.acquire('r', { waitTime: 60_000, signal: leaving.signal }),
    ).rejects.toThrow('left');
    leaving.abort(new Error('left'));
    await second;
    const holder = await simulation.until(first);
    // The subscription that it made is ended by then.
    await simulation.advance(15_000);
    expect(program.machine.clock.pendingTimers).toBe(0);
    await simulation.until(holder.release());
  });
});

describe('a lease that ends while its holder releases it', () => {
  it('is asked for once, so that a caller that joins then has its turn', async () => {
    const { scene, simulation, program, holder, next } = await inARow([{ ttl: 1_000 }, { ttl: 1_000 }]);
    // A listener that takes its time.
    holder.signal.addEventListener('abort', () => program.machine.clock.stepWall(5_000));
    void holder.release();
    const second = await simulation.until(next[0] ?? Promise.reject());
    const third = program.redlock.acquire('r', { ttl: 1_000, waitTime: 60_000 });
    await simulation.advance(1);
    void second.release();
    const last = await lockOf(third);
    expect(last.value).toBe(second.value);
    await simulation.until(last.release());
    await simulation.advance(2_000);
    expect(scene.keys).toEqual([]);
  });
});
