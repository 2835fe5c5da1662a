import type { Quarantine } from '../../src/index.ts';
import { Rng } from '../../src/testing/rng.ts';
import type { WallClockSetting } from '../fleet/wall-clock.ts';

/**
 * What a run does to the nodes, and what it is to show. In every mode but the last two, holders' processes are stopped
 * past their validity, and nodes are paused.
 *
 * - `inside`: nodes lose their memory, up to all but one at once, and all at once under `quarantine: 'strict'`; clocks
 *   run wrong within the allowance. No two holders overlap, and tokens are unique and grow.
 * - `clocks`: nodes are killed and come back with their memory; their clocks are off by up to 30 s either way, step that
 *   far and run at ×0.5 to ×2, those of all nodes at once too. Holders may overlap; tokens are unique and grow all the same.
 * - `everything`: nodes lose their memory as in `inside`, and their clocks are off and step, but are never further
 *   apart than the largest ttl. Holders may overlap; tokens are unique and grow all the same.
 * - `beyond`: nodes lose their memory as in `inside`, and their clocks go wrong as in `clocks`. Nothing is promised; it
 *   is counted.
 * - `unmarked`: `quarantine: 'off'`, and a majority loses its memory again and again. Holders overlap, and the run must
 *   see it: or it would see nothing elsewhere.
 * - `amnesia`: `quarantine: 'auto'`, and all nodes lose their memory at once, the one case that it leaves open. As
 *   `unmarked`.
 */
export type Mode = 'inside' | 'clocks' | 'everything' | 'beyond' | 'unmarked' | 'amnesia';

export const MODES = [
  'inside',
  'clocks',
  'everything',
  'beyond',
  'unmarked',
  'amnesia',
] as const satisfies Mode[];

/** Everything that is settled before a run starts; the same for the same mode and seed. */
export interface Terms {
  readonly mode: Mode;
  /** A 32 bit integer. */
  readonly seed: number;
  readonly durationMs: number;
  readonly nodes: number;
  /** What the wall clock of each node is set to at the start. */
  readonly clocks: readonly WallClockSetting[];
  /** Whether a killed node finds its memory again when it comes back. */
  readonly keepsMemory: boolean;
  readonly workers: number;
  readonly callersPerWorker: number;
  readonly resources: readonly string[];
  readonly ttl: number;
  readonly maxTtl: number;
  readonly nodeTimeout: number;
  readonly quarantine: Quarantine;
}

/** Close to all that the clocks of nodes and clients may differ by under the default driftFactor of 0.01. */
const RATE_ERROR_INSIDE = 0.008;

/** How far clocks are off where that is no matter. */
export const FAR_OFF_MS = 30_000;

/** How long a node that lost its memory may not vote at the least. */
export function quarantineMs({ maxTtl }: Pick<Terms, 'maxTtl'>): number {
  return maxTtl * 1.01 + 2_100;
}

export function drawTerms(mode: Mode, seed: number): Terms {
  const dice = Rng.ofSeed(seed);
  const provokes = mode === 'unmarked' || mode === 'amnesia';
  // A lock must outlive the time that clients need to find nodes that were restarted.
  const ttl = provokes ? 1_500 : dice.integer(300, 600);
  const maxTtl = provokes ? ttl : dice.integer(600, 1_000);
  const nodes = dice.chance(0.75) ? 5 : 3;
  return {
    mode,
    seed,
    durationMs: provokes ? 4_500 : Math.round(quarantineMs({ maxTtl }) + dice.between(3_500, 4_500)),
    nodes,
    clocks: clocksOf(mode, nodes, maxTtl, dice.fork()),
    keepsMemory: mode === 'clocks',
    workers: dice.integer(3, 4),
    callersPerWorker: dice.integer(2, 3),
    resources: Array.from(
      { length: provokes ? 1 : dice.integer(1, 3) },
      (_, index) => `resource ${index + 1}`,
    ),
    ttl,
    maxTtl,
    nodeTimeout: 100,
    quarantine: quarantineOf(mode, dice),
  };
}

function clocksOf(mode: Mode, nodes: number, maxTtl: number, dice: Rng): readonly WallClockSetting[] {
  // Where all of them gain, every key expires early.
  const allGain = dice.chance(0.5);
  const farthest = mode === 'everything' ? farthestPromised({ maxTtl }) : FAR_OFF_MS;
  const draw = (): WallClockSetting => {
    switch (mode) {
      case 'inside': {
        const error = allGain ? RATE_ERROR_INSIDE : dice.between(-RATE_ERROR_INSIDE, RATE_ERROR_INSIDE);
        return { offsetMs: 0, rate: 1 + error };
      }
      case 'clocks':
      case 'everything':
      case 'beyond':
        return { offsetMs: dice.integer(-farthest, farthest), rate: 1 };
      case 'unmarked':
      case 'amnesia':
        return { offsetMs: 0, rate: 1 };
    }
  };
  return Array.from({ length: nodes }, draw);
}

/** How far a clock may be off where memory is lost, and tokens go on growing: no two are further apart than maxTtl. */
export function farthestPromised({ maxTtl }: Pick<Terms, 'maxTtl'>): number {
  return Math.floor(maxTtl / 2);
}

function quarantineOf(mode: Mode, dice: Rng): Quarantine {
  if (mode === 'unmarked') return 'off';
  return mode === 'inside' && dice.chance(0.3) ? 'strict' : 'auto';
}

export function describeTerms(terms: Terms): string {
  const { mode, seed, durationMs, nodes, keepsMemory, workers, callersPerWorker, resources } = terms;
  const { ttl, maxTtl, nodeTimeout, quarantine } = terms;
  const clocks = terms.clocks.map(describeClock).join(', ');
  return (
    `${mode}, seed ${seed}: ${durationMs} ms, ${nodes} nodes ${keepsMemory ? 'with' : 'without'} a disk, ` +
    `${workers} processes of ${callersPerWorker} callers, ${resources.length} resources, ttl ${ttl}, ` +
    `maxTtl ${maxTtl}, nodeTimeout ${nodeTimeout}, quarantine ${quarantine}, clocks ${clocks}`
  );
}

function describeClock({ offsetMs, rate }: WallClockSetting): string {
  return rate === 1 ? `${offsetMs} ms` : `×${rate.toFixed(4)}`;
}

/** The one command that does a run again. */
export function replayOf({ mode, seed }: Pick<Terms, 'mode' | 'seed'>): string {
  return `npm run soak -- --mode ${mode} --seed ${seed} --runs 1`;
}
