import type { Clock, Timer } from '../base/clock.ts';
import { ClockFace } from './clock-face.ts';
import { type Event, Timeline, Turn } from './timeline.ts';

/** The times of a machine's clocks at the beginning: far apart, so that one that is taken for another shows. */
const FIRST_MONOTONIC_MS = 5_000;
const FIRST_UPTIME_MS = 900_000;
const FIRST_WALL_MS = Date.UTC(2030, 0, 1);

/** The errors of a machine's clocks. */
export interface ClockErrors {
  /** How fast all of them run, above 0; 1 (the default) is true. The wall clock may be given another rate later. */
  readonly rate?: number;
  /** How far the wall clock is ahead at the beginning, in milliseconds. Default 0. */
  readonly wallOffsetMs?: number;
}

/** A timer that is due but for the rounding of a double is due. */
const ROUNDING_MS = 1e-6;

/**
 * The clocks and timers of one simulated machine. Time passes only when a test says so, and takes none.
 *
 * A machine *runs*, or *stands still* between {@link freeze} and {@link thaw}: then nothing happens on it. Input, and
 * timers that fall due, wait meanwhile; input is handled first, as a real process does it.
 */
export class VirtualClock implements Clock {
  readonly timeline: Timeline;
  /** How fast its clocks run; 1 is true. */
  readonly rate: number;
  readonly #monotonic: ClockFace;
  readonly #uptime: ClockFace;
  readonly #wall: ClockFace;
  #pendingTimers = 0;
  #missed: { readonly turn: Turn; readonly happen: () => void }[] | undefined;

  /** @param timeline shared by all machines of one world */
  constructor(timeline: Timeline = new Timeline(), { rate = 1, wallOffsetMs = 0 }: ClockErrors = {}) {
    this.timeline = timeline;
    this.rate = rate;
    this.#monotonic = new ClockFace(timeline, FIRST_MONOTONIC_MS, rate);
    this.#uptime = new ClockFace(timeline, FIRST_UPTIME_MS, rate);
    this.#wall = new ClockFace(timeline, FIRST_WALL_MS + wallOffsetMs, rate);
  }

  monotonic(): number {
    return this.#monotonic.read();
  }

  /** In whole milliseconds, as Date.now() has it. */
  wall(): number {
    return Math.floor(this.#wall.read());
  }

  uptime(): number {
    return this.#uptime.read();
  }

  after(delayMs: number, callback: () => void): Timer {
    this.#pendingTimers += 1;
    return new VirtualTimer(this, this.monotonic() + Math.max(0, delayMs), callback, this.#timerIsOver);
  }

  /** Has a timer fall due, `delayMs` from now by the clocks of this machine. */
  fallDue(delayMs: number, happen: () => void): Event {
    return this.#happenIn(delayMs / this.rate, Turn.timer, happen);
  }

  /** Schedules input from outside, `delayMs` of true time from now. */
  arrive(delayMs: number, happen: () => void): Event {
    return this.#happenIn(delayMs, Turn.input, happen);
  }

  /** The number of pending timers, including those with an infinite delay. */
  get pendingTimers(): number {
    return this.#pendingTimers;
  }

  /** Lets this much time pass, with all events that are due in it. */
  advance(ms: number): Promise<void> {
    return this.timeline.advance(ms);
  }

  /** Lets time pass until the promise has settled, and no further. Returns its result. */
  runUntil<Result>(promise: PromiseLike<Result>, withinMs?: number): Promise<Result> {
    return this.timeline.runUntil(promise, withinMs);
  }

  /** Lets time pass until no event is left. */
  runAll(withinMs?: number): Promise<void> {
    return this.timeline.runAll(withinMs);
  }

  /** Sets the wall clock forward, or backward by a negative number. */
  stepWall(ms: number): void {
    this.#wall.step(ms);
  }

  /** Has the uptime of the host jump ahead, though it was not suspended: its source is wrong. */
  stepUptime(ms: number): void {
    this.#uptime.step(ms);
  }

  /** How fast the wall clock runs; 0 stands still. */
  get wallRate(): number {
    return this.#wall.rate;
  }

  set wallRate(rate: number) {
    this.#wall.rate = rate;
  }

  /**
   * Stops the process for this long: its clocks go on, and the rest of the world too. On return nothing has happened
   * here yet, so that a test sees what the first line after the pause would see.
   */
  async pause(ms: number): Promise<void> {
    this.freeze();
    await this.advance(ms);
    this.thaw();
  }

  /** As {@link pause}, of the whole host: its monotonic clock stands still, wall clock and uptime go on. */
  async suspend(ms: number): Promise<void> {
    this.fallAsleep();
    await this.advance(ms);
    this.wakeUp();
  }

  /** The host is suspended: nothing happens on it, and its monotonic clock stands still. */
  fallAsleep(): void {
    this.#monotonic.rate = 0;
    this.freeze();
  }

  wakeUp(): void {
    this.#monotonic.rate = this.rate;
    this.thaw();
  }

  /** From now on nothing happens on this machine. */
  freeze(): void {
    this.#missed ??= [];
  }

  /** The machine runs again; what it missed happens when time passes next. */
  thaw(): void {
    const missed = this.#missed ?? [];
    this.#missed = undefined;
    for (const { turn, happen } of missed) this.#happenIn(0, turn, happen);
  }

  readonly #timerIsOver = (): void => {
    this.#pendingTimers -= 1;
  };

  #happenIn(delayMs: number, turn: Turn, happen: () => void): Event {
    return this.timeline.in(delayMs, turn, () => {
      if (this.#missed === undefined) happen();
      else this.#missed.push({ turn, happen });
    });
  }
}

class VirtualTimer implements Timer {
  readonly #clock: VirtualClock;
  readonly #dueMs: number;
  readonly #over: () => void;
  /** Undefined once it has run or was cancelled. */
  #callback: (() => void) | undefined;
  #event: Event;

  constructor(clock: VirtualClock, dueMs: number, callback: () => void, over: () => void) {
    this.#clock = clock;
    this.#dueMs = dueMs;
    this.#callback = callback;
    this.#over = over;
    this.#event = this.#wait();
  }

  cancel(): void {
    if (this.#callback === undefined) return;
    this.#callback = undefined;
    this.#event.cancel();
    this.#over();
  }

  #wait(): Event {
    return this.#clock.fallDue(this.#dueMs - this.#clock.monotonic(), () => this.#look());
  }

  #look(): void {
    const callback = this.#callback;
    if (callback === undefined) return;
    if (this.#dueMs - this.#clock.monotonic() > ROUNDING_MS) {
      // The machine slept, and its monotonic clock with it.
      this.#event = this.#wait();
      return;
    }
    this.cancel();
    callback();
  }
}
