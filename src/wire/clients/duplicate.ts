import { describe, messageOf } from '../../base/describe.ts';

/** Why a client can't be duplicated. */
export class DuplicateError extends Error {}

export type DriverOptions = Readonly<Record<string, unknown>>;

interface Duplication<Own> {
  /** What a duplicate has to be, for messages: `an ioredis client`. */
  readonly kind: string;
  readonly args: readonly unknown[];
  readonly wanted: DriverOptions;
  is(candidate: unknown): candidate is Own;
  /** Whether a client has not been connected before. */
  isNew(own: Own): boolean;
  end(own: Own): void;
}

/** What was returned by a `duplicate()` is the library's for good, and no other node's or Redlock's. */
const given = new WeakSet<object>();

/**
 * A client of the library's own that connects as the program's does. Nothing is sent on the program's client.
 * @throws {DuplicateError} there is none; then nothing is left open
 */
export function duplicateOf<Own extends { readonly options?: object | undefined }>(
  client: object,
  { kind, args, wanted, is, isNew, end }: Duplication<Own>,
): Own {
  const own = callDuplicate(client, args);
  if (own === client) throw new DuplicateError('its duplicate() returned the client itself');
  if (!is(own)) throw new DuplicateError(`its duplicate() must return ${kind}: got ${describe(own)}`);
  if (given.has(own) || !isNew(own)) {
    throw new DuplicateError('its duplicate() returned a client that was there before');
  }
  given.add(own);
  const missing = missingOption(wanted, (own.options ?? {}) as DriverOptions);
  if (missing === undefined) return own;
  end(own);
  throw new DuplicateError(`its duplicate() does not take over the option ${missing}`);
}

function callDuplicate(client: object, args: readonly unknown[]): unknown {
  const { duplicate } = client as { duplicate?: (...args: unknown[]) => unknown };
  if (typeof duplicate !== 'function') throw new DuplicateError('it has no duplicate()');
  try {
    return duplicate.call(client, ...args);
  } catch (error) {
    throw new DuplicateError(`its duplicate() threw ${withoutSecrets(messageOf(error))}`);
  }
}

function withoutSecrets(message: string): string {
  return message.replace(/\/\/[^\s/]*@/g, '//');
}

/** The first of the wanted options that a client does not have. Undefined: it has all of them. */
function missingOption(wanted: DriverOptions, options: DriverOptions): string | undefined {
  for (const [name, value] of Object.entries(wanted)) {
    const actual = options[name];
    if (
      actual === value ||
      (isRecord(value) && isRecord(actual) && missingOption(value, actual) === undefined)
    )
      continue;
    // One may be a copy of an empty object, or be unset.
    if (isEmpty(value) && isEmpty(actual)) continue;
    return name;
  }
  return undefined;
}

function isRecord(value: unknown): value is DriverOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return value === undefined || value === null || (Array.isArray(value) && value.length === 0);
}
