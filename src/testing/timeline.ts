import { platform } from '../base/platform.ts';
/** Something that is going to happen, and can be cancelled until then. */
export interface Event {
  cancel(): void;
}

/** The order of events of the same moment. */
export const Turn = {
  /** Events outside of all programs, on the network and in servers. They must not run any program's code. */
  outside: 0,
  /** Input from outside: a process handles its sockets before its timers. */
  input: 1,
  timer: 2,
} as const;
export type Turn = (typeof Turn)[keyof typeof Turn];

class Entry implements Event {
  readonly atMs: number;
  readonly turn: Turn;
  readonly order: number;
  readonly #cancelled: () => void;
  /** Undefined once it has happened or was cancelled: it may stay in the queue, but holds on to nothing. */
  happen: (() => void) | undefined;

  constructor(atMs: number, turn: Turn, order: number, happen: () => void, cancelled: () => void) {
    this.atMs = atMs;
    this.turn = turn;
    this.order = order;
    this.happen = happen;
    this.#cancelled = cancelled;
  }

  get isOver(): boolean {
    return this.happen === undefined;
  }

  cancel(): void {
    if (this.isOver) return;
    this.happen = undefined;
    this.#cancelled();
  }
}

/** Far more than any test needs; a longer wait is one that never ends. */
const LONGEST_RUN_MS = 24 * 3_600_000;

/** Turns of Node's event loop that are requested at once: each alone costs a look at all sockets. */
const LOOP_TURNS = 64;

/** Cancelled events may wait in the queue for their moment, but not more of them than this beside the live ones. */
const CANCELLED_AT_MOST = 256;

/**
 * The true time of a simulated world, in milliseconds, and its events to come. Nothing happens but inside
 * {@link advance}, {@link runUntil} and {@link runAll}. The order is always the same: by time, then input before
 * timers, then in the order of the requests. Every promise callback has run before the next event happens.
 *
 * The machines of a world share one timeline, and each has clocks of its own on it, which may show another time.
 */
export class Timeline {
  #nowMs = 0;
  #made = 0;
  #cancelled = 0;
  #queue: Entry[] = [];
  #isRunning = false;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Has something happen `delayMs` from now, in true time. An infinite delay never ends. */
  in(delayMs: number, turn: Turn, happen: () => void): Event {
    const atMs = this.#nowMs + Math.max(0, delayMs);
    const entry = new Entry(atMs, turn, this.#made, happen, this.#noteCancelled);
    this.#made += 1;
    if (atMs !== Number.POSITIVE_INFINITY) push(this.#queue, entry);
    return entry;
  }

  /** Lets this much time pass, with all events that are due in it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.#run(untilMs);
    this.#nowMs = untilMs;
  }

  /**
   * Lets time pass until the promise has settled, and no further. Returns its result.
   *
   * @throws {Error} it can't settle any more, or did not within `withinMs`
   */
  async runUntil<Result>(promise: PromiseLike<Result>, withinMs = LONGEST_RUN_MS): Promise<Result> {
    const untilMs = this.#nowMs + withinMs;
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.#run(untilMs, () => isSettled);
    if (!isSettled) {
      const why =
        this.#nextMs() === Number.POSITIVE_INFINITY ? 'nothing is left to happen' : `${withinMs} ms passed`;
      throw new Error(`the promise has not settled: ${why}`);
    }
    return promise;
  }

  /**
   * Lets time pass until no event is left.
   *
   * @throws {Error} there was still one after `withinMs`
   */
  async runAll(withinMs = LONGEST_RUN_MS): Promise<void> {
    const untilMs = this.#nowMs + withinMs;
    await this.#run(untilMs);
    if (this.#nextMs() !== Number.POSITIVE_INFINITY) {
      throw new Error(`something is still going to happen after ${withinMs} ms`);
    }
  }

  /**
   * Runs one event after the other, up to a moment or until `isOver`. Node runs every promise callback, including those
   * that callbacks request, before the next immediate, however many there are; so each immediate is one step.
   */
  #run(untilMs: number, isOver = () => false): Promise<void> {
    if (this.#isRunning) throw new Error('time passes already: await the call that lets it');
    this.#isRunning = true;
    return new Promise((resolve, reject) => {
      let turns: NodeJS.Immediate[] = [];
      const finish = (settle: () => void) => {
        for (const turn of turns) platform.clearImmediate(turn);
        this.#isRunning = false;
        settle();
      };
      const ask = () => {
        turns = Array.from({ length: LOOP_TURNS }, (_, index) =>
          platform.setImmediate(index === LOOP_TURNS - 1 ? lastStep : step),
        );
      };
      const step = () => {
        try {
          if (isOver() || !this.#step(untilMs)) finish(resolve);
        } catch (error) {
          finish(() => reject(error));
        }
      };
      const lastStep = () => {
        step();
        if (this.#isRunning) ask();
      };
      ask();
    });
  }

  /** Runs the next events, up to the first one that runs a program's code. False: none is left by then. */
  #step(untilMs: number): boolean {
    while (this.#nextMs() <= untilMs) {
      const entry = pop(this.#queue);
      if (entry === undefined) return false;
      const { happen } = entry;
      entry.happen = undefined;
      this.#nowMs = entry.atMs;
      happen?.();
      if (entry.turn !== Turn.outside) return true;
    }
    return false;
  }

  /** The moment of the next event; Infinity if there is none. */
  #nextMs(): number {
    for (;;) {
      const first = this.#queue[0];
      if (first === undefined) return Number.POSITIVE_INFINITY;
      if (!first.isOver) return first.atMs;
      pop(this.#queue);
      this.#cancelled -= 1;
    }
  }

  readonly #noteCancelled = (): void => {
    this.#cancelled += 1;
    if (this.#cancelled <= this.#queue.length / 2 + CANCELLED_AT_MOST) return;
    // An array in ascending order is a heap.
    this.#queue = this.#queue.filter(({ isOver }) => !isOver).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#cancelled = 0;
  };
}

function isBefore(a: Entry, b: Entry): boolean {
  if (a.atMs !== b.atMs) return a.atMs < b.atMs;
  if (a.turn !== b.turn) return a.turn < b.turn;
  return a.order < b.order;
}

/** Puts an entry into a binary heap. */
function push(heap: Entry[], entry: Entry): void {
  let index = heap.length;
  while (index > 0) {
    const parentIndex = (index - 1) >> 1;
    const parent = heap[parentIndex];
    if (parent === undefined || isBefore(parent, entry)) break;
    heap[index] = parent;
    index = parentIndex;
  }
  heap[index] = entry;
}

/** Takes the first entry out of a binary heap. */
function pop(heap: Entry[]): Entry | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const leftIndex = 2 * index + 1;
    const left = heap[leftIndex];
    if (left === undefined) break;
    let child = left;
    let childIndex = leftIndex;
    const right = heap[leftIndex + 1];
    if (right !== undefined && isBefore(right, left)) {
      child = right;
      childIndex = leftIndex + 1;
    }
    if (isBefore(last, child)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return first;
}
