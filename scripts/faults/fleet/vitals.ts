import { setTimeout as delay } from 'node:timers/promises';
import type { Vitals } from '../record.ts';

/** Long, for a machine that is busy: only what stays takes it all. */
const GONE_WITHIN_MS = 10_000;

/** What this process has in use now. It has to run with `--expose-gc`: garbage is no leak. */
export function vitals(): Vitals {
  globalThis.gc?.();
  const inUse = process.getActiveResourcesInfo();
  const count = (name: string) => inUse.filter((each) => each === name).length;
  return {
    heapBytes: process.memoryUsage().heapUsed,
    sockets: count('TCPSocketWrap'),
    timers: count('Timeout'),
  };
}

/** Sockets and timers that are still there after everything was closed; a socket's end takes a moment. */
export async function leftovers(): Promise<readonly string[]> {
  const deadline = performance.now() + GONE_WITHIN_MS;
  for (;;) {
    const left = process.getActiveResourcesInfo().filter((name) => /^TCP|^Timeout/.test(name));
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(20, undefined, { ref: false });
  }
}
