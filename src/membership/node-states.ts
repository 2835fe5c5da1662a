import type { Clock, Timer } from '../base/clock.ts';
import type { NodeState } from '../base/diagnostics.ts';
import type { Node } from '../node/node.ts';

/** A node's state has changed. */
export interface NodeChange {
  /** Its address. */
  readonly node: string;
  readonly state: NodeState;
  /** Why it does not vote, or its votes do not count, as it is when this is called; empty if they do. */
  why(): string;
  readonly before: NodeState;
  /** For how many milliseconds it was in the state before. */
  readonly lastedMs: number;
}

/** A node's state, and since when. */
export interface Standing {
  readonly state: NodeState;
  /** Uptime. */
  readonly sinceMs: number;
}

/**
 * The states of all nodes, as their operators see them. While a node is being found out about (a new connection, another
 * handshake) it keeps its state.
 */
export class NodeStates {
  readonly #clock: Clock;
  readonly #changed: (change: NodeChange) => void;
  readonly #standings = new Map<Node, Standing>();
  readonly #clockTimers = new Map<Node, Timer>();

  /** @param changed called after every change */
  constructor(clock: Clock, changed: (change: NodeChange) => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  /** Follows a node from now on. */
  follow(node: Node): void {
    this.#standings.set(node, { state: 'connecting', sinceMs: this.#clock.uptime() });
    node.onStateChange(() => this.#look(node));
    this.#look(node);
  }

  /** How many nodes are up. */
  get upCount(): number {
    return [...this.#standings.values()].filter(({ state }) => state === 'up').length;
  }

  of(node: Node): Standing {
    return this.#standings.get(node) ?? { state: 'connecting', sinceMs: this.#clock.uptime() };
  }

  close(): void {
    for (const timer of this.#clockTimers.values()) timer.cancel();
    this.#standings.clear();
  }

  #look(node: Node): void {
    const before = this.#standings.get(node);
    const { state = before?.state } = node;
    // A node whose clock is trusted again does not say so itself. One that is being found out about will.
    if (node.state === 'clock') this.#lookWithin(node, node.clockWrongForMs);
    if (before === undefined || state === undefined || state === before.state) return;
    const nowMs = this.#clock.uptime();
    this.#standings.set(node, { state, sinceMs: nowMs });
    this.#changed({
      node: node.address,
      state,
      why: () => node.why,
      before: before.state,
      lastedMs: nowMs - before.sinceMs,
    });
  }

  #lookWithin(node: Node, ms: number): void {
    this.#clockTimers.get(node)?.cancel();
    this.#clockTimers.set(
      node,
      // What is left may be a rounding error, in which no time passes.
      this.#clock.after(Math.max(1, ms), () => this.#look(node), { keepAlive: false }),
    );
  }
}
