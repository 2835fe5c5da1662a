import { read } from '../base/describe.ts';
import { named } from '../base/named.ts';
import { describe } from './arguments.ts';
import { assertFencingToken } from './token.ts';
import type { TokenRegister } from './token-register.ts';

/**
 * The request header that carries a fencing token: decimal digits and nothing else, as in
 * `Fencing-Token: 1763881234567890`. It plays the part that `If-Match` plays for entity tags.
 */
export const FENCING_TOKEN_HEADER = 'Fencing-Token';

/** The headers of a request: a `Headers`, `request.headers` of `node:http`, or a plain object. */
export type RequestHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request came without a fencing token, or with a text that is none. */
export class FencingHeaderError extends Error {
  static {
    named(FencingHeaderError, 'FencingHeaderError');
  }

  /** Stable: compare with this, not with the message. */
  readonly code: 'QUORLOCK_TOKEN_MISSING' | 'QUORLOCK_TOKEN_MALFORMED';

  constructor(code: FencingHeaderError['code'], message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/**
 * The headers by which a request proves its lock, ready to be spread into others.
 *
 * @param lock a lock, or anything with its `token`.
 * @throws TypeError or RangeError when the token is not one.
 */
export function fencingHeaders(lock: { readonly token: number }): Record<'Fencing-Token', string> {
  const token = read('lock', () => lock.token);
  assertFencingToken(token, 'lock.token');
  return { [FENCING_TOKEN_HEADER]: String(token) };
}

/**
 * The fencing token of a request. It only reads: see `checkFencingToken` for the check.
 *
 * @throws FencingHeaderError when there is none, more than one, or not an integer from 1 to 2^53 − 1.
 */
export function readFencingToken(headers: RequestHeaders): number {
  const values = read('the headers', () => headerValues(headers));
  const [value] = values;
  if (value === undefined) {
    throw new FencingHeaderError(
      'QUORLOCK_TOKEN_MISSING',
      `the request has no ${FENCING_TOKEN_HEADER} header: acquire the lock and send its token with fencingHeaders(lock)`,
    );
  }
  // No sign, no leading zero, no exponent: one token has one spelling.
  const token = values.length === 1 && /^[1-9][0-9]{0,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!Number.isSafeInteger(token)) {
    throw new FencingHeaderError(
      'QUORLOCK_TOKEN_MALFORMED',
      `the ${FENCING_TOKEN_HEADER} header must be one integer from 1 to ${Number.MAX_SAFE_INTEGER} in decimal digits, ` +
        `but is ${describe(values.join(', '))}`,
    );
  }
  return token;
}

/**
 * Admits a request whose token is not lower than any before it, and registers that token.
 *
 * Every request of a holder must pass here, reads too, so that its first one shuts older holders out. The check alone
 * does not guard what comes after it: a newer holder may come in between. So guard the write too, with the token that
 * this returns. Its store has a guard; data in this process has `memoryRegister().run`.
 *
 * @param headers the request's headers.
 * @param resource what the request touches. Derive it from the route, as the server knows it; a name
 * that the client can choose freely can be chosen to avoid the check.
 * @param register where tokens are remembered: a memory register, a Redis guard, a SQL guard on a connection.
 * @returns the token.
 * @throws FencingHeaderError, StaleTokenError (`fencingStatus` maps both to a status), or what the register throws.
 */
export async function checkFencingToken(
  headers: RequestHeaders,
  resource: string,
  register: TokenRegister,
): Promise<number> {
  const token = readFencingToken(headers);
  await register.register(resource, token);
  return token;
}

/**
 * The HTTP status for an error of this module. A stale token is 412 Precondition Failed, none is 428 Precondition
 * Required, and a malformed one is 400 Bad Request. Undefined for every other error.
 */
export function fencingStatus(error: unknown): 400 | 412 | 428 | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  // By code and not by class: the error may come from another copy of this package.
  switch (error.code) {
    case 'QUORLOCK_STALE_TOKEN':
      return 412;
    case 'QUORLOCK_TOKEN_MISSING':
      return 428;
    case 'QUORLOCK_TOKEN_MALFORMED':
      return 400;
    default:
      return undefined;
  }
}

/** Every value of the header. Plain objects may spell its name in any case, and even twice. */
function headerValues(headers: RequestHeaders): readonly string[] {
  if (isHeaders(headers)) {
    const value = headers.get(FENCING_TOKEN_HEADER);
    return value === null ? [] : [value];
  }
  const wanted = FENCING_TOKEN_HEADER.toLowerCase();
  return Object.entries(headers).flatMap(([name, value]) =>
    name.toLowerCase() === wanted && value !== undefined ? value : [],
  );
}

function isHeaders(headers: RequestHeaders): headers is { get(name: string): string | null } {
  return 'get' in headers && typeof headers.get === 'function';
}
