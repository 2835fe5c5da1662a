/** Anything that behaves like an `AbortSignal`: one of another realm or of a polyfill, which may have no reason. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

/** Whether a value behaves like one. */
export function isAbortSignal(value: unknown): value is AbortSignalLike {
  if (typeof value !== 'object' || value === null) return false;
  const { aborted, addEventListener, removeEventListener } = value as Partial<
    Record<keyof AbortSignalLike, unknown>
  >;
  return (
    typeof aborted === 'boolean' &&
    typeof addEventListener === 'function' &&
    typeof removeEventListener === 'function'
  );
}

/** The reason of an aborted signal: its own, or, if it has none, the one that an `AbortSignal` has by default. */
export function reasonOf(signal: AbortSignalLike): unknown {
  return signal.reason === undefined
    ? new DOMException('This operation was aborted', 'AbortError')
    : signal.reason;
}

/** @throws the reason of a signal that has aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal);
}
