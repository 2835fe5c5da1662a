import { describe, expect, it } from 'vitest';
import { ExtendFailedError } from '../../../src/index.ts';
import { held, inARow, MOMENT_MS, microtasks, owners, settled, TTL } from './heritage.ts';
import { Scene } from './scene.ts';

const NETWORK = { latency: { least: 0.2, most: 0.3 } };

/** The answers to what is under way come later than nodes have time. */
async function delayAnswers({ simulation, program }: Awaited<ReturnType<typeof held>>): Promise<void> {
  const { clients } = program.machine;
  for (const client of clients) client.cut('replies');
  await simulation.advance(60);
  for (const client of clients) client.mend();
  await simulation.advance(50);
}

describe('a lock that is held for longer than was expected already', () => {
  it('has no heir: nothing of it is changed for whoever asks now', async () => {
    const scene = new Scene({ nodes: 3, network: NETWORK });
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    const ask = (name: string) => program.redlock.acquire(name, { ttl: TTL, waitTime: 60_000 });
    // Locks are held for a moment, as far as this process knows.
    const brief = [ask('another'), ask('another')];
    for (const each of brief) {
      const lock = await simulation.until(each);
      await simulation.advance(MOMENT_MS);
      void lock.release();
    }
    const holder = await simulation.until(ask('r'));
    await simulation.advance(TTL / 40);
    const next = ask('r');
    await simulation.advance(50);
    expect(owners(scene)).toEqual(Array(3).fill(holder.value));
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(next)).release());
  });
});

describe('a lock that is held for longer than was expected, so that its heir is too old', () => {
  it('is had by the next caller as soon as it is given back', async () => {
    const scene = new Scene({ nodes: 5, network: NETWORK });
    const [program, other] = await scene.programs(2);
    if (program === undefined || other === undefined) throw new Error('too few');
    const { simulation } = scene;
    const options = { ttl: TTL, waitTime: 60_000 };
    const use = (ms: number) => program.redlock.using('r', options, () => program.machine.sleep(ms));
    const first = use(1);
    const second = use(TTL + 300);
    const third = program.redlock.acquire('r', options);
    await simulation.until(first);
    await simulation.advance(50);
    const elsewhere = other.redlock.acquire('r', options);
    await simulation.until(second);
    const since = simulation.nowMs;
    const next = await simulation.until(Promise.race([third, elsewhere]));
    expect(simulation.nowMs - since).toBeLessThan(100);
    void next.release();
    for (const each of [third, elsewhere]) void (await simulation.until(each)).release();
    await simulation.advance(100);
    expect(scene.keys).toEqual([]);
  });

  it('leaves nothing behind where nobody waits for it any more', async () => {
    const scene = new Scene({ nodes: 3, network: NETWORK });
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    const leaving = new AbortController();
    const { holder } = await inARow(scene, program, { ttls: [500, 500], signal: leaving.signal });
    await simulation.advance(5);
    await simulation.until(holder.extend(30_000));
    await simulation.advance(600);
    leaving.abort(new Error('left'));
    await simulation.until(holder.release());
    await simulation.advance(100);
    expect(scene.keys).toEqual([]);
  });
});

describe('a lock whose heir had its answers too late', () => {
  it('is not lost for that, and had by the next caller as soon as it is given back', async () => {
    const all = await held();
    await delayAnswers(all);
    const { scene, simulation, holder, third } = all;
    expect(owners(scene)).not.toContain(holder.value);
    await simulation.advance(5_000);
    const validity = holder.remainingValidity();
    const extension = await simulation.until(holder.extend().catch((error: unknown) => error));
    expect(extension).toBeInstanceOf(ExtendFailedError);
    holder.assertHeld();
    expect(holder.remainingValidity()).toBeGreaterThan(validity - 100);
    expect(await settled(third)).toBe('pending');
    void holder.release();
    const since = simulation.nowMs;
    const next = await simulation.until(third);
    expect(simulation.nowMs - since).toBeLessThan(100);
    expect(next.token).toBeGreaterThan(holder.token);
    await simulation.until(next.release());
    await simulation.advance(200);
    expect(scene.keys).toEqual([]);
  });

  it('leaves nothing behind where the next answers are too late for its validity', async () => {
    const all = await held();
    const { scene, simulation, program, holder, third } = all;
    third.catch(() => undefined);
    await delayAnswers(all);
    const extension = holder.extend().catch((error: unknown) => error);
    await simulation.advance(0.1);
    for (const client of program.machine.clients) client.cut('replies');
    await simulation.advance(12_000);
    for (const client of program.machine.clients) client.mend();
    expect(await simulation.until(extension)).toBeInstanceOf(ExtendFailedError);
    await simulation.until(holder.release());
    await simulation.until((await simulation.until(program.redlock.acquire('r'))).release());
    await simulation.advance(500);
    expect(scene.keys).toEqual([]);
  });
});

describe('a lock that was lost for a clock that jumped, while its heir came to nothing', () => {
  /** Until it is lost. */
  async function lost(ttl = TTL) {
    const scene = new Scene({ nodes: 5, network: NETWORK });
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    const { holder, third } = await inARow(scene, program, { ttls: [ttl, ttl] });
    await simulation.advance(0.1);
    program.machine.clock.stepWall(2 * ttl);
    await simulation.advance(40);
    return { scene, simulation, program, holder, third };
  }

  it('is had by the next caller as soon as it is given back', async () => {
    const { scene, simulation, program, holder, third } = await lost();
    await simulation.until(holder.release());
    const since = simulation.nowMs;
    const next = await simulation.until(third);
    expect(simulation.nowMs - since).toBeLessThan(200);
    await simulation.until(next.release());
    await simulation.advance(200);
    expect(scene.keys).toEqual([]);
    await simulation.until(program.redlock.close());
    expect(program.machine.clock.pendingTimers).toBe(0);
  });

  it.each([true, false])('does not keep close() waiting, given back: %s', async (isReleased) => {
    const { scene, simulation, program, holder } = await lost(30_000);
    if (isReleased) await simulation.until(holder.release());
    const since = simulation.nowMs;
    await simulation.until(program.redlock.close());
    expect(simulation.nowMs - since).toBeLessThan(200);
    expect(program.machine.clock.pendingTimers).toBe(0);
    expect(scene.keys).toEqual([]);
  });
});

describe('a caller that leaves', () => {
  it('while the lock before its own is given back leaves nothing behind', async () => {
    const scene = new Scene({ nodes: 3, network: NETWORK });
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    for (let round = 0; round < 3; round += 1) {
      const leaving = new AbortController();
      const { holder } = await inARow(scene, program, { signal: leaving.signal });
      await simulation.advance(0.1);
      const released = holder.release();
      leaving.abort(new Error('left'));
      await simulation.until(released);
      await simulation.advance(20);
    }
    await simulation.advance(15_000);
    expect(simulation.nodes.map(({ subscriptions }) => subscriptions)).toEqual([0, 0, 0]);
    expect(scene.keys).toEqual([]);
  });

  it('before any node was told of it has its process listen no longer than others', async () => {
    const scene = new Scene({ nodes: 3, network: NETWORK });
    const [program] = await scene.programs(1);
    if (program === undefined) throw new Error('too few');
    const { simulation } = scene;
    const lock = await simulation.until(program.redlock.acquire('r'));
    const leaving = new AbortController();
    program.redlock.acquire('r', { signal: leaving.signal }).catch(() => undefined);
    await simulation.advance(5);
    leaving.abort();
    await simulation.until(lock.release());
    await simulation.advance(15_000);
    expect(simulation.nodes.map(({ subscriptions }) => subscriptions)).toEqual([0, 0, 0]);
  });

  it('while its heir had its answers too late is not called any more', async () => {
    const scene = new Scene({ nodes: 3, network: NETWORK });
    const [program, other] = await scene.programs(2);
    if (program === undefined || other === undefined) throw new Error('too few');
    const { simulation } = scene;
    const leaving = new AbortController();
    const { holder } = await inARow(scene, program, { signal: leaving.signal });
    for (const client of program.machine.clients) client.cut('replies');
    await simulation.advance(60);
    for (const client of program.machine.clients) client.mend();
    const elsewhere = other.redlock.acquire('r', { ttl: TTL, waitTime: 60_000 });
    await simulation.advance(50);
    leaving.abort(new Error('left'));
    await simulation.advance(10);
    await microtasks();
    void holder.release();
    const since = simulation.nowMs;
    await simulation.until((await simulation.until(elsewhere)).release());
    expect(simulation.nowMs - since).toBeLessThan(100);
  });
});
