import { framesOf, messageOf } from './describe.ts';

/**
 * Calls a function that is the program's or a driver's, and that the library can do without. What it throws must not
 * break the code that calls it: it becomes a warning of the process. So does what a promise of it rejects with.
 *
 * @param what the function, as the warning names it
 * @returns what the function returned; undefined if it threw
 */
export function isolated<Result>(what: string, call: () => Result): Result | undefined {
  const failed = (error: unknown) =>
    process.emitWarning(`${what} failed: ${messageOf(error)}`, {
      type: 'QuorlockWarning',
      code: 'QUORLOCK_CALLBACK',
      detail: framesOf(error),
    });
  try {
    const result = call();
    if (typeof result === 'object' && result !== null) Promise.resolve(result).catch(failed);
    return result;
  } catch (error) {
    failed(error);
    return undefined;
  }
}

/** Takes what a function of the program returned in place of a value: if it is a promise, its rejection is no news. */
export function disown(returned: unknown): void {
  Promise.resolve(returned).catch(() => undefined);
}
