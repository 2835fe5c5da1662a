import { MARKER_KEY, parseMarker } from '../../src/node/marker.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedServer } from '../../src/testing/simulated-node.ts';
import type { Timeline } from '../../src/testing/timeline.ts';
import type { Dice } from '../fleet/safety/dice.ts';
import type { Terms } from './terms.ts';

/** How a node loses its memory. */
export type Loss =
  | 'flushed'
  | 'restarted empty'
  | 'crashed, its disk lost'
  /** What it had on disk was older than all locks, but not than its marker. */
  | 'restarted with an old snapshot';

/** A server that knows since when it has had a marker. */
class MarkedServer extends SimulatedServer {
  readonly #timeline: Timeline;
  /** Infinity while it has none. */
  markedSinceMs = Number.POSITIVE_INFINITY;

  constructor(timeline: Timeline, ...rest: readonly [SeededRandom, { address: string; wallMs: number }]) {
    super(timeline, ...rest);
    this.#timeline = timeline;
  }

  /** Whether its marker says that it may vote. */
  get isActive(): boolean {
    return parseMarker(this.store.get(MARKER_KEY) ?? '')?.state === 'active';
  }

  override evalsha(...call: Parameters<SimulatedServer['evalsha']>): ReturnType<SimulatedServer['evalsha']> {
    try {
      return super.evalsha(...call);
    } finally {
      if (this.markedSinceMs === Number.POSITIVE_INFINITY && this.store.get(MARKER_KEY) !== undefined) {
        this.markedSinceMs = this.#timeline.nowMs;
      }
    }
  }

  forget(loss: Loss): void {
    const marker = this.store.get(MARKER_KEY);
    if (loss === 'restarted empty') this.restart({ keepMemory: false });
    if (loss === 'crashed, its disk lost') this.crash();
    this.flushAll();
    if (loss === 'restarted with an old snapshot') {
      if (marker !== undefined) this.store.set(MARKER_KEY, marker);
      this.restart({ keepMemory: true });
    } else {
      this.markedSinceMs = Number.POSITIVE_INFINITY;
    }
  }
}

/** The nodes, and what they must not lose. */
export class Deployment {
  readonly servers: readonly MarkedServer[];
  readonly #timeline: Timeline;
  readonly #noticedMs: number;
  /** Whether nodes have markers at all. */
  readonly #isMarked: boolean;
  readonly #lostAtMs: number[];
  readonly #log: (what: string) => void;
  losses = 0;

  constructor(timeline: Timeline, terms: Terms, dice: Dice, isMarked: boolean, log: (what: string) => void) {
    this.#timeline = timeline;
    this.#noticedMs = terms.noticedMs;
    this.#isMarked = isMarked;
    this.#log = log;
    this.servers = Array.from({ length: terms.nodes }, (_, index) => {
      const server = new MarkedServer(timeline, new SeededRandom(dice.integer(0, 2 ** 32 - 1)), {
        address: `node-${index + 1}:6379`,
        // Clocks may be apart by the largest ttl, and tokens still grow; they run apart too.
        wallMs: Date.UTC(2030, 0, 1) + dice.between(0, terms.maxTtl / 2),
      });
      if (dice.chance(0.5)) server.wall.rate = 1 + terms.driftFactor * dice.between(-0.5, 0.5);
      return server;
    });
    this.#lostAtMs = this.servers.map(() => timeline.nowMs);
  }

  server(index: number): MarkedServer {
    const server = this.servers[index];
    if (server === undefined) throw new RangeError(`there is no node ${index}`);
    return server;
  }

  /** Takes a node's memory unless no other node has had a marker for long enough. Returns whether it did. */
  loseMemory(index: number, loss: Loss): boolean {
    const { nowMs } = this.#timeline;
    const isAllowed =
      loss === 'restarted with an old snapshot' ||
      this.servers.some(
        (server, other) =>
          other !== index &&
          (this.#isMarked ? server.markedSinceMs : (this.#lostAtMs[other] ?? 0)) <= nowMs - this.#noticedMs,
      );
    if (isAllowed) this.#forget(index, loss);
    return isAllowed;
  }

  /** The one thing that `auto` leaves open. */
  loseAllMemory(loss: Loss): void {
    for (const index of this.servers.keys()) this.#forget(index, loss);
  }

  #forget(index: number, loss: Loss): void {
    this.#lostAtMs[index] = this.#timeline.nowMs;
    this.losses += 1;
    this.#log(`node ${index + 1} ${loss}`);
    this.server(index).forget(loss);
  }
}
