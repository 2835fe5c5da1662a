import { Rng } from '../../../src/testing/rng.ts';
import { quarantineMs } from '../../soak/terms.ts';
import type { LockTerms } from '../load/messages.ts';
import type { Ability } from '../masters/server.ts';
import {
  type Fault,
  impairs,
  type LoadFaultKind,
  losesMemory,
  NODE_FAULTS,
  type NodeFault,
} from './fault.ts';

/** For connections to be made again and markers to be seen. */
export const SETTLING_MS = 700;

/** Nothing new is done at the end, which belongs to what came of it. */
const LAST_MS = 1_000;

interface DraftTerms {
  readonly seed: number;
  readonly durationMs: number;
  readonly nodeCount: number;
  readonly abilities: ReadonlySet<Ability>;
  readonly lock: LockTerms;
}

/** Draws the faults of a run: the same for the same terms. */
export class Draft {
  readonly dice: Rng;
  readonly majority: number;
  readonly durationMs: number;
  readonly all: readonly number[];
  readonly #terms: DraftTerms;
  readonly #faults: Fault[] = [];
  /** When each node can be counted on again, and when the spare is free again. */
  readonly #outUntil: number[];
  #spareFreeAt = 0;

  constructor(terms: DraftTerms) {
    this.#terms = terms;
    this.dice = Rng.ofSeed(terms.seed ^ 0x5eed);
    this.durationMs = terms.durationMs;
    this.all = Array.from({ length: terms.nodeCount }, (_, index) => index);
    this.majority = Math.floor(terms.nodeCount / 2) + 1;
    this.#outUntil = this.all.map(() => 0);
  }

  get faults(): readonly Fault[] {
    return this.#faults.toSorted((a, b) => a.atMs - b.atMs);
  }

  get lock(): LockTerms {
    return this.#terms.lock;
  }

  /** How long a node that forgot may not vote. */
  get quarantineMs(): number {
    return quarantineMs(this.#terms.lock);
  }

  /** Whether the fleet is able to have this done to it. */
  can(kind: NodeFault['kind']): boolean {
    return NODE_FAULTS[kind].every((ability) => this.#terms.abilities.has(ability));
  }

  /** Calls `add` from `fromMs` on with one moment after the other, so far apart. */
  fill(fromMs: number, gapMs: readonly [least: number, most: number], add: (atMs: number) => void): void {
    for (let atMs = fromMs; atMs < this.durationMs - LAST_MS; atMs += this.dice.between(...gapMs)) {
      add(Math.round(atMs));
    }
  }

  /** Nodes that can be dealt with at that moment: so few that a majority goes on voting. */
  minority(atMs: number): readonly number[] {
    const free = this.free(atMs);
    const room = this.all.length - this.majority - (this.all.length - free.length);
    return room <= 0 ? [] : this.dice.sample(free, this.dice.integer(1, room));
  }

  /** Nodes to which nothing has happened that would matter at that moment. */
  free(atMs: number): readonly number[] {
    return this.all.filter((node) => (this.#outUntil[node] ?? 0) <= atMs);
  }

  /** Adds a fault unless there is nothing to be done, or the fleet is not able to. */
  add(wanted: NodeFault): void {
    // There is one spare.
    const fault = wanted.kind === 'replica' ? { ...wanted, nodes: wanted.nodes.slice(0, 1) } : wanted;
    if (fault.nodes.length === 0 || !this.can(fault.kind)) return;
    if (fault.kind === 'replica') {
      if (fault.atMs < this.#spareFreeAt) return;
      this.#spareFreeAt = fault.atMs + fault.forMs + 2 * SETTLING_MS;
    }
    this.#faults.push(fault);
    if (!impairs(fault, this.#terms.lock.nodeTimeout)) return;
    const untilAble = losesMemory(fault.kind) || isClock(fault) ? this.quarantineMs : 0;
    for (const node of fault.nodes) {
      const until = fault.atMs + fault.forMs + untilAble + SETTLING_MS;
      this.#outUntil[node] = Math.max(this.#outUntil[node] ?? 0, until);
    }
  }

  addToLoad(kind: LoadFaultKind, atMs: number, forMs: number): void {
    this.#faults.push({ kind, atMs, forMs });
  }
}

function isClock({ kind }: NodeFault): boolean {
  return kind === 'step' || kind === 'rate';
}
