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
