/*
 * A lock is as safe as the clock that counts its validity. The naive answer is the wall clock, which is set back, or
 * the monotonic one, which stands still while the host sleeps. So all clocks are read, and the one on which most time
 * has passed counts. A clock that can't be read, or disagrees with the others, is reported.
 */

import type { Clock, Timer } from './clock.ts';
import { messageOf } from './describe.ts';
import { platform } from './platform.ts';
import type { RedlockWarning } from './warning.ts';

/** The clocks of the host, which one that reads several of them asks for the uptime at a moment. */
interface HostClock extends Clock {
  uptimeAt?(monotonicMs: number, wallMs: number): number;
}

/** Hears when nodes have shown that more time has passed than this machine's clocks know of. */
export interface LeapListener {
  leapt(): void;
}

/** The clocks of this machine, and the nodes' evidence against them, if any. */
interface WitnessedClock extends Clock {
  /** This moment, by all of them. */
  instant?(): Instant;
  /** Tells `listener` soon after each leap, until {@link offLeap}. */
  onLeap?(listener: LeapListener): void;
  offLeap?(listener: LeapListener): void;
}

/** One moment, by every clock of this machine, and by the nodes. */
export interface Instant {
  readonly monotonic: number;
  readonly wall: number;
  readonly uptime: number;
  readonly leaps?: Leaps | undefined;
}

export function instant(clock: WitnessedClock): Instant {
  return clock.instant?.() ?? { monotonic: clock.monotonic(), wall: clock.wall(), uptime: clock.uptime() };
}

/**
 * Milliseconds since `start`: the largest of what the three clocks say, and a majority of the nodes, never negative.
 * On Linux the monotonic clock stands still while the host sleeps, and the wall clock may be set back meanwhile. A
 * host that was stopped from outside may have no clock that counted. With the largest, a clock that stops or jumps
 * can only shorten what is left of a lock.
 */
export function elapsedMs(clock: WitnessedClock, start: Instant): number {
  const now = instant(clock);
  // Each look at a lock comes here, and hardly any of them after a leap.
  const leaptMs = now.leaps === start.leaps ? 0 : ((start.leaps && now.leaps?.sinceMs(start.leaps)) ?? 0);
  return Math.max(
    0,
    now.monotonic - start.monotonic,
    now.wall - start.wall,
    now.uptime - start.uptime + leaptMs,
  );
}

/**
 * Runs `callback` once after `delayMs`, or as soon as nodes have shown that this time has passed. Keeps no process
 * running.
 */
export function afterElapsed(clock: WitnessedClock, delayMs: number, callback: () => void): Timer {
  return new ElapsedTimer(clock, delayMs, callback);
}

/** There may be very many, so that this is a class: functions of their own would take as much memory as the rest. */
class ElapsedTimer implements Timer, LeapListener {
  readonly #clock: WitnessedClock;
  readonly #callback: () => void;
  readonly #timer: Timer;

  constructor(clock: WitnessedClock, delayMs: number, callback: () => void) {
    this.#clock = clock;
    this.#callback = callback;
    this.#timer = clock.after(delayMs, () => this.leapt(), UNREFERENCED);
    clock.onLeap?.(this);
  }

  cancel(): void {
    this.#timer.cancel();
    this.#clock.offLeap?.(this);
  }

  leapt(): void {
    this.cancel();
    this.#callback();
  }
}

const UNREFERENCED = { keepAlive: false } as const;

/** The clocks are compared with each other this often, as long as none jumps: every look at a lock reads them. */
const COMPARE_EVERY_MS = 50;

/** By how much they may part from one comparison to the next without a warning, whatever the time in between, … */
const STEP_MS = 100;

/** … and by which share of it: clocks are slewed, and more slowly than that. */
const SLEW = 0.01;

/** No clock counts that many milliseconds; doubles could not tell one of them from the next. */
const NO_TIME_MS = 1e14;

/** If reading the clocks takes longer the process was stopped in between, and the readings can't be compared. */
const LONGEST_READING_MS = 5;

/** The warning of a lasting fault is repeated, but no sooner than this. */
const REPEAT_MS = 60_000;

const NAMES = { monotonic: 'monotonic clock', wall: 'wall clock', uptime: 'uptime of the host' } as const;

type Which = keyof typeof NAMES;

/**
 * Time as far as locks depend on it. It goes by the clocks of this process, one of which may be wrong, and by those
 * of the nodes.
 *
 * A clock that can't be read is taken to run on as the monotonic clock does, so that it never hides what the others
 * say. If they disagree, the warning says that this process is at fault, and not a node.
 *
 * A host that was stopped from outside (a virtual machine that was paused, or restored from a snapshot) has no clock
 * that counted. Where the clocks of a majority of nodes were set forward, keys there have ended early. Either way the
 * nodes are right: keys expire by their clocks.
 */
export class SoundClock implements Clock {
  readonly #clock: HostClock;
  readonly #warn: (warning: RedlockWarning) => void;
  #monotonic = 0;
  /** How far wall clock and uptime were ahead of the monotonic clock when last read. */
  readonly #ahead = { wall: 0, uptime: 0 };
  /** How far the uptime was ahead at the most. One that falls behind is wrong, and would make all nodes look fast. */
  #mostAhead: number | undefined;
  #compared: { readonly monotonic: number; readonly wall: number; readonly uptime: number } | undefined;
  readonly #toldUntilMs = new Map<string, number>();
  readonly #listeners = new Set<LeapListener>();
  #leaps: Leaps;
  #isTelling = false;

  /** @param quorum how many nodes there are, and how many must show a time for it to have passed */
  constructor(
    clock: Clock,
    warn: (warning: RedlockWarning) => void,
    { nodes, quota }: { readonly nodes: number; readonly quota: number },
  ) {
    this.#clock = clock;
    this.#warn = warn;
    this.#leaps = new Leaps(new Array<number>(nodes).fill(0), quota);
  }

  monotonic(): number {
    const now = this.#read('monotonic');
    if (now !== undefined) this.#monotonic = now;
    return this.#monotonic;
  }

  wall(): number {
    return this.instant().wall;
  }

  uptime(): number {
    return this.instant().uptime;
  }

  /** This moment by all of them: each clock is read once. Every answer of a node comes here. */
  instant(): Instant {
    const clock = this.#clock;
    let monotonic = Number.NaN;
    let wall = Number.NaN;
    let uptime = Number.NaN;
    try {
      monotonic = clock.monotonic();
      wall = clock.wall();
      uptime = clock.uptimeAt === undefined ? clock.uptime() : clock.uptimeAt(monotonic, wall);
    } catch {
      // They are read once more, each by itself.
    }
    if (!(Math.abs(monotonic) < NO_TIME_MS && Math.abs(wall) < NO_TIME_MS && Math.abs(uptime) < NO_TIME_MS)) {
      monotonic = this.monotonic();
      wall = this.#orAsBefore('wall', monotonic);
      uptime = this.#orAsBefore('uptime', monotonic);
    }
    this.#monotonic = monotonic;
    this.#ahead.wall = wall - monotonic;
    this.#ahead.uptime = uptime - monotonic;
    this.#mostAhead ??= uptime - monotonic;
    // The process may have been stopped between its readings: that is no suspend of the host.
    if (uptime - monotonic > this.#mostAhead)
      this.#mostAhead = Math.max(this.#mostAhead, uptime - this.monotonic());
    const compared = this.#compared;
    const passedMs = compared === undefined ? COMPARE_EVERY_MS : monotonic - compared.monotonic;
    // They are compared now and then, and as soon as one has jumped.
    if (
      compared === undefined ||
      passedMs >= COMPARE_EVERY_MS ||
      Math.abs(wall - compared.wall - passedMs) > STEP_MS ||
      Math.abs(uptime - compared.uptime - passedMs) > STEP_MS
    ) {
      this.#compare({ monotonic, wall, uptime });
    }
    return { monotonic, wall, uptime: monotonic + this.#mostAhead, leaps: this.#leaps };
  }

  after(delayMs: number, callback: () => void, options?: { readonly keepAlive?: boolean }): Timer {
    return this.#clock.after(delayMs, callback, options);
  }

  /** Tells `listener`, soon, whenever a node's clock has leapt, until {@link offLeap}. */
  onLeap(listener: LeapListener): void {
    this.#listeners.add(listener);
  }

  offLeap(listener: LeapListener): void {
    this.#listeners.delete(listener);
  }

  /** A node's clock is at most `ms` ahead of what it should be by this machine's clocks. */
  leapt(node: number, ms: number): void {
    this.#leaps = this.#leaps.plus(node, ms);
    if (this.#isTelling) return;
    this.#isTelling = true;
    // The caller has read only the time of an answer yet, not the rest.
    platform.queueMicrotask(() => {
      this.#isTelling = false;
      for (const listener of [...this.#listeners]) listener.leapt();
    });
  }

  #orAsBefore(which: 'wall' | 'uptime', monotonic: number): number {
    return this.#read(which) ?? monotonic + this.#ahead[which];
  }

  /** Undefined, with a warning, for a clock that can't be read. */
  #read(which: Which): number | undefined {
    let why: string;
    try {
      const now = this.#clock[which]();
      if (Math.abs(now) < NO_TIME_MS) return now;
      why = `it says ${now}`;
    } catch (error) {
      why = messageOf(error);
    }
    this.#tell(
      `unreadable ${which}`,
      `the ${NAMES[which]} of this process can't be read (${why}). It goes by its other clocks: a time in which only this one ` +
        'would have counted is not taken off its locks. No node is to blame. Mend what replaces or forbids that clock',
    );
    return undefined;
  }

  #compare(now: { readonly monotonic: number; readonly wall: number; readonly uptime: number }): void {
    if (this.monotonic() - now.monotonic > LONGEST_READING_MS) return;
    const before = this.#compared;
    this.#compared = now;
    if (before === undefined) return;
    const passedMs = now.monotonic - before.monotonic;
    const uptimeMs = now.uptime - before.uptime - passedMs;
    const wallMs = now.wall - before.wall - passedMs;
    const mostMs = STEP_MS + SLEW * passedMs;
    // The host was suspended: on Linux its monotonic clock did not count, the two others did.
    if (Math.abs(uptimeMs - wallMs) <= mostMs) return;
    if (Math.abs(uptimeMs) > mostMs) this.#tellOfJump('uptime', uptimeMs, passedMs);
    if (Math.abs(wallMs) > mostMs) this.#tellOfJump('wall', wallMs, passedMs);
  }

  #tellOfJump(which: 'wall' | 'uptime', byMs: number, passedMs: number): void {
    const how = byMs > 0 ? 'ahead of' : 'behind';
    const effect = byMs > 0 ? 'Locks that are held end that much sooner' : 'No lock lives longer for it';
    this.#tell(
      `jump of ${which}`,
      `the ${NAMES[which]} went ${Math.round(Math.abs(byMs))} ms ${how} the other clocks of this process within ` +
        `${Math.round(passedMs)} ms. ${effect}. No node is to blame. Have the clock of this host slewed, not stepped`,
    );
  }

  #tell(what: string, message: string): void {
    const nowMs = this.#monotonic;
    if (nowMs < (this.#toldUntilMs.get(what) ?? Number.NEGATIVE_INFINITY)) return;
    this.#toldUntilMs.set(what, nowMs + REPEAT_MS);
    this.#warn({ code: 'QUORLOCK_OWN_CLOCK', message });
  }
}

/**
 * How far each of several clocks has leapt ahead of this machine's since it was first read, all its leaps added up.
 * Never changes: a lock keeps the one of the moment of its request, and compares.
 */
export class Leaps {
  readonly #byClock: readonly number[];
  readonly #quota: number;

  /** @param quota how many clocks must show a time for it to have passed */
  constructor(byClock: readonly number[], quota: number) {
    this.#byClock = byClock;
    this.#quota = quota;
  }

  /** With one more leap of one clock. */
  plus(clock: number, ms: number): Leaps {
    return new Leaps(
      this.#byClock.map((leaptMs, index) => (index === clock ? leaptMs + ms : leaptMs)),
      this.#quota,
    );
  }

  /** The number of milliseconds that at least a quota of the clocks have leapt since an earlier moment. */
  sinceMs(earlier: Leaps): number {
    const differences = this.#byClock.map((leaptMs, index) => leaptMs - (earlier.#byClock[index] ?? 0));
    return differences.sort((a, b) => b - a)[this.#quota - 1] ?? 0;
  }
}
