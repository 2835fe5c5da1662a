import type { Clock, Timer } from '../base/clock.ts';
import { onAbort } from '../base/on-abort.ts';

/** A time that may end sooner, or later, than it seems. */
interface Span {
  readonly clock: Clock;
  /** The milliseconds that are left, for all that is known; 0: it is over. */
  leftMs(): number;
  /** It may have become shorter when this aborts, … */
  readonly closing: AbortSignal;
  /** … or when this calls its listener. */
  onRelease(look: () => void): void;
}

/** Resolves when nothing is left of it. Leaves neither a timer nor a listener behind. */
export function untilOver({ clock, leftMs, closing, onRelease }: Span): Promise<void> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    const look = () => {
      timer?.cancel();
      const restMs = leftMs();
      if (restMs > 0) {
        timer = clock.after(restMs, look, { keepAlive: false });
        return;
      }
      stopListening();
      resolve();
    };
    const stopListening = onAbort(closing, look);
    onRelease(look);
    look();
  });
}
