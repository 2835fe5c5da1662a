import { uptime as osUptime } from 'node:os';

/** A pending callback that can be taken back. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Everything the library knows of time. The default is {@link SystemClock}; a test or a simulation hands in
 * its own and so decides what time it is.
 */
export interface Clock {
  /** Milliseconds on a clock that never steps, with fractions. Only differences mean anything. */
  monotonic(): number;
  /** Milliseconds since the Unix epoch. May step in either direction. */
  wall(): number;
  /**
   * Milliseconds since the host booted, with fractions: as monotonic, but the time that the host was suspended
   * counts too, as soon as that is noticed.
   */
  uptime(): number;
  /**
   * Runs `callback` once, no sooner than `delayMs` from now and after input that had already arrived was
   * handled: a stall of this process is not held against a node whose answer is waiting in the socket.
   * Any finite or infinite delay is valid; an infinite one never fires.
   *
   * @param options.keepAlive whether the timer alone keeps the process running (default true)
   */
  after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer;
}

/** One moment, as every clock of this machine saw it. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
  readonly uptime: number;
}

export function instant(clock: Clock): Instant {
  return { monotonic: clock.monotonic(), wall: clock.wall(), uptime: clock.uptime() };
}

/**
 * Milliseconds since `start`: the largest of what the three clocks say, never negative. On Linux the
 * monotonic clock stands still while the host sleeps and the wall clock may be set back meanwhile; taking the
 * largest means that a clock that stops or jumps can only shorten what is left of a lock.
 */
export function elapsedMs(clock: Clock, start: Instant): number {
  return Math.max(
    0,
    clock.monotonic() - start.monotonic,
    clock.wall() - start.wall,
    clock.uptime() - start.uptime,
  );
}

/** The longest delay that Node's timers take; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** Reading the uptime costs microseconds, so it is read anew only this often, or when the wall clock moved. */
const UPTIME_REFRESH_MS = 1_000;

/** The kernel reports uptime in hundredths of a second; a smaller gap between two clocks is rounding. */
const UPTIME_ROUNDING_MS = 25;

/** How far wall and monotonic clock may part between two readings before a suspend is suspected. */
const WALL_STEP_MS = 5;

/** How far the host's uptime is ahead of the monotonic clock, at the least and at the most. */
function readUptimeAhead(): { readonly least: number; readonly most: number } {
  const before = performance.now();
  const uptime = osUptime() * 1_000;
  // This process may be stopped between any two readings.
  return { least: uptime - performance.now(), most: uptime - before };
}

/** The clocks and timers of this process. */
export class SystemClock implements Clock {
  /** How much longer the host has been up than the monotonic clock ran: the time it was suspended. */
  #suspendedMs = 0;
  readonly #uptimeAheadMs = readUptimeAhead().most;
  #uptimeReadAt = performance.now();
  #wallAheadMs = Date.now() - performance.now();

  monotonic(): number {
    return performance.now();
  }

  wall(): number {
    return Date.now();
  }

  uptime(): number {
    const now = performance.now();
    const wallAheadMs = Date.now() - now;
    const wallMoved = Math.abs(wallAheadMs - this.#wallAheadMs) > WALL_STEP_MS;
    if (wallMoved || now - this.#uptimeReadAt > UPTIME_REFRESH_MS) {
      const gapMs = readUptimeAhead().least - this.#uptimeAheadMs;
      if (gapMs - this.#suspendedMs > UPTIME_ROUNDING_MS) this.#suspendedMs = gapMs;
      this.#uptimeReadAt = now;
      this.#wallAheadMs = wallAheadMs;
    }
    return now + this.#suspendedMs;
  }

  after(delayMs: number, callback: () => void, options: { readonly keepAlive?: boolean } = {}): Timer {
    return new SystemTimer(delayMs, callback, options.keepAlive ?? true);
  }
}

class SystemTimer implements Timer {
  #timeout: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #remainingMs: number;
  readonly #callback: () => void;
  readonly #keepAlive: boolean;

  constructor(delayMs: number, callback: () => void, keepAlive: boolean) {
    this.#remainingMs = Math.max(0, delayMs);
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#sleep();
  }

  cancel(): void {
    clearTimeout(this.#timeout);
    clearImmediate(this.#immediate);
  }

  /** A delay beyond the range of Node's timers is slept in stretches. */
  #sleep(): void {
    const stretchMs = Math.min(this.#remainingMs, LONGEST_TIMEOUT_MS);
    this.#remainingMs -= stretchMs;
    this.#timeout = setTimeout(() => this.#wake(), Math.ceil(stretchMs));
    if (!this.#keepAlive) this.#timeout.unref();
  }

  #wake(): void {
    if (this.#remainingMs > 0) {
      this.#sleep();
      return;
    }
    // Timers run before the poll phase, immediates after it. One that is unref'd would let that phase wait for whatever
    // comes next.
    this.#immediate = setImmediate(this.#callback);
  }
}
