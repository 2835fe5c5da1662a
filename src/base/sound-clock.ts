/*
 * A lock is as safe as the clock that counts its validity. The naive answer is the wall clock, which is set back, or
 * the monotonic one, which stands still while the host sleeps. So all clocks are read, and the one on which most time
 * has passed counts. A clock that can't be read, or disagrees with the others, is reported.
 */

import { type Clock, type Instant, type LeapListener, Leaps, type Timer } from './clock.ts';
import { messageOf } from './describe.ts';
import { platform } from './platform.ts';
import type { RedlockWarning } from './warning.ts';

/** The clocks are compared with each other this often, as long as none jumps: every look at a lock reads them. */
const COMPARE_EVERY_MS = 50;

/** By how much they may part from one comparison to the next without a warning, whatever the time in between, … */
const STEP_MS = 100;

/** … and by which share of it: clocks are slewed, and more slowly than that. */
const SLEW = 0.01;

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
  readonly #clock: Clock;
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

  /** This moment by all of them: each clock is read once, which an acquisition does often. */
  instant(): Instant {
    const monotonic = this.monotonic();
    const wall = this.#orAsBefore('wall', monotonic);
    const uptime = this.#orAsBefore('uptime', monotonic);
    this.#mostAhead ??= uptime - monotonic;
    // The process may have been stopped between its readings: that is no suspend of the host.
    if (uptime - monotonic > this.#mostAhead)
      this.#mostAhead = Math.max(this.#mostAhead, uptime - this.monotonic());
    if (this.#isDue(monotonic, wall, uptime)) this.#compare({ monotonic, wall, uptime });
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

  /** Whether the clocks are to be compared: now and then, and as soon as one has jumped. */
  #isDue(monotonic: number, wall: number, uptime: number): boolean {
    if (this.#compared === undefined) return true;
    const passedMs = monotonic - this.#compared.monotonic;
    return (
      passedMs >= COMPARE_EVERY_MS ||
      Math.abs(wall - this.#compared.wall - passedMs) > STEP_MS ||
      Math.abs(uptime - this.#compared.uptime - passedMs) > STEP_MS
    );
  }

  #orAsBefore(which: 'wall' | 'uptime', monotonic: number): number {
    const now = this.#read(which);
    if (now === undefined) return monotonic + this.#ahead[which];
    this.#ahead[which] = now - monotonic;
    return now;
  }

  /** Undefined, with a warning, for a clock that can't be read. */
  #read(which: Which): number | undefined {
    let why: string;
    try {
      const now = this.#clock[which]();
      // No clock counts that many milliseconds; doubles could not tell one of them from the next.
      if (Number.isFinite(now) && Math.abs(now) < 1e14) return now;
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
    const isFar = (ms: number) => Math.abs(ms) > STEP_MS + SLEW * passedMs;
    // The host was suspended: on Linux its monotonic clock did not count, the two others did.
    if (!isFar(uptimeMs - wallMs)) return;
    if (isFar(uptimeMs)) this.#tellOfJump('uptime', uptimeMs, passedMs);
    if (isFar(wallMs)) this.#tellOfJump('wall', wallMs, passedMs);
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
