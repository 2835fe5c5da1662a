/** Something that is going to happen, and can be taken back until then. */
export interface Event {
  cancel(): void;
}

/** What comes first of what happens at the same moment. */
export const Turn = {
  /** What comes in from outside: a process handles its sockets before it looks at its timers. */
  input: 0,
  timer: 1,
} as const;
export type Turn = (typeof Turn)[keyof typeof Turn];

interface Entry extends Event {
  readonly atMs: number;
  readonly turn: Turn;
  readonly order: number;
  readonly happen: () => void;
  isOver: boolean;
}

/** Far more than any test needs; a wait beyond it is one that never ends. */
const LONGEST_RUN_MS = 24 * 3_600_000;

/** Cancelled events may wait in the queue for their moment, but not more of them than this beside the live ones. */
const CANCELLED_AT_MOST = 256;

/**
 * The true time of a simulated world, in milliseconds, and what is going to happen in it. Nothing happens but inside
 * {@link advance}, {@link runUntil} and {@link runAll}, and always in the same order: by time, then input before
 * timers, then in the order it was asked for. Every promise callback has run before the next thing happens.
 *
 * The machines of a world share one timeline, and each has clocks of its own on it, which may show something else.
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
    const entry: Entry = {
      atMs: this.#nowMs + Math.max(0, delayMs),
      turn,
      order: this.#made,
      happen,
      isOver: false,
      cancel: () => this.#cancel(entry),
    };
    this.#made += 1;
    if (entry.atMs === Number.POSITIVE_INFINITY) entry.isOver = true;
    else push(this.#queue, entry);
    return entry;
  }

  /** Lets this much time pass, and everything happen that is due in it. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await this.#run(() => this.#nextMs() > untilMs);
    this.#nowMs = untilMs;
  }

  /**
   * Lets time pass until the promise has settled, and no further. Returns what it came to.
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
    await this.#run(() => isSettled || this.#nextMs() > untilMs);
    if (!isSettled) {
      const why =
        this.#nextMs() === Number.POSITIVE_INFINITY ? 'nothing is left to happen' : `${withinMs} ms passed`;
      throw new Error(`the promise has not settled: ${why}`);
    }
    return promise;
  }

  /**
   * Lets time pass until nothing is left to happen.
   *
   * @throws {Error} there was still something after `withinMs`
   */
  async runAll(withinMs = LONGEST_RUN_MS): Promise<void> {
    const untilMs = this.#nowMs + withinMs;
    await this.#run(() => this.#nextMs() > untilMs);
    if (this.#nextMs() !== Number.POSITIVE_INFINITY) {
      throw new Error(`something is still going to happen after ${withinMs} ms`);
    }
  }

  async #run(isOver: () => boolean): Promise<void> {
    if (this.#isRunning) throw new Error('time passes already: await the call that lets it');
    this.#isRunning = true;
    try {
      await promiseCallbacks();
      while (!isOver()) {
        const entry = pop(this.#queue);
        if (entry === undefined) return;
        entry.isOver = true;
        this.#nowMs = entry.atMs;
        entry.happen();
        await promiseCallbacks();
      }
    } finally {
      this.#isRunning = false;
    }
  }

  /** When the next thing happens; Infinity if nothing does. */
  #nextMs(): number {
    for (;;) {
      const [first] = this.#queue;
      if (first === undefined) return Number.POSITIVE_INFINITY;
      if (!first.isOver) return first.atMs;
      pop(this.#queue);
      this.#cancelled -= 1;
    }
  }

  #cancel(entry: Entry): void {
    if (entry.isOver) return;
    entry.isOver = true;
    this.#cancelled += 1;
    if (this.#cancelled <= this.#queue.length / 2 + CANCELLED_AT_MOST) return;
    // An array in ascending order is a heap.
    this.#queue = this.#queue.filter(({ isOver }) => !isOver).sort((a, b) => (isBefore(a, b) ? -1 : 1));
    this.#cancelled = 0;
  }
}

const laterTurn = setImmediate;

/**
 * Resolves when every promise callback has run, those included that the callbacks ask for: Node does not start an
 * immediate before that, however many there are.
 */
function promiseCallbacks(): Promise<void> {
  return new Promise((resolve) => {
    laterTurn(resolve);
  });
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
  const [first] = heap;
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return first;
  let index = 0;
  for (;;) {
    const leftIndex = 2 * index + 1;
    const left = heap[leftIndex];
    if (left === undefined) break;
    const right = heap[leftIndex + 1];
    const [child, childIndex] =
      right !== undefined && isBefore(right, left) ? [right, leftIndex + 1] : [left, leftIndex];
    if (isBefore(last, child)) break;
    heap[index] = child;
    index = childIndex;
  }
  heap[index] = last;
  return first;
}
