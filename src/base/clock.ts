import { platform } from './platform.ts';

/** A pending callback that can be cancelled. Cancelling twice, or after it ran, does nothing. */
export interface Timer {
  cancel(): void;
}

/** The time, as the library knows it. The default is {@link SystemClock}; a test or a simulation passes its own. */
export interface Clock {
  /** Milliseconds on a clock that never steps, with fractions. Only differences mean anything. */
  monotonic(): number;
  /** Milliseconds since the Unix epoch. May step in either direction. */
  wall(): number;
  /** Milliseconds since the host booted, with fractions: as monotonic, but suspended time counts too, once noticed. */
  uptime(): number;
  /**
   * Runs `callback` once, no sooner than `delayMs` from now. Input that had already arrived is handled before it. So
   * a stall of this process is not held against a node whose answer waits in the socket. Any finite or infinite delay
   * is valid; an infinite one never fires.
   *
   * @param options.keepAlive whether the timer alone keeps the process running (default true)
   */
  after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer;
}

/** The longest delay that Node's timers take; a longer one would fire at once. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** The uptime is read again only this often, since reading it costs microseconds, or when the wall clock moved. */
const UPTIME_REFRESH_MS = 1_000;

/** The kernel reports uptime in hundredths of a second; a smaller gap between two clocks is rounding. */
const UPTIME_ROUNDING_MS = 25;

/** How far wall and monotonic clock may part between two readings before a suspend is suspected. */
const WALL_STEP_MS = 5;

/** How far the host's uptime is ahead of the monotonic clock, from least to most; undefined: unknown. */
function readUptimeAhead(): { readonly least: number; readonly most: number } | undefined {
  try {
    const before = platform.monotonicMs();
    const uptime = platform.uptimeSeconds() * 1_000;
    // This process may be stopped between any two readings.
    const ahead = { least: uptime - platform.monotonicMs(), most: uptime - before };
    return Number.isFinite(uptime) ? ahead : undefined;
  } catch {
    return undefined;
  }
}

/** The clocks and timers of this process. */
export class SystemClock implements Clock {
  /** How much longer the host has been up than the monotonic clock ran: the time it was suspended. */
  #suspendedMs = 0;
  #isUptimeKnown: boolean;
  /** How far the uptime was ahead when it was first known. */
  #uptimeAheadMs: number | undefined;
  #uptimeReadAt = platform.monotonicMs();
  #wallAheadMs = platform.wallMs() - platform.monotonicMs();

  constructor() {
    this.#uptimeAheadMs = readUptimeAhead()?.most;
    this.#isUptimeKnown = this.#uptimeAheadMs !== undefined;
  }

  monotonic(): number {
    return platform.monotonicMs();
  }

  wall(): number {
    return platform.wallMs();
  }

  /** NaN while the host does not tell. */
  uptime(): number {
    return this.uptimeAt(platform.monotonicMs(), platform.wallMs());
  }

  /** The uptime at the moment of these readings of the two others. */
  uptimeAt(now: number, wall: number): number {
    const wallAheadMs = wall - now;
    const wallMoved = Math.abs(wallAheadMs - this.#wallAheadMs) > WALL_STEP_MS;
    if (wallMoved || now - this.#uptimeReadAt > UPTIME_REFRESH_MS) {
      this.#readUptime();
      this.#uptimeReadAt = now;
      this.#wallAheadMs = wallAheadMs;
    }
    return this.#isUptimeKnown ? now + this.#suspendedMs : Number.NaN;
  }

  after(delayMs: number, callback: () => void, options: { readonly keepAlive?: boolean } = {}): Timer {
    return new SystemTimer(delayMs, callback, options.keepAlive ?? true);
  }

  #readUptime(): void {
    const ahead = readUptimeAhead();
    this.#isUptimeKnown = ahead !== undefined;
    if (ahead === undefined) return;
    this.#uptimeAheadMs ??= ahead.most;
    const gapMs = ahead.least - this.#uptimeAheadMs;
    if (gapMs - this.#suspendedMs > UPTIME_ROUNDING_MS) this.#suspendedMs = gapMs;
  }
}

/** Node's timers count whole milliseconds, and come up to one of them too early. */
const TIMER_PRECISION_MS = 1;

class SystemTimer implements Timer {
  #timeout: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  readonly #dueAtMs: number;
  readonly #callback: () => void;
  readonly #keepAlive: boolean;

  constructor(delayMs: number, callback: () => void, keepAlive: boolean) {
    this.#dueAtMs = platform.monotonicMs() + Math.max(0, delayMs);
    this.#callback = callback;
    this.#keepAlive = keepAlive;
    this.#sleep(Math.max(0, delayMs));
  }

  cancel(): void {
    platform.clearTimeout(this.#timeout);
    platform.clearImmediate(this.#immediate);
  }

  /** A delay beyond the range of Node's timers is slept in stretches. */
  #sleep(ms: number): void {
    const stretchMs = Math.min(ms, LONGEST_TIMEOUT_MS);
    this.#timeout = platform.setTimeout(() => this.#wake(ms - stretchMs), Math.ceil(stretchMs));
    if (!this.#keepAlive) this.#timeout.unref();
  }

  #wake(restMs: number): void {
    const earlyMs = this.#dueAtMs - platform.monotonicMs();
    // A clock that says more than a timer can be wrong by is not believed.
    const leftMs = restMs > 0 || earlyMs >= TIMER_PRECISION_MS ? restMs : earlyMs;
    if (leftMs > 0) {
      this.#sleep(leftMs);
      return;
    }
    // Timers run before the poll phase, immediates after it. An unref'd immediate would let that phase wait for the
    // next event.
    this.#immediate = platform.setImmediate(this.#callback);
  }
}
