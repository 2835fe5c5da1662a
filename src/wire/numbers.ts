import { inspect } from 'node:util';

/** No TIME of a node is later, in microseconds: the year 2223. Beyond it, doubles would not hold sums exactly. */
const LATEST_TIME_US = 8e15;

/** Whether a value is a whole number that a double holds exactly. */
export function isCount(value: unknown, least = 0): value is number {
  return Number.isSafeInteger(value) && (value as number) >= least;
}

/** Whether a value is a server's TIME in microseconds. */
export function isTimeUs(value: unknown): value is number {
  return isCount(value, 1) && value <= LATEST_TIME_US;
}

/** An answer that the library can't make use of. */
export class MalformedAnswerError extends Error {
  constructor(answer: unknown) {
    super(`an answer that is none of the script's: ${inspect(answer, SHORT)}`);
  }
}

const SHORT = {
  depth: 1,
  maxArrayLength: 8,
  maxStringLength: 80,
  breakLength: Number.POSITIVE_INFINITY,
} as const;

/**
 * Checks the numbers of a call's header.
 *
 * @throws {RangeError} one is not a whole number, or out of range
 */
export function checkNumbers(numbers: readonly (string | number)[]): void {
  for (const number of numbers) {
    if (typeof number === 'number' && !isCount(number)) {
      throw new RangeError(`nothing is sent with ${number} in it: it must be a whole number`);
    }
  }
}
