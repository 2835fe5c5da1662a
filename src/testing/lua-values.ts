import { ownerIn } from '../base/owner.ts';
import { RedisError } from './key-store.ts';

/** A script's answer, as a client gets it: integers, strings, and lists of them. */
export type ScriptReply = number | string | readonly ScriptReply[];

/** The scripts' SHARED: the value of a shared key. */
export const SHARED = '&';

/** The scripts' COUNTER_LIMIT. */
export const COUNTER_LIMIT = 9_007_199_254_740_000;

/** The scripts' count_of(): a positive integer below the limit of counters. */
export function countOf(text: string | number | undefined): number | undefined {
  const digits = String(text ?? '');
  if (!/^\d+$/.test(digits)) return undefined;
  const count = Number(digits);
  return count >= 1 && count < COUNTER_LIMIT ? count : undefined;
}

/** Since when a waiter waits, in microseconds of the server's time; a score that is not a time up to now counts as now. */
export function askedAt(score: string | number, nowUs: number): number {
  const asked = score === '' ? Number.NaN : Number(score);
  return asked >= 0 && asked <= nowUs && Number.isInteger(asked) ? asked : nowUs;
}

/** The scripts' digits(): all of a number's digits. */
export function digits(number: number): string {
  return number.toFixed(0);
}

/** The scripts' holder_in(): the owner that a lock value names. */
export function holderIn(value: string): string {
  if (value === SHARED) return value;
  return ownerIn(value) ?? '';
}

/** Whether a command failed because the key has another type than it works on. */
export function isWrongType(error: unknown): boolean {
  return error instanceof RedisError && error.message.startsWith('WRONGTYPE');
}

/** redis.pcall() where only the error's message matters: undefined without one. */
export function failureOf(command: () => void): string | undefined {
  try {
    command();
    return undefined;
  } catch (error) {
    if (error instanceof RedisError) return error.message;
    throw error;
  }
}

/** redis.pcall() where the error does not matter: then the result is undefined. */
export function attempt<Result>(command: () => Result): Result | undefined {
  try {
    return command();
  } catch (error) {
    if (error instanceof RedisError) return undefined;
    throw error;
  }
}
