import type { Rng } from '../../src/testing/rng.ts';
import { type Timeline, Turn } from '../../src/testing/timeline.ts';
import type { Deployment, Loss } from './deployment.ts';
import type { Machine, MarkerMessage, Pest } from './machine.ts';
import { quarantineMs, type Terms } from './terms.ts';

/** What the faults are done to. */
export interface Stage {
  readonly timeline: Timeline;
  readonly deployment: Deployment;
  readonly machines: readonly Machine[];
  /** Another program starts. */
  launch(): void;
  /** A program ends, in order or at once. */
  end(machine: Machine, how: 'closed' | 'killed'): void;
  log(what: string): void;
}

/** A message about a marker is late by this at the most, so that it may miss the half second it has or not. */
const LATEST_MESSAGE_MS = 550;

/** How long to wait for somebody to notice a loss, before the next node loses its memory all the same or not at all. */
const UNNOTICED_MS = 2_000;

/** How soon after the start the first node may lose its memory. */
const FIRST_LOCKS_MS = 300;

/** A node that is to lose its memory before a message arrives does so this much before, in milliseconds. */
const STRIKE_BEFORE_MS = 0.05;

/** What happens to the messages about markers that one program sends about the same time. */
interface Fate {
  /** Until when they are sent. */
  readonly untilMs: number;
  /** When they arrive, or are answered; undefined: as usual. */
  readonly endMs: number | undefined;
  readonly isPause: boolean;
  /** Whether nodes lose their memory just before. */
  readonly strikes: boolean;
  /** Whether all nodes do. */
  readonly isTotal: boolean;
}

/** Draws one fault after the other, until it is told to stop; then it mends everything. */
export class Faults implements Pest {
  readonly #stage: Stage;
  readonly #terms: Terms;
  readonly #dice: Rng;
  readonly #markerDice: Rng;
  /** Some faults are frequent in one run and rare in another: those that need each other must meet. */
  readonly #habits: {
    /** How many of the messages that make a node vote are late, from 0 to 1; of others about markers. */
    readonly lateActives: number;
    readonly lateOthers: number;
    /** In how many of these cases nodes lose their memory just then. */
    readonly strikes: number;
    /** How many times as rare all else is. */
    readonly calm: number;
  };
  readonly #fates = new Map<Machine, Fate>();
  readonly #late = new Set<{ readonly node: number; readonly kind: MarkerMessage }>();
  #strikesLeft: number;
  readonly #repairs = new Set<() => void>();
  #isPestering = false;
  #isOver = false;

  constructor(stage: Stage, terms: Terms, dice: Rng) {
    this.#stage = stage;
    this.#terms = terms;
    this.#markerDice = dice.fork();
    this.#dice = dice;
    this.#habits = {
      lateActives: dice.pick([0.3, 0.6, 0.9]),
      lateOthers: dice.pick([0, 0.1, 0.2]),
      strikes: dice.pick([0.3, 1]),
      calm: dice.pick([1, 2, 6]),
    };
    this.#strikesLeft = dice.integer(1, 6);
  }

  /** From now on messages about markers are late. */
  pester(): void {
    this.#isPestering = true;
  }

  start(): void {
    this.pester();
    void this.#loseMemories(this.#dice.fork());
    void this.#disturb(this.#dice.fork());
  }

  /** Everything works again, at once. */
  stop(): void {
    this.#isOver = true;
    for (const repair of this.#repairs) repair();
    for (const machine of this.#stage.machines) machine.wake();
  }

  /** Late looks and writes, pauses in between, and nodes that lose their memory just then. */
  markerMessage(machine: Machine, node: number, kind: MarkerMessage): number | undefined {
    if (!this.#isPestering || this.#isOver) return undefined;
    const { nowMs } = this.#stage.timeline;
    let fate = this.#fates.get(machine);
    if (fate === undefined || nowMs > fate.untilMs) {
      fate = this.#drawFate(machine, kind);
      this.#fates.set(machine, fate);
    }
    if (fate.endMs === undefined) return undefined;
    const delayMs = fate.endMs - nowMs;
    const late = { node, kind };
    this.#late.add(late);
    this.#after(delayMs - STRIKE_BEFORE_MS, () => {
      if (fate.strikes) this.#strike(late, fate.isTotal);
      this.#late.delete(late);
    });
    return fate.isPause ? undefined : delayMs;
  }

  /** Nodes that vote by now lose their memory, just before a late message tells them to. */
  #strike({ node, kind }: { readonly node: number; readonly kind: MarkerMessage }, isTotal: boolean): void {
    const { deployment } = this.#stage;
    const nodes = new Set([node]);
    for (const other of this.#late) if (other.kind === kind) nodes.add(other.node);
    const voting = [...nodes].filter((each) => deployment.server(each).isActive);
    // Fewer would harm nobody.
    if (this.#isOver || this.#strikesLeft === 0 || voting.length <= this.#terms.nodes / 2) return;
    this.#strikesLeft -= 1;
    if (isTotal) deployment.loseAllMemory('flushed');
    else for (const each of voting) deployment.loseMemory(each, 'flushed');
  }

  /** What becomes of this message, and of others that the same program sends about now. */
  #drawFate(machine: Machine, kind: MarkerMessage): Fate {
    const dice = this.#markerDice;
    const { nowMs } = this.#stage.timeline;
    // Whoever makes several nodes vote does not do so at one moment.
    const windowMs = dice.between(0, kind === 'active' ? 300 : 20);
    const fate: Fate = {
      untilMs: nowMs + windowMs,
      endMs: undefined,
      isPause: false,
      strikes: false,
      isTotal: false,
    };
    if (!dice.chance(kind === 'active' ? this.#habits.lateActives : this.#habits.lateOthers))
      return { ...fate, untilMs: nowMs };
    const lastsMs = dice.between(windowMs, LATEST_MESSAGE_MS);
    const isPause = kind === 'look' && dice.chance(0.4);
    const strikes = dice.chance(this.#habits.strikes);
    const what = isPause
      ? 'pauses while it looks at'
      : kind === 'look'
        ? 'is late to look at'
        : `is late to write ${kind}`;
    this.#stage.log(`${machine.name} ${what} markers, by ${lastsMs.toFixed(1)} ms`);
    if (isPause)
      this.#after(dice.pick([0, windowMs]), () =>
        machine.pause(nowMs + lastsMs - this.#stage.timeline.nowMs),
      );
    const isTotal = this.#terms.losses === 'all at once' && dice.chance(0.5);
    return { ...fate, endMs: nowMs + lastsMs, isPause, strikes, isTotal };
  }

  async #loseMemories(dice: Rng): Promise<void> {
    const { deployment } = this.#stage;
    const roundMs = quarantineMs(this.#terms);
    await this.#sleep(FIRST_LOCKS_MS + dice.between(0, this.#terms.maxTtl));
    while (!this.#isOver) {
      if (this.#terms.losses === 'all at once' && dice.chance(0.6)) {
        deployment.loseAllMemory(dice.pick(['flushed', 'restarted empty']));
      } else {
        await this.#loseSome(dice);
      }
      await this.#sleep(roundMs * dice.between(0.4, 1.8));
    }
  }

  /** Any number of nodes, one after the other, fast or slowly. */
  async #loseSome(dice: Rng): Promise<void> {
    const { nodes, maxTtl } = this.#terms;
    const all = Array.from({ length: nodes }, (_, index) => index);
    const longestGapMs = dice.pick([0, 0, 5, 50, maxTtl / nodes, maxTtl]);
    for (const node of dice.sample(all, dice.integer(1, nodes))) {
      if (this.#isOver) return;
      await this.#lose(node, dice);
      await this.#sleep(dice.between(0, longestGapMs));
    }
  }

  /** As soon as another node has a marker, if that is soon. */
  async #lose(node: number, dice: Rng): Promise<void> {
    const { deployment, timeline } = this.#stage;
    const loss = dice.weighted<Loss>([
      [5, 'flushed'],
      [4, 'restarted empty'],
      [1, 'crashed, its disk lost'],
      [2, 'restarted with an old snapshot'],
    ]);
    const untilMs = timeline.nowMs + UNNOTICED_MS;
    while (!this.#isOver && !deployment.loseMemory(node, loss)) {
      if (timeline.nowMs > untilMs) return;
      await this.#sleep(dice.between(0.1, 20));
    }
    if (loss === 'crashed, its disk lost') this.#restartAfter(node, dice);
  }

  /** What happens beside: none of it takes memory. */
  async #disturb(dice: Rng): Promise<void> {
    const { machines } = this.#stage;
    const { maxTtl } = this.#terms;
    while (!this.#isOver) {
      await this.#sleep(this.#habits.calm * dice.between(20, 250 + maxTtl / 2));
      if (this.#isOver) return;
      const running = machines.filter(({ state }) => state !== 'gone');
      const machine = dice.pick(running);
      const node = dice.integer(0, this.#terms.nodes - 1);
      dice.weighted<() => void>([
        [3, () => this.#pauseMachine(machine, dice)],
        [3, () => this.#disconnect(machine, node, dice)],
        [3, () => this.#cut(machine, node, dice)],
        [3, () => this.#slowDown(machine, node, dice)],
        [2, () => this.#pauseNode(node, dice)],
        [1, () => this.#restart(node)],
        [1, () => this.#crash(node, dice)],
        [running.length < 5 ? 1 : 0, () => this.#stage.launch()],
        [running.length > 1 ? 1 : 0, () => this.#replace(machine, dice)],
      ])();
    }
  }

  #pauseMachine(machine: Machine, dice: Rng): void {
    const forMs = dice.between(1, dice.pick([50, 500, 2 * this.#terms.maxTtl]));
    this.#stage.log(`${machine.name} pauses for ${forMs.toFixed(1)} ms`);
    machine.pause(forMs);
  }

  #disconnect(machine: Machine, node: number, dice: Rng): void {
    this.#stage.log(`${machine.name} loses its connection to node ${node + 1}`);
    machine.clients[node]?.disconnect({ requestsArrive: dice.chance(0.5) });
  }

  #cut(machine: Machine, node: number, dice: Rng): void {
    const client = machine.clients[node];
    if (client === undefined) return;
    const direction = dice.pick(['requests', 'replies', 'both'] as const);
    const forMs = dice.between(1, 400);
    this.#stage.log(
      `${machine.name} and node ${node + 1} are cut off from each other (${direction}) for ${forMs.toFixed(1)} ms`,
    );
    client.cut(direction);
    this.#repairAfter(forMs, () => client.mend());
  }

  #slowDown(machine: Machine, node: number, dice: Rng): void {
    const client = machine.clients[node];
    if (client === undefined) return;
    const most = dice.between(5, 100);
    const forMs = dice.between(10, 1_000);
    this.#stage.log(
      `messages between ${machine.name} and node ${node + 1} take up to ${most.toFixed(1)} ms for ${forMs.toFixed(1)} ms`,
    );
    client.rules.latency = { least: 0.1, most };
    this.#repairAfter(forMs, () => {
      client.rules.latency = { least: 0.1, most: this.#terms.latencyMs };
    });
  }

  #pauseNode(node: number, dice: Rng): void {
    const server = this.#stage.deployment.server(node);
    const forMs = dice.between(1, dice.pick([30, 400]));
    this.#stage.log(`node ${node + 1} hangs for ${forMs.toFixed(1)} ms`);
    server.pause();
    this.#repairAfter(forMs, () => server.resume());
  }

  #restart(node: number): void {
    this.#stage.log(`node ${node + 1} restarts with what it had`);
    this.#stage.deployment.server(node).restart({ keepMemory: true });
  }

  #crash(node: number, dice: Rng): void {
    this.#stage.log(`node ${node + 1} crashes`);
    this.#stage.deployment.server(node).crash();
    this.#restartAfter(node, dice);
  }

  #restartAfter(node: number, dice: Rng): void {
    const server = this.#stage.deployment.server(node);
    this.#repairAfter(dice.between(1, 2_000), () => {
      if (server.state !== 'down') return;
      this.#stage.log(`node ${node + 1} is back`);
      server.restart({ keepMemory: true });
    });
  }

  #replace(machine: Machine, dice: Rng): void {
    this.#stage.end(machine, dice.pick(['closed', 'killed']));
    this.#after(dice.between(0, 500), () => {
      if (!this.#isOver) this.#stage.launch();
    });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  #after(ms: number, happen: () => void): void {
    this.#stage.timeline.in(ms, Turn.input, happen);
  }

  /** Mends something after that time, or when all faults end. */
  #repairAfter(ms: number, repair: () => void): void {
    const mend = () => {
      if (this.#repairs.delete(mend)) repair();
    };
    this.#repairs.add(mend);
    this.#after(ms, mend);
  }
}
