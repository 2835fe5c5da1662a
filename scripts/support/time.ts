import { setTimeout as delay } from 'node:timers/promises';

/**
 * Milliseconds on a clock that all processes of this host share, so that moments in different processes can be
 * compared: on Linux `hrtime` reads CLOCK_MONOTONIC, on macOS the mach clock, both counted from the host's boot.
 * `performance.now()` would count from each process's own start.
 */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Resolves after that time, or at once when the signal aborts. */
export async function nap(durationMs: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(Math.max(0, durationMs), undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}
