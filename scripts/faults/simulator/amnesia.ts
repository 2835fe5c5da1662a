import { MARKER_KEY, type Marker, parseMarker } from '../../../src/node/marker.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import type { Rng } from '../../../src/testing/rng.ts';
import type { SimulatedServer } from '../../../src/testing/simulated-node.ts';
import { Turn } from '../../../src/testing/timeline.ts';
import { markerScript } from '../../../src/wire/scripts.ts';
import type { Stage } from './faults.ts';

/**
 * How nodes lose their memory.
 *
 * - `one by one`: any number of nodes, at any pace, all of them within one ttl too; but at every moment some node has a
 *   marker, be it one that only says that it is joining, or one of an earlier process, or on a node that is down.
 * - `all at once`: as before, and beside that all nodes in the same moment, while locks are held.
 */
export type Losses = 'one by one' | 'all at once';

/** How a node loses its memory. */
type Loss =
  | 'flushed'
  | 'restarted empty'
  | 'crashed, its disk lost'
  /** What it had on disk was older than all locks, but not than its marker. */
  | 'restarted with an old snapshot';

/** A look at a marker, or the state of one that is written. */
type MarkerMessage = 'look' | Marker['state'];

/** A message about a marker is late by this at the most, so that it may miss the half second it has or not. */
const LATEST_MESSAGE_MS = 550;

/** How long to wait until a loss is noticed, before the next node loses its memory all the same or not at all. */
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
  readonly endMs?: number;
  readonly isPause?: boolean;
  /** Which nodes lose their memory just before. */
  readonly strikes?: 'none' | 'those' | 'all';
}

/** Nodes lose their memory; and messages that decide which nodes may vote are late, just then. */
export class Amnesia {
  readonly #stage: Stage;
  readonly #losses: Losses;
  readonly #dice: Rng;
  readonly #markerDice: Rng;
  /** Some faults are frequent in one run and rare in another: those that need each other must meet. */
  readonly #habits: {
    /** How many of the messages that make a node vote are late, from 0 to 1; of others about markers. */
    readonly lateActives: number;
    readonly lateOthers: number;
    /** In how many of these cases nodes lose their memory just then. */
    readonly strikes: number;
  };
  readonly #fates = new Map<Machine, Fate>();
  readonly #late = new Set<{ readonly node: number; readonly kind: MarkerMessage }>();
  #strikesLeft: number;
  #isOver = false;

  /** From now on messages about markers are late, but no memory is lost. */
  constructor(stage: Stage, losses: Losses, dice: Rng) {
    this.#stage = stage;
    this.#losses = losses;
    this.#markerDice = dice.fork();
    this.#dice = dice;
    this.#habits = {
      lateActives: dice.pick([0.3, 0.6, 0.9]),
      lateOthers: dice.pick([0, 0.1, 0.2]),
      strikes: dice.pick([0.3, 1]),
    };
    this.#strikesLeft = dice.integer(1, 6);
  }

  /** From now on nodes lose their memory. */
  async start(roundMs: number): Promise<void> {
    const dice = this.#dice;
    const { nodes } = this.#stage.simulation;
    const { maxTtl } = this.#stage.mix;
    await this.#sleep(FIRST_LOCKS_MS + dice.between(0, maxTtl));
    while (!this.#isOver) {
      if (this.#losses === 'all at once' && dice.chance(0.6)) {
        for (const node of nodes) this.#forget(node, dice.pick(['flushed', 'restarted empty']));
      } else {
        // Any number of nodes, one after the other, fast or slowly.
        const longestGapMs = dice.pick([0, 0, 5, 50, maxTtl / nodes.length, maxTtl]);
        for (const node of dice.sample(nodes, dice.integer(1, nodes.length))) {
          await this.#lose(node);
          await this.#sleep(dice.between(0, longestGapMs));
        }
      }
      await this.#sleep(roundMs * dice.between(0.4, 1.8));
    }
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Has the messages of a machine about markers be late. */
  pester(machine: Machine): void {
    machine.clients.forEach((client, node) => {
      const send = client.evalsha.bind(client);
      client.evalsha = (...call) => {
        const [sha1, , [marker]] = call;
        if (sha1 !== markerScript.sha1) return send(...call);
        const delayMs = this.#delayOf(machine, node, parseMarker(String(marker))?.state ?? 'look');
        const { latency } = client.rules;
        if (delayMs !== undefined) client.rules.latency = { least: delayMs, most: delayMs };
        const answer = send(...call);
        client.rules.latency = latency;
        return answer;
      };
    });
  }

  /** How long a message takes, if that is not usual: late looks and writes, and pauses in between. */
  #delayOf(machine: Machine, node: number, kind: MarkerMessage): number | undefined {
    if (this.#isOver) return undefined;
    const { nowMs } = this.#stage.simulation;
    let fate = this.#fates.get(machine);
    if (fate === undefined || nowMs > fate.untilMs) {
      fate = this.#drawFate(machine, kind);
      this.#fates.set(machine, fate);
    }
    const { endMs, strikes, isPause } = fate;
    if (endMs === undefined) return undefined;
    const delayMs = endMs - nowMs;
    const late = { node, kind };
    this.#late.add(late);
    this.#after(delayMs - STRIKE_BEFORE_MS, () => {
      if (strikes !== 'none') this.#strike(late, strikes === 'all');
      this.#late.delete(late);
    });
    return isPause === true ? undefined : delayMs;
  }

  /** What becomes of this message, and of others that the same program sends about now. */
  #drawFate(machine: Machine, kind: MarkerMessage): Fate {
    const dice = this.#markerDice;
    const { nowMs } = this.#stage.simulation;
    // A program that makes several nodes vote does not do so at one moment.
    const windowMs = dice.between(0, kind === 'active' ? 300 : 20);
    if (!dice.chance(kind === 'active' ? this.#habits.lateActives : this.#habits.lateOthers))
      return { untilMs: nowMs };
    const lastsMs = dice.between(windowMs, LATEST_MESSAGE_MS);
    const isPause = kind === 'look' && dice.chance(0.4);
    const strikes = dice.chance(this.#habits.strikes);
    this.#note(`${isPause ? 'pauses' : 'is late'} by ${lastsMs.toFixed(1)} ms: ${kind}`, machine.name);
    if (isPause) {
      this.#after(dice.pick([0, windowMs]), () =>
        this.#pause(machine, nowMs + lastsMs - this.#stage.simulation.nowMs),
      );
    }
    const isTotal = this.#losses === 'all at once' && dice.chance(0.5);
    return {
      untilMs: nowMs + windowMs,
      endMs: nowMs + lastsMs,
      isPause,
      strikes: !strikes ? 'none' : isTotal ? 'all' : 'those',
    };
  }

  /** Nodes that vote by now lose their memory, just before a late message tells them to. */
  #strike({ node, kind }: { readonly node: number; readonly kind: MarkerMessage }, isTotal: boolean): void {
    const { nodes } = this.#stage.simulation;
    const late = new Set([
      node,
      ...[...this.#late].filter((other) => other.kind === kind).map((other) => other.node),
    ]);
    const voting = nodes.filter((each, index) => late.has(index) && markerOf(each) === 'active');
    // Fewer would harm no lock.
    if (this.#isOver || this.#strikesLeft === 0 || voting.length <= nodes.length / 2) return;
    this.#strikesLeft -= 1;
    for (const each of isTotal ? nodes : voting)
      if (isTotal || this.#may(each)) this.#forget(each, 'flushed');
  }

  /** As soon as another node has a marker, if that is soon. */
  async #lose(node: SimulatedServer): Promise<void> {
    const dice = this.#dice;
    const { simulation } = this.#stage;
    const loss = dice.weighted<Loss>([
      [5, 'flushed'],
      [4, 'restarted empty'],
      [1, 'crashed, its disk lost'],
      [2, 'restarted with an old snapshot'],
    ]);
    const untilMs = simulation.nowMs + UNNOTICED_MS;
    while (!this.#isOver) {
      if (loss === 'restarted with an old snapshot' || this.#may(node)) {
        this.#forget(node, loss);
        return;
      }
      if (simulation.nowMs > untilMs) return;
      await this.#sleep(dice.between(0.1, 20));
    }
  }

  /** Whether another node would remember that there is a deployment: the one thing that `auto` relies on. */
  #may(node: SimulatedServer): boolean {
    if (this.#stage.mix.quarantine === 'off') return true;
    return this.#stage.simulation.nodes.some(
      (other) => other !== node && ['active', 'joining'].includes(markerOf(other) ?? ''),
    );
  }

  #forget(node: SimulatedServer, loss: Loss): void {
    this.#stage.lost();
    this.#note(loss, node.address);
    const marker = node.store.get(MARKER_KEY);
    if (loss === 'restarted empty') node.restart({ keepMemory: false });
    if (loss === 'crashed, its disk lost') {
      node.crash();
      this.#stage.restartLater(node);
    }
    node.flushAll();
    if (loss !== 'restarted with an old snapshot') return;
    if (marker !== undefined) node.store.set(MARKER_KEY, marker);
    node.restart({ keepMemory: true });
  }

  #pause(machine: Machine, forMs: number): void {
    this.#stage.halts(machine, forMs);
    machine.pause(forMs);
  }

  #note(what: string, who: string): void {
    this.#stage.note(what, who);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  #after(ms: number, happen: () => void): void {
    this.#stage.simulation.timeline.in(ms, Turn.input, happen);
  }
}

function markerOf({ store }: SimulatedServer): Marker['state'] | undefined {
  return parseMarker(store.get(MARKER_KEY) ?? '')?.state;
}
