import { describe, expect, it } from 'vitest';
import { ClosedError, type Lock, NoQuorumError, type Redlock, WaitTimeoutError } from '../../../src/index.ts';
import type { SimulatedServer } from '../../../src/testing/index.ts';
import { type Program, Scene } from './scene.ts';

const CALLS = 3_000;

/** How far nodes are away, in milliseconds, there and back: 128 attempts at a time take far more than a second for all. */
const ROUND_TRIP_MS = 40;

/** A wait is over so soon after its time. */
const LATEST_MS = 100;

interface Settled {
  readonly afterMs: number;
  readonly error?: unknown;
}

async function crowdedScene(
  options = {},
  roundTripMs = ROUND_TRIP_MS,
): Promise<{ readonly scene: Scene; readonly program: Program }> {
  const latency = { least: roundTripMs / 2, most: roundTripMs / 2 };
  const scene = new Scene({ network: { latency } });
  const [program] = await scene.programs(1, options);
  return { scene, program };
}

/** Makes many calls at once, and notes when each has settled. Locks are released at once. */
function crowd(
  scene: Scene,
  call: (index: number) => Promise<Lock | null>,
  calls = CALLS,
): Promise<Settled[]> {
  const calledAt = scene.simulation.nowMs;
  return Promise.all(
    Array.from({ length: calls }, (_, index) =>
      call(index).then(
        (lock) => {
          void lock?.release();
          return { afterMs: scene.simulation.nowMs - calledAt };
        },
        (error: unknown) => ({ afterMs: scene.simulation.nowMs - calledAt, error }),
      ),
    ),
  );
}

const lastOf = (settled: readonly Settled[]) => Math.max(...settled.map(({ afterMs }) => afterMs));
const errorsOf = (settled: readonly Settled[]) =>
  settled.flatMap(({ error }) => (error === undefined ? [] : [error]));

type Call = (
  redlock: Redlock,
  index: number,
  options: { waitTime: number; signal?: AbortSignal },
) => Promise<Lock>;

const CALL_KINDS: Readonly<Record<string, Call>> = {
  'of locks': (redlock, index, options) => redlock.acquire(`r${index}`, options),
  'of sets': (redlock, index, options) => redlock.acquire([`r${index}`, `s${index}`, 'all'], options),
  'of read locks': (redlock, index, options) => redlock.readWrite(`r${index % 50}`).acquireRead(options),
  'of write locks': (redlock, index, options) => redlock.readWrite(`r${index}`).acquireWrite(options),
  'of permits': (redlock, index, options) => redlock.semaphore(`r${index % 200}`, 20).acquire(options),
};

describe.each(Object.entries(CALL_KINDS))(
  `${CALLS} calls at once, %s, at nodes that are far away`,
  (_, call) => {
    it('settle in time, though most of them can not be made', async () => {
      const { scene, program } = await crowdedScene();
      const waitTime = 100;
      const settled = await scene.simulation.until(
        crowd(scene, (index) => call(program.redlock, index, { waitTime })),
      );
      expect(lastOf(settled)).toBeLessThanOrEqual(waitTime + LATEST_MS);
      const errors = errorsOf(settled);
      expect(errors.length).toBeLessThan(CALLS);
      for (const error of errors)
        expect(error instanceof NoQuorumError || error instanceof WaitTimeoutError, `${error}`).toBe(true);
      // None of those that were given up comes to be later.
      await scene.simulation.advance(1_000);
      expect(scene.keys).toEqual([]);
    });

    it('end as soon as their signal aborts', async () => {
      const { scene, program } = await crowdedScene();
      const leaving = new AbortController();
      const settling = crowd(scene, (index) =>
        call(program.redlock, index, { waitTime: 30_000, signal: leaving.signal }),
      );
      await scene.simulation.advance(100);
      leaving.abort(new Error('enough'));
      const settled = await scene.simulation.until(settling);
      expect(lastOf(settled)).toBe(100);
      expect(new Set(errorsOf(settled))).toEqual(new Set([leaving.signal.reason]));
    });

    it('end within a round trip when the Redlock closes', async () => {
      const { scene, program } = await crowdedScene();
      const settling = crowd(scene, (index) => call(program.redlock, index, { waitTime: 30_000 }));
      await scene.simulation.advance(100);
      const closing = program.redlock.close();
      const settled = await scene.simulation.until(settling);
      expect(lastOf(settled)).toBeLessThanOrEqual(100 + 2 * ROUND_TRIP_MS);
      for (const error of errorsOf(settled)) expect(error).toBeInstanceOf(ClosedError);
      await scene.simulation.until(closing);
    });
  },
);

describe('a call that waits for its turn in a crowded process', () => {
  it('is told that no node was asked', async () => {
    const { scene, program } = await crowdedScene();
    const settling = crowd(scene, (index) => program.redlock.acquire(`r${index}`, { waitTime: 100 }));
    const errors = errorsOf(await scene.simulation.until(settling));
    expect(String(errors.at(-1))).toContain('more attempts under way than it makes at once');
  });

  it('has a node’s time for that if it does not wait, and as much again to be answered', async () => {
    const { scene, program } = await crowdedScene({ nodeTimeout: 300 });
    const settling = crowd(scene, (index) => program.redlock.tryAcquire(`r${index}`));
    const settled = await scene.simulation.until(settling);
    expect(lastOf(settled)).toBeLessThanOrEqual(600);
    const errors = errorsOf(settled);
    expect(errors.length).toBeGreaterThan(0);
    for (const error of errors) expect(error).toBeInstanceOf(NoQuorumError);
  });

  it('keeps no caller behind it for longer than that one waits', async () => {
    const { scene, program } = await crowdedScene();
    void crowd(scene, (index) => program.redlock.acquire(`r${index}`));
    const first = program.redlock.acquire('last');
    const second = crowd(scene, () => program.redlock.acquire('last', { waitTime: 100 }), 1);
    expect(lastOf(await scene.simulation.until(second))).toBeLessThanOrEqual(100 + LATEST_MS);
    await expect(scene.simulation.until(first)).resolves.toBeDefined();
  });

  it('says what nodes said before if its last attempt could not be made', async () => {
    const { scene, program } = await crowdedScene({}, 10);
    const [other] = await scene.programs(1);
    const names = Array.from({ length: 1_000 }, (_, index) => `r${index}`);
    const locks = names.map((name) => other?.redlock.acquire(name));
    await scene.simulation.until(Promise.all(locks));
    const settled = await scene.simulation.until(
      crowd(scene, (index) => program.redlock.acquire(`r${index}`, { waitTime: 1_000 }), names.length),
    );
    expect(lastOf(settled)).toBeLessThanOrEqual(1_000 + LATEST_MS);
    for (const error of errorsOf(settled)) expect(error).toBeInstanceOf(WaitTimeoutError);
    expect(errorsOf(settled)).toHaveLength(names.length);
  });
});

describe.each(Object.entries(CALL_KINDS))('the first call of a program, %s', (_, call) => {
  it.each([
    ['can be connected to', (node: SimulatedServer) => node.crash()],
    ['answers a connection', (node: SimulatedServer) => node.pause()],
  ])('ends in time, though no node %s', async (_why, stop) => {
    const scene = new Scene();
    scene.simulation.nodes.forEach(stop);
    const redlock = scene.simulation.machine().redlock({ connectTimeout: 1_000 });
    const settled = await scene.simulation.until(
      crowd(scene, (index) => call(redlock, index, { waitTime: 300 }), 1),
    );
    expect(errorsOf(settled)).toEqual([expect.any(NoQuorumError)]);
    expect(lastOf(settled)).toBeGreaterThanOrEqual(299);
    expect(lastOf(settled)).toBeLessThanOrEqual(300 + LATEST_MS);
  });
});

it('a wait that ends while the lock is held says so, also where its last attempt has too little time', async () => {
  const scene = new Scene({ network: { latency: { least: 30, most: 30 } } });
  const [holder, waiter] = await scene.programs(2);
  const lock = await scene.simulation.until(holder.redlock.acquire('r', { ttl: 10_000 }));
  const call = waiter.redlock.acquire('r', { waitTime: 400 });
  await expect(scene.simulation.until(call)).rejects.toBeInstanceOf(WaitTimeoutError);
  await scene.simulation.until(lock.release());
});
