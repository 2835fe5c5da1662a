import { nap, now } from '../../support/time.ts';

const EVERY_MS = 20;
/** Less than the least time that a node has to answer in a run, which is a quarter of its nodeTimeout of 250 ms. */
const STALL_MS = 40;

/** A time in which a process did not come to run. */
export interface Stall {
  readonly from: number;
  readonly to: number;
}

/** Who is stopped, or waits for a processor, can't blame the nodes for what it missed. */
export async function watchStalls(note: (stall: Stall) => void, stop: AbortSignal): Promise<void> {
  let last = now();
  while (!stop.aborted) {
    await nap(EVERY_MS, stop);
    const at = now();
    if (at - last - EVERY_MS > STALL_MS) note({ from: last, to: at });
    last = at;
  }
}
