import { Rng } from '../../src/testing/rng.ts';
import { FAR_OFF_MS, farthestPromised, type Mode, quarantineMs, type Terms } from './terms.ts';

/** Something that is done to nodes, or to the process of a holder, at a moment of the run. */
export type Fault = { readonly atMs: number } & (
  | { readonly kind: 'pause'; readonly nodes: readonly number[]; readonly forMs: number }
  /** SIGKILL; it comes back with what it has on disk. */
  | { readonly kind: 'kill'; readonly nodes: readonly number[]; readonly forMs: number }
  /** SIGKILL; it comes back empty. */
  | { readonly kind: 'empty'; readonly nodes: readonly number[]; readonly forMs: number }
  | { readonly kind: 'flush'; readonly nodes: readonly number[] }
  /** Wall clocks are set, forward or back. */
  | { readonly kind: 'step'; readonly nodes: readonly number[]; readonly offsetMs: number }
  /** Wall clocks run too fast or too slow. What they gain or lose stays. */
  | {
      readonly kind: 'rate';
      readonly nodes: readonly number[];
      readonly forMs: number;
      readonly rate: number;
    }
  /** SIGSTOP of the process that was granted a lock last. */
  | { readonly kind: 'stop holder'; readonly forMs: number }
);

const MOST_FORGET_IN: readonly Mode[] = ['inside', 'everything', 'beyond'];

/** For connections to be made again and markers to be seen. */
const SETTLING_MS = 700;

/** A fault that comes later than this after its time does not come at all, so that spacing them is worth something. */
export const LATEST_MS = 1_000;

/**
 * How long a node counts as having lost its memory. While some node that kept its own stands between, all nodes
 * are never found blank at once.
 */
export function amnesiaMs(terms: Terms): number {
  return quarantineMs(terms) + SETTLING_MS + LATEST_MS;
}

/** The faults of a run, in order of time: the same for the same terms. */
export function drawPlan(terms: Terms): readonly Fault[] {
  const dice = Rng.ofSeed(terms.seed ^ 0x5eed);
  const draft = new Draft(terms, dice);
  switch (terms.mode) {
    case 'inside':
      draft.fill(500, 100, 600, [
        [30, () => draft.stopHolder()],
        [25, () => draft.pause()],
        [45, () => draft.loseMemory()],
      ]);
      break;
    case 'clocks':
      draft.fill(500, 200, 800, [
        [20, () => draft.stopHolder()],
        [15, () => draft.pause()],
        [20, () => draft.kill()],
        [30, () => draft.stepClock(FAR_OFF_MS)],
        [15, () => draft.changeRate()],
      ]);
      break;
    case 'everything':
      draft.fill(500, 200, 800, [
        [20, () => draft.stopHolder()],
        [15, () => draft.pause()],
        [30, () => draft.loseMemory()],
        [35, () => draft.stepClock(farthestPromised(terms))],
      ]);
      break;
    case 'beyond':
      draft.fill(500, 200, 800, [
        [20, () => draft.stopHolder()],
        [15, () => draft.pause()],
        [30, () => draft.loseMemory()],
        [25, () => draft.stepClock(FAR_OFF_MS)],
        [10, () => draft.changeRate()],
      ]);
      break;
    case 'unmarked':
      draft.fill(700, 600, 800, [[1, () => draft.loseMemoryOf(draft.majority)]]);
      break;
    case 'amnesia':
      draft.fill(700, 1_000, 1_200, [[1, () => draft.loseMemoryOf(terms.nodes)]]);
      break;
  }
  return draft.faults.toSorted((a, b) => a.atMs - b.atMs);
}

class Draft {
  readonly faults: Fault[] = [];
  readonly majority: number;
  readonly #terms: Terms;
  readonly #dice: Rng;
  readonly #all: readonly number[];
  /** When each node can be dealt with again, and when its vote counts again. */
  readonly #busyUntil: number[];
  readonly #outUntil: number[];
  readonly #rateWrongUntil: number[];
  readonly #forgotAt: number[];
  #atMs = 0;
  /** Outages of a majority that this run may still have: they stop all progress for a while. */
  #wideLeft: number;
  /** When a majority loses its memory: once in every run in which locks must survive that. */
  readonly #mostForgetAt: number;

  constructor(terms: Terms, dice: Rng) {
    this.#terms = terms;
    this.#dice = dice;
    this.#all = Array.from({ length: terms.nodes }, (_, index) => index);
    this.majority = Math.floor(terms.nodes / 2) + 1;
    this.#busyUntil = this.#all.map(() => 0);
    this.#outUntil = this.#all.map(() => 0);
    this.#rateWrongUntil = this.#all.map(() => 0);
    this.#forgotAt = this.#all.map(() => Number.NEGATIVE_INFINITY);
    this.#wideLeft = dice.chance(0.6) ? 1 : 0;
    const untilRecovered = quarantineMs(terms) + 2 * SETTLING_MS;
    this.#mostForgetAt = MOST_FORGET_IN.includes(terms.mode)
      ? dice.between(600, terms.durationMs - untilRecovered)
      : Number.POSITIVE_INFINITY;
  }

  /** Draws one fault after another; the last second and a half belongs to what they led to. */
  fill(
    fromMs: number,
    shortestGapMs: number,
    longestGapMs: number,
    menu: readonly (readonly [weight: number, add: () => void])[],
  ): void {
    this.#atMs = fromMs;
    let mostForgetAt = this.#mostForgetAt;
    while (this.#atMs < this.#terms.durationMs - 1_500) {
      if (this.#atMs < mostForgetAt) this.#dice.weighted(menu)();
      else if (this.#loseMemoryOfMost()) mostForgetAt = Number.POSITIVE_INFINITY;
      this.#atMs = Math.round(this.#atMs + this.#dice.between(shortestGapMs, longestGapMs));
    }
  }

  stopHolder(): void {
    const forMs = this.#duration(this.#terms.ttl, this.#terms.ttl + 1_000);
    this.faults.push({ kind: 'stop holder', atMs: this.#atMs, forMs });
  }

  pause(): void {
    const forMs = this.#duration(50, 1_500);
    const nodes = this.#victims(this.#free(), forMs);
    if (nodes.length === 0) return;
    this.#occupy(nodes, forMs, forMs);
    this.faults.push({ kind: 'pause', atMs: this.#atMs, nodes, forMs });
  }

  kill(): void {
    const forMs = this.#duration(0, 600);
    const outMs = forMs + quarantineMs(this.#terms);
    const nodes = this.#victims(this.#free(), outMs);
    if (nodes.length === 0) return;
    this.#occupy(nodes, forMs, outMs);
    this.faults.push({ kind: 'kill', atMs: this.#atMs, nodes, forMs });
  }

  /** So few that the others go on voting. Unless waiting is strict, somebody always remembers. */
  loseMemory(): void {
    const nodes = this.#victims(this.#forgetful(), quarantineMs(this.#terms));
    if (nodes.length > 0) this.#forget(nodes);
  }

  /** All of them that may. */
  #loseMemoryOfMost(): boolean {
    const candidates = this.#forgetful();
    if (candidates.length < this.majority) return false;
    this.#forget(this.#dice.sample(candidates, this.#dice.integer(this.majority, candidates.length)));
    return true;
  }

  /** Nodes that can lose their memory now. */
  #forgetful(): readonly number[] {
    const free = this.#free();
    if (this.#terms.quarantine === 'strict') return free;
    const fromMs = this.#atMs - amnesiaMs(this.#terms);
    const mindful = this.#all.filter((node) => (this.#forgotAt[node] ?? 0) < fromMs);
    const spared = this.#dice.pick(mindful);
    return free.filter((node) => node !== spared);
  }

  loseMemoryOf(count: number): void {
    this.#forget(this.#dice.sample(this.#free(), count));
  }

  stepClock(farthestMs: number): void {
    const nodes = this.#withRightRate();
    if (nodes.length === 0) return;
    const offsetMs = this.#dice.integer(-farthestMs, farthestMs);
    this.faults.push({ kind: 'step', atMs: this.#atMs, nodes, offsetMs });
  }

  changeRate(): void {
    const nodes = this.#withRightRate();
    if (nodes.length === 0) return;
    const forMs = this.#duration(100, 1_500);
    for (const node of nodes) this.#raise(this.#rateWrongUntil, node, forMs + SETTLING_MS);
    const rate = 2 ** this.#dice.between(-1, 1);
    this.faults.push({ kind: 'rate', atMs: this.#atMs, nodes, forMs, rate });
  }

  /**
   * Mostly a minority. A node whose clock was seen to go wrong does not vote for a while, but that is no outage that
   * counts here.
   */
  #withRightRate(): readonly number[] {
    const candidates = this.#all.filter((node) => (this.#rateWrongUntil[node] ?? 0) < this.#atMs);
    const most = this.#dice.chance(0.1) ? this.#terms.nodes : this.#terms.nodes - this.majority;
    return this.#dice.sample(candidates, this.#dice.integer(1, most));
  }

  #forget(nodes: readonly number[]): void {
    for (const node of nodes) this.#forgotAt[node] = this.#atMs;
    // Several nodes are not flushed in one moment, and then some still remember: that is no loss of all at once.
    if (this.#terms.mode !== 'amnesia' && this.#dice.chance(0.5)) {
      this.#occupy(nodes, 0, quarantineMs(this.#terms));
      this.faults.push({ kind: 'flush', atMs: this.#atMs, nodes });
    } else {
      const isBrief = this.#terms.mode === 'unmarked' || this.#terms.mode === 'amnesia';
      const forMs = isBrief ? 0 : this.#duration(0, 400);
      this.#occupy(nodes, forMs, forMs + quarantineMs(this.#terms));
      this.faults.push({ kind: 'empty', atMs: this.#atMs, nodes, forMs });
    }
  }

  /** Some of the candidates: so few that a majority goes on voting, or, as long as the run may have that, more. */
  #victims(candidates: readonly number[], outMs: number): readonly number[] {
    const out = this.#all.filter((node) => (this.#outUntil[node] ?? 0) > this.#atMs).length;
    const endsInTime = this.#atMs + outMs + SETTLING_MS < this.#terms.durationMs;
    if (this.#wideLeft > 0 && endsInTime && this.#dice.chance(0.3)) {
      this.#wideLeft -= 1;
      return this.#dice.sample(candidates, this.#dice.integer(this.majority, this.#terms.nodes));
    }
    const room = this.#terms.nodes - this.majority - out;
    return room <= 0 ? [] : this.#dice.sample(candidates, this.#dice.integer(1, room));
  }

  #free(): readonly number[] {
    return this.#all.filter((node) => (this.#busyUntil[node] ?? 0) <= this.#atMs);
  }

  #occupy(nodes: readonly number[], busyMs: number, outMs: number): void {
    for (const node of nodes) {
      this.#raise(this.#busyUntil, node, busyMs + 100);
      this.#raise(this.#outUntil, node, outMs + SETTLING_MS);
    }
  }

  #raise(until: number[], node: number, byMs: number): void {
    until[node] = Math.max(until[node] ?? 0, this.#atMs + byMs);
  }

  #duration(leastMs: number, mostMs: number): number {
    return Math.round(this.#dice.between(leastMs, mostMs));
  }
}

export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'stop holder':
      return `the process of the latest holder stopped for ${fault.forMs} ms`;
    case 'flush':
      return `${nodesOf(fault)} flushed`;
    case 'pause':
      return `${nodesOf(fault)} paused for ${fault.forMs} ms`;
    case 'kill':
      return `${nodesOf(fault)} killed, back with its memory after ${fault.forMs} ms`;
    case 'empty':
      return `${nodesOf(fault)} killed, back empty after ${fault.forMs} ms`;
    case 'step':
      return `clock of ${nodesOf(fault)} set to ${fault.offsetMs} ms`;
    case 'rate':
      return `clock of ${nodesOf(fault)} at ×${fault.rate.toFixed(3)} for ${fault.forMs} ms`;
  }
}

function nodesOf({ nodes }: { readonly nodes: readonly number[] }): string {
  return `node ${nodes.join(', ')}`;
}
