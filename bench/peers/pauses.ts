import { setTimeout as delay } from 'node:timers/promises';

/** The shortest and the longest pause between two tries of `tuned` settings, in milliseconds. */
export const SHORTEST_PAUSE_MS = 5;
export const LONGEST_PAUSE_MS = 10;

/** A pause in between, drawn anew for every call. */
export function tunedPauseMs(): number {
  return SHORTEST_PAUSE_MS + Math.random() * (LONGEST_PAUSE_MS - SHORTEST_PAUSE_MS);
}

/**
 * Tries until it succeeds, with pauses: for libraries whose own retries have no jitter, or keep what a try got of the
 * nodes until the last one.
 */
export async function untilGranted<Result>(tryOnce: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await tryOnce();
    } catch {
      await delay(tunedPauseMs());
    }
  }
}
