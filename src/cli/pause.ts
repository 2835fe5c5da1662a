import { SystemClock } from '../base/clock.ts';

/** Resolves after some milliseconds, or when a signal aborts. */
export function pause(ms: number, stopped?: AbortSignal): Promise<void> {
  if (stopped?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      timer.cancel();
      stopped?.removeEventListener('abort', done);
      resolve();
    };
    const timer = new SystemClock().after(ms, done);
    stopped?.addEventListener('abort', done);
  });
}
