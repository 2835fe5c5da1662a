import { isolated } from './callback.ts';

/** Anything that behaves like an `AbortSignal`: one of another realm or of a polyfill, which may have no reason. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason?: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

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
  try {
    return signal.reason === undefined
      ? new DOMException('This operation was aborted', 'AbortError')
      : signal.reason;
  } catch (error) {
    // The call ends all the same.
    return error;
  }
}

/** @throws the reason of a signal that has aborted */
export function throwIfAborted(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted === true) throw reasonOf(signal);
}

/** The listeners of each signal, and what tells them. */
const crowds = new WeakMap<AbortSignalLike, ReturnType<typeof crowdOf>>();

/**
 * Calls `listener`, a function of its own for every call, when a signal aborts, until what this returns is called.
 * One signal may have any number. `addEventListener` would go through all earlier listeners, and warn of more than
 * ten.
 */
export function onAbort(signal: AbortSignalLike, listener: () => void): () => void {
  const { listeners, tell } = crowdOf(signal);
  if (listeners.size === 0) signal.addEventListener('abort', tell);
  listeners.add(listener);
  return () => {
    if (!listeners.delete(listener) || listeners.size > 0) return;
    isolated('removeEventListener of a signal', () => signal.removeEventListener('abort', tell));
  };
}

function crowdOf(signal: AbortSignalLike): {
  readonly listeners: Set<() => void>;
  readonly tell: () => void;
} {
  const known = crowds.get(signal);
  if (known !== undefined) return known;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  crowds.set(signal, { listeners, tell });
  return { listeners, tell };
}

/**
 * Waits for `work`, or rejects at once with the reason of a signal that aborts. `abandoned` gets what comes after
 * that.
 */
export function abortable<Result>(
  work: Promise<Result>,
  signals: readonly AbortSignalLike[],
  abandoned: (result: Result) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let interrupted = false;
    const stops: (() => void)[] = [];
    const stop = () => {
      for (const stopListening of stops) stopListening();
    };
    const leave = (reason: unknown) => {
      interrupted = true;
      stop();
      reject(reason);
    };
    const interrupt = () => {
      try {
        const aborted = signals.find((signal) => signal.aborted);
        leave(aborted && reasonOf(aborted));
      } catch (error) {
        leave(error);
      }
    };
    try {
      for (const signal of signals) stops.push(onAbort(signal, interrupt));
      if (signals.some(({ aborted }) => aborted)) interrupt();
    } catch (error) {
      // With a signal that fails the caller leaves too: `abandoned` gets what the work still brings.
      leave(error);
    }
    work.then(
      (result) => {
        stop();
        if (interrupted) abandoned(result);
        else resolve(result);
      },
      (error: unknown) => {
        stop();
        reject(error);
      },
    );
  });
}
