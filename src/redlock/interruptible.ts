import { setMaxListeners } from 'node:events';

/**
 * Waits for `work` unless one of the signals aborts first; then rejects at once with that signal's own reason.
 *
 * @param abandoned gets the result that came after the abort
 */
export function interruptible<Result>(
  work: Promise<Result>,
  signals: readonly AbortSignal[],
  abandoned: (result: Result) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let interrupted = false;
    const stop = () => {
      for (const signal of signals) signal.removeEventListener('abort', interrupt);
    };
    const interrupt = () => {
      interrupted = true;
      stop();
      reject(signals.find(({ aborted }) => aborted)?.reason);
    };
    for (const signal of signals) {
      // One signal may cancel any number of calls; that is no leak to be warned of.
      setMaxListeners(0, signal);
      signal.addEventListener('abort', interrupt);
    }
    if (signals.some(({ aborted }) => aborted)) interrupt();
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
