import type { Clock, Timer } from '../base/clock.ts';
import type { NodeState } from '../base/diagnostics.ts';
import type { Node } from '../node/node.ts';

/** A node's state, since when, and why. */
export interface Standing {
  readonly state: NodeState;
  /** Uptime. */
  readonly sinceMs: number;
  /** Why it does not vote, or its votes do not count, as it is when this is called; empty if they do. */
  why(): string;
}

export interface NodeChange extends Pick<Standing, 'state' | 'why'> {
  readonly node: string;
  readonly before: NodeState;
  /** For how many milliseconds it was in the state before. */
  readonly lastedMs: number;
}

/** The states of all nodes, as their operators see them. A node that is being found out about keeps its state. */
export class NodeStates {
  readonly #clock: Clock;
  readonly #changed: (change: NodeChange) => void;
  readonly #standings = new Map<Node, Standing>();
  readonly #clockTimers = new Map<Node, Timer>();

  constructor(clock: Clock, changed: (change: NodeChange) => void) {
    this.#clock = clock;
    this.#changed = changed;
  }

  follow(node: Node): void {
    this.#standings.set(node, this.#enters(node, 'connecting'));
    node.onStateChange(() => this.#look(node));
    this.#look(node);
  }

  get upCount(): number {
    return [...this.#standings.values()].filter(({ state }) => state === 'up').length;
  }

  of(node: Node): Standing {
    return this.#standings.get(node) ?? this.#enters(node, 'connecting');
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
    const now = this.#enters(node, state);
    this.#standings.set(node, now);
    const lastedMs = now.sinceMs - before.sinceMs;
    this.#changed({ node: node.address, state, why: now.why, before: before.state, lastedMs });
  }

  #enters(node: Node, state: NodeState): Standing {
    // While it is being found out about it gives no reason of its own.
    const first = node.why;
    const why = () => (node.state === undefined ? node.why || first : node.why);
    return { state, sinceMs: this.#clock.uptime(), why };
  }

  #lookWithin(node: Node, ms: number): void {
    this.#clockTimers.get(node)?.cancel();
    // What is left may be a rounding error, in which no time passes.
    const timer = this.#clock.after(Math.max(1, ms), () => this.#look(node), { keepAlive: false });
    this.#clockTimers.set(node, timer);
  }
}
