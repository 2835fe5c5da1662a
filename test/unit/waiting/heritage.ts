import type { RedlockOptions } from '../../../src/index.ts';
import { type Program, Scene } from './scene.ts';

export const TTL = 10_000;

/** Locks are held for a moment only, as far as the process knows. */
export const MOMENT_MS = 1;

/** Who owns the key on each node. */
export function owners({ simulation }: Scene): readonly (string | undefined)[] {
  return simulation.nodes.map(({ store }) => store.get('lock:r'));
}

interface Options {
  readonly options?: RedlockOptions;
  readonly ttls?: readonly [holder: number, next: number];
  readonly trace?: (line: string) => void;
  /** For how long the first lock is held. */
  readonly earlierMs?: number;
  /** Before the first lock. */
  readonly before?: (scene: Scene, program: Program) => void;
}

/** Three callers of a program: the first one had the lock for a moment, the second one holds it, the third one waits. */
export async function inARow(
  { simulation }: Scene,
  { redlock }: Program,
  {
    ttls: [holderTtl, nextTtl] = [TTL, TTL],
    earlierMs = MOMENT_MS,
    signal,
  }: Pick<Options, 'ttls' | 'earlierMs'> & { readonly signal?: AbortSignal } = {},
) {
  const ask = (ttl: number, leaving = {}) => redlock.acquire('r', { ttl, waitTime: 600_000, ...leaving });
  const [first, second] = [ask(holderTtl), ask(holderTtl)];
  const third = ask(nextTtl, signal === undefined ? {} : { signal });
  // Whoever waits for it hears of it all the same.
  third.catch(() => undefined);
  const earlier = await simulation.until(first);
  await simulation.advance(earlierMs);
  void earlier.release();
  return { holder: await simulation.until(second), third };
}

/** A program whose first lock was held for a moment, a second one that is held, and a caller who waits. */
export async function held({
  options,
  ttls: [holderTtl, nextTtl] = [TTL, TTL],
  earlierMs = MOMENT_MS,
  before,
  trace,
}: Options = {}) {
  const network = { latency: { least: 0.2, most: 0.3 } };
  const scene = new Scene(trace === undefined ? { network } : { network, trace });
  const [program, other] = await scene.programs(2, options);
  if (program === undefined || other === undefined) throw new Error('too few');
  const { simulation } = scene;
  before?.(scene, program);
  const { holder, third } = await inARow(scene, program, { ttls: [holderTtl, nextTtl], earlierMs });
  return { scene, simulation, program, other, holder, third };
}

/** Resolves with what has it by now. */
export async function settled<Value>(promise: Promise<Value>): Promise<Value | 'pending'> {
  return await Promise.race([promise, Promise.resolve('pending' as const)]);
}

export async function microtasks(): Promise<void> {
  for (let hops = 0; hops < 20; hops += 1) await undefined;
}
