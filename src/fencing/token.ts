import { quote } from '../base/describe.ts';
import { named } from '../base/named.ts';
import { assertPositiveInteger } from './arguments.ts';

/**
 * Throws unless `token` can be a fencing token: a number, an integer from 1 to 2^53 − 1.
 *
 * @param token the value to judge.
 * @param name what the message calls it. Default `token`.
 * @throws TypeError for what is not a number (a numeric string is not one); RangeError for a number
 * outside the bounds, a fraction or NaN.
 */
export function assertFencingToken(token: unknown, name = 'token'): asserts token is number {
  assertPositiveInteger(token, name, 'pass lock.token as it is');
}

/**
 * A resource refused a token, because it has seen a higher one: the lock has a newer holder.
 *
 * What to do: stop, drop what was computed under this lock, and acquire it again before another
 * try. The same token stays refused.
 */
export class StaleTokenError extends Error {
  static {
    named(StaleTokenError, 'StaleTokenError');
  }

  /** Stable: compare with this, not with the message. */
  readonly code = 'QUORLOCK_STALE_TOKEN';
  /** The resource that refused; for a Redis guard, the key. */
  readonly resource: string;
  /** The token that was refused. */
  readonly token: number;
  /** The highest token that the resource has seen; undefined where it did not say. */
  readonly highest: number | undefined;

  constructor(resource: string, token: number, highest?: number) {
    // Quoted and short, because a name may come from a request and must not forge a line of a log, or fill it.
    const name = quote(resource);
    const seen = highest === undefined ? 'a higher one' : `token ${highest}`;
    super(
      `fencing token ${token} is stale: ${name} has seen ${seen}, so the lock has a newer holder. ` +
        'The call changed nothing. Drop this work and acquire the lock again; this token stays refused.',
    );
    this.name = new.target.name;
    this.resource = resource;
    this.token = token;
    this.highest = highest;
  }
}
