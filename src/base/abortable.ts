import { type AbortSignalLike, reasonOf } from './abort-signal.ts';
import { onAbort } from './on-abort.ts';

/**
 * Waits for `work` unless one of the signals aborts first; then rejects at once with that signal's own reason.
 *
 * @param abandoned gets the result of `work` after an abort
 */
export function abortable<Result>(
  work: Promise<Result>,
  signals: readonly AbortSignalLike[],
  abandoned: (result: Result) => void,
): Promise<Result> {
  return new Promise((resolve, reject) => {
    let interrupted = false;
    const interrupt = () => {
      interrupted = true;
      stop();
      const aborted = signals.find((signal) => signal.aborted);
      reject(aborted && reasonOf(aborted));
    };
    const stops = signals.map((signal) => onAbort(signal, interrupt));
    const stop = () => {
      for (const stopListening of stops) stopListening();
    };
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
