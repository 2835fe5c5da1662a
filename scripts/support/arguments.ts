import { randomInt } from 'node:crypto';
import { isSeed } from './seeds.ts';

/** Arguments that make no sense; the message says which and why. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws {UsageError} not a number above 0 */
export function positive(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !(value > 0))
    throw new UsageError(`${name} must be a number above 0: got "${text}"`);
  return value;
}

/** @throws {UsageError} not a seed */
export function seedOf(text: string | undefined): number {
  if (text === undefined) return randomInt(2 ** 32);
  const seed = Number(text);
  if (text.trim() === '' || !isSeed(seed)) {
    throw new UsageError(`--seed must be an integer from 0 to 2^32 - 1: got "${text}"`);
  }
  return seed;
}
