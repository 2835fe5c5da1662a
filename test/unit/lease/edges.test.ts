import { describe, expect, it } from 'vitest';
import { ClosedError, type Lock, LockReleasedError, WaitTimeoutError } from '../../../src/index.ts';
import { type Program, Scene } from '../waiting/scene.ts';
import { inARow, lockOf, settled, TTL } from './in-a-row.ts';

/** One program whose nodes take a while to answer, and that waits for no lock yet: its first call is made alone. */
async function alone(): Promise<{ readonly scene: Scene; readonly program: Program }> {
  const scene = new Scene({ network: { latency: { least: 10, most: 11 } } });
  const [program] = await scene.programs(1, { nodeTimeout: 200 });
  return { scene, program };
}

/** Lets `count` microtasks go by. */
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
    expect((await simulation.until(second.extend())).remainingValidity()).toBeGreaterThan(0);
    await simulation.until(second.release());
    expect(second.signal.reason).toBeInstanceOf(LockReleasedError);
  });
});

describe('a listener that closes the Redlock while a lease begins', () => {
  it('has it released, and the call rejects', async () => {
    const scene = new Scene();
    const [program] = await scene.programs(1);
    const { simulation } = scene;
    // Enough leases have expired for the next one to make this process look at all of them.
    const forgotten = Array.from({ length: 1_023 }, (_, index) =>
      program.redlock.acquire(`forgotten ${index}`, { ttl: 100 }),
    );
    const [first] = await simulation.until(Promise.all(forgotten));
    first?.signal.addEventListener('abort', () => void program.redlock.close());
    program.machine.clock.stepWall(1_000);
    const call = expect(program.redlock.acquire('r', { ttl: TTL })).rejects.toThrow(ClosedError);
    await simulation.until(call);
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

const HOPS = Array.from({ length: 40 }, (_, index) => index);

/** Ways to get a lock whose nodes answer at the same moment as those of another one. */
const WAYS: readonly (readonly [string, (program: Program, signal: AbortSignal) => Promise<Lock | null>])[] =
  [
    ['acquire', ({ redlock }) => redlock.acquire('r')],
    ['acquire with a signal', ({ redlock }, signal) => redlock.acquire('r', { signal })],
    ['acquire without waiting', ({ redlock }) => redlock.acquire('r', { waitTime: 0 })],
    ['tryAcquire', ({ redlock }) => redlock.tryAcquire('r')],
    ['acquireRead', ({ redlock }) => redlock.readWrite('r').acquireRead()],
    ['a permit', ({ redlock }) => redlock.semaphore('r', 2).acquire()],
  ];

/** A program with one node, and what is done a number of promise callbacks after that has answered the next time. */
async function afterTheAnswer(): Promise<{
  readonly scene: Scene;
  readonly program: Program;
  act(hops: number, what: () => unknown): void;
}> {
  const scene = new Scene({ nodes: 1 });
  const [program] = await scene.programs(1);
  const [client] = program?.machine.clients ?? [];
  if (program === undefined || client === undefined) throw new Error('too few');
  const act = (hops: number, what: () => unknown) => {
    const { evalsha } = client;
    client.evalsha = async (...call) => {
      client.evalsha = evalsha;
      const answer = await client.evalsha(...call);
      void hop(hops).then(what);
      return answer;
    };
  };
  return { scene, program, act };
}

describe.each(WAYS)('a close() within the moment in which the nodes grant %s', (_, acquire) => {
  it.each(HOPS)('leaves no key on the nodes (%i promise callbacks later)', async (hops) => {
    const { scene, program, act } = await afterTheAnswer();
    act(hops, () => program.redlock.close());
    const result = acquire(program, new AbortController().signal).catch(() => undefined);
    await scene.simulation.until(result);
    await scene.simulation.until(program.redlock.close());
    expect(scene.keys.filter((key) => !key.startsWith('quorlock:semaphore:whole'))).toEqual([]);
  });
});

describe('an abort within the moment in which the nodes refuse', () => {
  it.each(HOPS)('ends the wait (%i promise callbacks later)', async (hops) => {
    const { scene, program, act } = await afterTheAnswer();
    const { simulation } = scene;
    for (const { store } of simulation.nodes) store.set('lock:r', 'another client', String(TTL));
    const leaving = new AbortController();
    act(hops, () => leaving.abort(new Error('left')));
    const wait = program.redlock.acquire('r', { waitTime: 2 * TTL, signal: leaving.signal });
    await simulation.until(expect(wait).rejects.toThrow('left'), 1_000);
  });
});
