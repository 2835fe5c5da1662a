import { RedisError } from './key-store.ts';

/** What a script answers, as it looks to a client: integers, strings, and lists of them. */
export type ScriptReply = number | string | readonly ScriptReply[];

/** Lua's tonumber() of what GET answered. */
export function toNumber(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const number = Number(text);
  return Number.isNaN(number) ? undefined : number;
}

/** The scripts' digits(): all of a number's digits. */
export function digits(number: number): string {
  return number.toFixed(0);
}

/** redis.pcall() where only the error's message matters: undefined if there was none. */
export function failureOf(command: () => void): string | undefined {
  try {
    command();
    return undefined;
  } catch (error) {
    if (error instanceof RedisError) return error.message;
    throw error;
  }
}

/** redis.pcall() where the error does not matter: then it is undefined. */
export function attempt<Result>(command: () => Result): Result | undefined {
  try {
    return command();
  } catch (error) {
    if (error instanceof RedisError) return undefined;
    throw error;
  }
}
