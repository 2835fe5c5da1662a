import { SystemClock, type Timer } from '../../src/base/clock.ts';

/** The process's clocks, with a wall clock that can be set wrong. */
export class WrongWallClock extends SystemClock {
  offsetMs = 0;

  override wall(): number {
    return super.wall() + this.offsetMs;
  }
}

/** The process's clocks, and a count of the timers that neither ran nor were cancelled. */
export class CountingClock extends SystemClock {
  readonly #pending = new Set<Timer>();

  get pendingTimers(): number {
    return this.#pending.size;
  }

  override after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer {
    const inner = super.after(
      delayMs,
      () => {
        this.#pending.delete(timer);
        callback();
      },
      options,
    );
    const timer: Timer = {
      cancel: () => {
        this.#pending.delete(timer);
        inner.cancel();
      },
    };
    this.#pending.add(timer);
    return timer;
  }
}

/** Keeps this process from doing anything at all, as a long garbage collection or a SIGSTOP would. */
export function stallProcess(forMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, forMs);
}
