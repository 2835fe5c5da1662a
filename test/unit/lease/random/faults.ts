import type { Rng } from '../../../../src/testing/rng.ts';
import type { SimulatedServer } from '../../../../src/testing/simulated-node.ts';
import type { Simulation } from '../../../../src/testing/simulation.ts';
import { Turn } from '../../../../src/testing/timeline.ts';
import type { Program } from './program.ts';
import { MAX_TTL, NODE_TIMEOUT, type Terms } from './terms.ts';

/** What the faults are done to. */
interface Stage {
  readonly simulation: Simulation;
  readonly terms: Terms;
  readonly programs: readonly Program[];
  /** A new program in the place of one that is gone. */
  launch(): void;
}

/** Much more than the nodes let a token be ahead of their clocks. */
const SET_BACK_MS = 5 * MAX_TTL;

/** By then counters were raised. */
const FIRST_MS = 30;

const ROUGH = [
  'pause',
  'suspend',
  'kill',
  'close',
  'own wall clock',
  'own uptime',
  'cut',
  'disconnect',
  'hang',
  'crash',
  'set back',
] as const;
const BEYOND = [...ROUGH, 'leap', 'evict', 'evict'] as const;
const FORGETFUL = [...BEYOND, 'flush'] as const;

/** One fault after the other, until it is told to stop; then everything is mended. */
export class Faults {
  readonly #stage: Stage;
  readonly #rng: Rng;
  readonly #repairs: (() => void)[] = [];
  #isOver = false;
  /** How long the nodes' clocks were set back, which have keys live longer. */
  longestSetBackMs = 0;

  constructor(stage: Stage, rng: Rng) {
    this.#stage = stage;
    this.#rng = rng;
    if (stage.terms.isSetBack) {
      stage.simulation.timeline.in(FIRST_MS, Turn.input, () => this.#setBack(stage.simulation.nodes));
    }
    if (stage.terms.weather !== 'quiet') this.#goOn();
  }

  stop(): void {
    this.#isOver = true;
    for (const repair of this.#repairs) repair();
    for (const { machine } of this.#stage.programs) machine.resume();
  }

  #goOn(): void {
    const { simulation, terms } = this.#stage;
    simulation.timeline.in(this.#rng.between(0, 2) * terms.faultEvery, Turn.input, () => {
      if (this.#isOver) return;
      this.#happen();
      this.#goOn();
    });
  }

  #happen(): void {
    const { simulation, terms, programs } = this.#stage;
    const rng = this.#rng;
    const kinds = terms.isForgetful ? FORGETFUL : terms.weather === 'beyond' ? BEYOND : ROUGH;
    const program = rng.pick(
      programs.filter(({ machine, isClosed }) => machine.state !== 'dead' && !isClosed),
    );
    const { machine } = program;
    const some = rng.sample(simulation.nodes, rng.integer(1, terms.nodes));
    const links = some.map(
      ({ address }) => machine.clients[simulation.nodes.findIndex((each) => each.address === address)],
    );
    const briefly = rng.between(0, rng.pick([2, NODE_TIMEOUT, 100, MAX_TTL]));
    const fault = rng.pick(kinds);
    simulation.note(fault, machine.name);
    switch (fault) {
      case 'pause':
      case 'suspend':
        program.halts += 1;
        machine[fault](briefly);
        break;
      case 'kill':
        program.halts += 1;
        machine.kill();
        this.#stage.launch();
        break;
      case 'close':
        program.isClosed = true;
        void program.redlock.close();
        this.#stage.launch();
        break;
      case 'own wall clock':
        machine.clock.stepWall(rng.between(-2, 2) * MAX_TTL);
        break;
      case 'own uptime':
        machine.clock.stepUptime(rng.between(0, MAX_TTL));
        break;
      case 'cut':
        for (const link of links) link?.cut(rng.pick(['requests', 'replies', 'both'] as const));
        this.#repairAfter(briefly, () => {
          for (const link of links) link?.mend();
        });
        break;
      case 'disconnect':
        for (const link of links) link?.disconnect({ requestsArrive: rng.chance(0.5) });
        break;
      case 'hang':
        for (const each of some) each.pause();
        this.#repairAfter(briefly, () => {
          for (const each of some) each.resume();
        });
        break;
      case 'crash':
        for (const each of some) each.crash();
        this.#repairAfter(briefly, () => {
          for (const each of some) if (each.state === 'down') each.restart({ keepMemory: true });
        });
        break;
      default:
        this.#befallNodes(fault, some);
    }
  }

  /** What needs no repair. */
  #befallNodes(fault: 'set back' | 'leap' | 'evict' | 'flush', some: readonly SimulatedServer[]): void {
    const { nodes } = this.#stage.simulation;
    const rng = this.#rng;
    switch (fault) {
      case 'set back':
        this.#setBack(rng.chance(0.5) ? nodes : some);
        break;
      case 'leap':
        for (const { wall } of rng.chance(0.5) ? nodes : some) wall.step(2 * MAX_TTL);
        break;
      case 'evict':
        for (const each of some) each.evict(rng.pick(['lock:a', 'lock:b', 'quorlock:slot:0:whole:{lock:s}']));
        break;
      case 'flush':
        rng.pick(nodes).flushAll();
    }
  }

  #setBack(nodes: readonly SimulatedServer[]): void {
    this.longestSetBackMs += SET_BACK_MS;
    for (const { wall } of nodes) wall.step(-SET_BACK_MS);
  }

  #repairAfter(ms: number, repair: () => void): void {
    this.#repairs.push(repair);
    this.#stage.simulation.timeline.in(ms, Turn.input, repair);
  }
}
