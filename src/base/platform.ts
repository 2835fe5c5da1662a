import { hostname, uptime } from 'node:os';
import { performance } from 'node:perf_hooks';
import { pid } from 'node:process';
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers';

/**
 * The timers, clocks and names of the platform, taken once, when the library is imported. A test that replaces them later
 * (fake timers of vitest, Jest or sinon) changes the time of its own program only. The locks' keys live on real
 * servers, in real time. The timers come from Node's modules. An environment like jsdom replaces the globals by a
 * browser's, which has no setImmediate, and timers that can't be unref'd.
 */
export const platform = {
  setTimeout,
  clearTimeout,
  setImmediate,
  clearImmediate,
  queueMicrotask,
  monotonicMs: performance.now.bind(performance),
  /** The same clock from a beginning that all processes of this host have in common. */
  hostMs: () => Number(process.hrtime.bigint()) / 1e6,
  /** Milliseconds since the Unix epoch. */
  wallMs: Date.now,
  /** Seconds since the host booted; throws where the system refuses to tell. */
  uptimeSeconds: uptime,
  /** The host's name; throws where the system refuses to tell. */
  hostName: hostname,
  processId: pid,
} as const;
