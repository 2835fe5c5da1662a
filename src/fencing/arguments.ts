import { kindOf, quote, shorten } from '../base/describe.ts';

/** The largest integer that a double, and so JavaScript, Lua and JSON, holds exactly: 2^53 − 1. */
const MAX_INTEGER = Number.MAX_SAFE_INTEGER;

/**
 * Throws unless `value` is an integer from 1 to 2^53 − 1, which are the bounds of tokens, durations and counts.
 *
 * @param name what the message calls the value.
 * @param advice what to do instead, for a value of another type.
 * @throws TypeError for what is not a number (a numeric string is not one); RangeError for a number
 * outside the bounds, a fraction or NaN.
 */
export function assertPositiveInteger(value: unknown, name: string, advice = ''): asserts value is number {
  const bound = `an integer from 1 to ${MAX_INTEGER}`;
  if (typeof value !== 'number') {
    throw new TypeError(
      `${name} must be a number, ${bound}, but is ${describe(value)}${advice && `: ${advice}`}`,
    );
  }
  if (!Number.isSafeInteger(value) || value < 1) {
    throw new RangeError(`${name} must be ${bound}, but is ${value}`);
  }
}

/**
 * Throws unless `resource` can name a resource: a string, not empty, and well-formed Unicode. Half a
 * surrogate pair has no UTF-8 form, so that two such names would become one on their way to a store.
 *
 * @throws TypeError for what is not a string; RangeError for an empty or ill-formed one.
 */
export function assertResource(resource: unknown, name = 'resource'): asserts resource is string {
  if (typeof resource !== 'string') {
    throw new TypeError(`${name} must be a string, but is ${describe(resource)}`);
  }
  if (resource === '' || /\p{Surrogate}/u.test(resource)) {
    throw new RangeError(`${name} must be a non-empty, well-formed string, but is ${describe(resource)}`);
  }
}

/** A value as an error message shows it: on one line and never long. */
export function describe(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return `the string ${quote(value)}`;
    case 'bigint':
      return `the bigint ${shorten(String(value))}`;
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    case 'object':
      if (value === null) return 'null';
      return kindOf(value) === 'Array' ? 'an array' : 'an object';
    default:
      return String(value);
  }
}
