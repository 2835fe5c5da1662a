import type { AcquireOptions, Lock, RedlockOptions } from '../../../src/index.ts';
import type { Simulation } from '../../../src/testing/index.ts';
import { type Program, Scene } from '../waiting/scene.ts';

export const TTL = 10_000;

/** Who owns the key on each node. */
export function owners({ simulation }: Scene): readonly (string | undefined)[] {
  return simulation.nodes.map(({ store }) => store.get('lock:r'));
}

/** A program whose first caller holds a lock that others of it wait for, and another program. */
export interface InARow {
  readonly scene: Scene;
  readonly simulation: Simulation;
  readonly program: Program;
  readonly other: Program;
  readonly holder: Lock;
  readonly next: readonly Promise<Lock>[];
}

/** @param callers the options of each caller, the holder first */
export async function inARow(
  callers: readonly AcquireOptions[] = [{}, {}, {}],
  options: RedlockOptions = {},
): Promise<InARow> {
  const scene = new Scene({ network: { latency: { least: 0.2, most: 0.3 } } });
  const [program, other] = await scene.programs(2, { maxTtl: 60_000, ...options });
  const { simulation } = scene;
  const [first, ...next] = callers.map((caller) =>
    program.redlock.acquire('r', { ttl: TTL, waitTime: 600_000, ...caller }),
  );
  // A test that waits for one of them hears of its failure all the same.
  for (const each of next) each.catch(() => undefined);
  if (first === undefined) throw new Error('too few');
  const holder = await simulation.until(first);
  await simulation.advance(1);
  return { scene, simulation, program, other, holder, next };
}

/** What a promise has settled with by now, without any time passing. */
export async function settled<Value>(promise: Promise<Value> | undefined): Promise<Value | 'pending'> {
  for (let hops = 0; hops < 20; hops += 1) await undefined;
  return await Promise.race([
    promise ?? Promise.reject(new Error('there is none')),
    Promise.resolve('pending' as const),
  ]);
}

/** The lock of the caller that must have it by now. */
export async function lockOf(promise: Promise<Lock> | undefined): Promise<Lock> {
  const lock = await settled(promise);
  if (lock === 'pending') throw new Error('the caller waits still');
  return lock;
}
