import { MARKER_KEY, type Marker, parseMarker } from '../../src/node/marker.ts';
import type { Rng } from '../../src/testing/rng.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedServer } from '../../src/testing/simulated-node.ts';
import type { Timeline } from '../../src/testing/timeline.ts';
import type { Terms } from './terms.ts';

/** How a node loses its memory. */
export type Loss =
  | 'flushed'
  | 'restarted empty'
  | 'crashed, its disk lost'
  /** What it had on disk was older than all locks, but not than its marker. */
  | 'restarted with an old snapshot';

/** A server whose marker can be asked about. */
class MarkedServer extends SimulatedServer {
  /** Whether its marker says that it may vote. */
  get isActive(): boolean {
    return this.#state === 'active';
  }

  /** Whether its marker says that there is a deployment; one that only claims it for a new one does not. */
  get remembers(): boolean {
    return this.#state === 'active' || this.#state === 'joining';
  }

  get #state(): Marker['state'] | undefined {
    return parseMarker(this.store.get(MARKER_KEY) ?? '')?.state;
  }

  forget(loss: Loss): void {
    const marker = this.store.get(MARKER_KEY);
    if (loss === 'restarted empty') this.restart({ keepMemory: false });
    if (loss === 'crashed, its disk lost') this.crash();
    this.flushAll();
    if (loss === 'restarted with an old snapshot') {
      if (marker !== undefined) this.store.set(MARKER_KEY, marker);
      this.restart({ keepMemory: true });
    }
  }
}

/** The nodes, and what they must not lose. */
export class Deployment {
  readonly servers: readonly MarkedServer[];
  /** Whether nodes have markers at all. */
  readonly #isMarked: boolean;
  readonly #log: (what: string) => void;
  losses = 0;

  constructor(timeline: Timeline, terms: Terms, dice: Rng, isMarked: boolean, log: (what: string) => void) {
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
  }

  server(index: number): MarkedServer {
    const server = this.servers[index];
    if (server === undefined) throw new RangeError(`there is no node ${index}`);
    return server;
  }

  /** How far the nodes' clocks are apart. */
  get apartMs(): number {
    const walls = this.servers.map(({ wall }) => wall.read());
    return Math.max(...walls) - Math.min(...walls);
  }

  /** Takes a node's memory unless no other node would remember anything then. Returns whether it did. */
  loseMemory(index: number, loss: Loss): boolean {
    const isAllowed =
      !this.#isMarked ||
      loss === 'restarted with an old snapshot' ||
      this.servers.some((server, other) => other !== index && server.remembers);
    if (isAllowed) this.#forget(index, loss);
    return isAllowed;
  }

  /** The one thing that `auto` leaves open. */
  loseAllMemory(loss: Loss): void {
    for (const index of this.servers.keys()) this.#forget(index, loss);
  }

  #forget(index: number, loss: Loss): void {
    this.losses += 1;
    this.#log(`node ${index + 1} ${loss}`);
    this.server(index).forget(loss);
  }
}
