/**
 * An AbortSignal that is right whenever it is read: `look` comes first, and aborts the controller if it is time.
 * After the process was stopped or busy, a plain signal says "not aborted" until a timer gets its turn.
 */
export function lazySignal(controller: AbortController, look: () => void): AbortSignal {
  const { signal } = controller;
  const truthful = <Name extends 'aborted' | 'reason'>(name: Name): PropertyDescriptor => ({
    configurable: true,
    get(): AbortSignal[Name] {
      look();
      return Reflect.get(AbortSignal.prototype, name, signal);
    },
  });
  Object.defineProperties(signal, {
    aborted: truthful('aborted'),
    reason: truthful('reason'),
    throwIfAborted: {
      configurable: true,
      value(): void {
        look();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
  return signal;
}
