import type { FleetNode } from '../fleet/fleet.ts';
import { nap } from '../support/time.ts';
import { between } from './between.ts';
import { MOST_NODES_OUT, QUARANTINE_MS } from './settings.ts';

/** From one fault to the next. */
const CALM_MS = 900;

/** How long a fault lasts: at its longest, every key that a paused node had has run out. */
const SHORTEST_MS = 1_200;
const LONGEST_MS = 2_500;

/** Until the workers have found a node again: they reconnect within half a second. */
const RECONNECT_MS = 600;

/**
 * Kills and pauses one node after another and brings each back, until told to stop. A node counts as out until its
 * vote counts again, and never more than MOST_NODES_OUT are.
 */
export class Faults {
  readonly #nodes: readonly FleetNode[];
  readonly #tell: (what: string) => void;
  #killed = 0;
  #paused = 0;
  #failure: unknown;

  constructor(nodes: readonly FleetNode[], tell: (what: string) => void) {
    this.#nodes = nodes;
    this.#tell = tell;
  }

  get killed(): number {
    return this.#killed;
  }

  get paused(): number {
    return this.#paused;
  }

  /** Resolves when told to stop and all nodes are back; rejects if one would not come back. */
  async run(stop: AbortSignal): Promise<void> {
    const waiting = [...this.#nodes];
    const outages = new Set<Promise<void>>();
    await nap(CALM_MS, stop);
    while (!stop.aborted && this.#failure === undefined) {
      const node = waiting.shift();
      if (node === undefined) throw new Error('every node is out');
      const outage = this.#outage(node, stop).then(() => {
        waiting.push(node);
        outages.delete(outage);
      });
      outages.add(outage);
      await nap(CALM_MS, stop);
      while (outages.size >= MOST_NODES_OUT) await Promise.race(outages);
    }
    await Promise.all(outages);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Never rejects, so that the others can still be brought back. */
  async #outage(node: FleetNode, stop: AbortSignal): Promise<void> {
    try {
      // In turns; with an odd number of nodes each of them gets both.
      if (this.#killed <= this.#paused) await this.#kill(node, stop);
      else await this.#pause(node, stop);
      await nap(RECONNECT_MS, stop);
    } catch (error) {
      this.#failure ??= error;
    }
  }

  async #kill(node: FleetNode, stop: AbortSignal): Promise<void> {
    this.#killed += 1;
    await node.kill();
    this.#tell(`node ${node.index + 1} was killed`);
    await nap(between(SHORTEST_MS, LONGEST_MS), stop);
    await node.restartEmpty();
    this.#tell(`node ${node.index + 1} was restarted, empty`);
    await nap(QUARANTINE_MS, stop);
  }

  async #pause(node: FleetNode, stop: AbortSignal): Promise<void> {
    this.#paused += 1;
    node.pause();
    this.#tell(`node ${node.index + 1} was paused`);
    await nap(between(SHORTEST_MS, LONGEST_MS), stop);
    node.resume();
    this.#tell(`node ${node.index + 1} goes on`);
  }
}
