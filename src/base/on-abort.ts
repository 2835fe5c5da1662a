import type { AbortSignalLike } from './abort-signal.ts';

/** The listeners of one signal. */
interface Listeners {
  readonly listeners: Set<() => void>;
  readonly tell: () => void;
}

const crowds = new WeakMap<AbortSignalLike, Listeners>();

/**
 * Calls `listener` when a signal aborts, if it has not done so before. One signal may have any number of listeners, and
 * none of them slows down the others: `addEventListener` goes through all earlier listeners, and warns of more than
 * ten.
 *
 * @param listener a function of its own for every call; must not throw
 * @returns stops listening; nothing is left at the signal after the last one
 */
export function onAbort(signal: AbortSignalLike, listener: () => void): () => void {
  const { listeners, tell } = crowdOf(signal);
  if (listeners.size === 0) signal.addEventListener('abort', tell);
  listeners.add(listener);
  return () => {
    if (listeners.delete(listener) && listeners.size === 0) signal.removeEventListener('abort', tell);
  };
}

function crowdOf(signal: AbortSignalLike): Listeners {
  const known = crowds.get(signal);
  if (known !== undefined) return known;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const crowd = { listeners, tell };
  crowds.set(signal, crowd);
  return crowd;
}
