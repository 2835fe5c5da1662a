import type { Timer } from '../../src/base/clock.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** The clock of a process that would end if nothing kept it alive. */
export class ProcessClock extends VirtualClock {
  #keeping = 0;

  /** Whether a timer keeps the process from ending. */
  get isKeptAlive(): boolean {
    return this.#keeping > 0;
  }

  override after(
    delayMs: number,
    callback: () => void,
    { keepAlive = true }: { readonly keepAlive?: boolean } = {},
  ): Timer {
    if (!keepAlive) return super.after(delayMs, callback);
    let isOver = false;
    const end = () => {
      if (!isOver) this.#keeping -= 1;
      isOver = true;
    };
    this.#keeping += 1;
    const timer = super.after(delayMs, () => {
      end();
      callback();
    });
    return {
      cancel: () => {
        end();
        timer.cancel();
      },
    };
  }
}
