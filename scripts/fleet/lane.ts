import type { Socket } from 'node:net';

/** A sender is told to wait when this much is on the way, as a full socket buffer would tell it. */
const HELD_BYTES_LIMIT = 1_048_576;

/** How often a slow lane lets a piece through; also the granularity of its rate. */
const DRIP_EVERY_MS = 10;

/** What is done to the traffic in one direction, for all connections of a proxy at once. */
export interface LaneRules {
  delayMs: number;
  jitterMs: number;
  /** Nothing gets through, not even the end of the stream; it is held until this is taken back. */
  cut: boolean;
  bytesPerSecond: number;
}

export const OPEN_ROAD: Readonly<LaneRules> = {
  delayMs: 0,
  jitterMs: 0,
  cut: false,
  bytesPerSecond: Number.POSITIVE_INFINITY,
};

interface Cargo {
  readonly content: Buffer | 'end' | 'reset';
  readonly takenMs: number;
  /** Its share of the jitter, drawn once. */
  readonly luck: number;
}

interface LaneEnds {
  readonly source: Socket;
  readonly sink: Socket;
  readonly rules: Readonly<LaneRules>;
  readonly random: () => number;
  /** Puts bytes into the sink, or does something worse; false asks for a pause until the sink has drained. */
  readonly deliver: (bytes: Buffer) => boolean;
}

/** One direction of one connection: what the source said, in order, when the rules let it through. */
export class Lane {
  readonly #ends: LaneEnds;
  #waiting: Cargo[] = [];
  #heldBytes = 0;
  #lastPiece = { length: 0, sentMs: 0 };
  #sinkFull = false;
  #closed = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(ends: LaneEnds) {
    this.#ends = ends;
    ends.source.on('data', (bytes) => this.#take(bytes));
    ends.source.on('end', () => this.#take('end'));
    ends.source.on('error', () => this.#take('reset'));
    ends.sink.on('drain', () => {
      this.#sinkFull = false;
      this.pump();
    });
  }

  /** Lets through whatever may go now. To be called when the rules have changed. */
  pump(): void {
    clearTimeout(this.#timer);
    while (!this.#closed && !this.#ends.rules.cut && !this.#sinkFull) {
      const next = this.#waiting[0];
      if (next === undefined) return;
      const waitMs = this.#dueMs(next) - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.#waiting.shift();
      this.#release(next);
    }
  }

  /** Drops what is on the way and everything still to come. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#waiting = [];
    // The source is read on, so that its end can be noticed.
    this.#ends.source.resume();
  }

  #take(content: Cargo['content']): void {
    if (this.#closed) return;
    const { random, source } = this.#ends;
    this.#waiting.push({ content, takenMs: performance.now(), luck: random() });
    if (content instanceof Buffer) this.#heldBytes += content.length;
    if (this.#heldBytes > HELD_BYTES_LIMIT) source.pause();
    this.pump();
  }

  /** By the rules of now, so that a change counts for what is on the way already. */
  #dueMs({ takenMs, luck }: Cargo): number {
    const { delayMs, jitterMs, bytesPerSecond } = this.#ends.rules;
    const { length, sentMs } = this.#lastPiece;
    return Math.max(takenMs + delayMs + luck * jitterMs, sentMs + (length * 1000) / bytesPerSecond);
  }

  #release(cargo: Cargo): void {
    const { rules, sink, source, deliver } = this.#ends;
    const { content } = cargo;
    if (content === 'end') {
      sink.end();
    } else if (content === 'reset') {
      sink.resetAndDestroy();
    } else {
      const piece = content.subarray(0, Math.max(1, (rules.bytesPerSecond * DRIP_EVERY_MS) / 1000));
      const rest = content.subarray(piece.length);
      if (rest.length > 0) this.#waiting.unshift({ ...cargo, content: rest });
      this.#lastPiece = { length: piece.length, sentMs: performance.now() };
      this.#heldBytes -= piece.length;
      if (this.#heldBytes <= HELD_BYTES_LIMIT) source.resume();
      this.#sinkFull = !deliver(piece);
    }
  }
}
