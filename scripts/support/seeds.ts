import { randomInt } from 'node:crypto';

/** How far the seeds of neighbouring runs are apart; odd, so that they do not repeat. */
const STRIDE = 0x9e3779b1;

/** A seed from the environment, or a new one. */
export function chooseSeed(): number {
  const { QUORLOCK_SEED: chosen = '' } = process.env;
  if (chosen === '') return randomInt(2 ** 32);
  const seed = Number(chosen);
  if (!isSeed(seed))
    throw new RangeError(`QUORLOCK_SEED must be an integer from 0 to 2^32 - 1: got "${chosen}"`);
  return seed;
}

export function isSeed(candidate: number): boolean {
  return Number.isInteger(candidate) && candidate >= 0 && candidate < 2 ** 32;
}

/** The seeds that follow from one; the first is that one itself. */
export function seedAfter(first: number, steps: number): number {
  return (first + Math.imul(steps, STRIDE)) >>> 0;
}
