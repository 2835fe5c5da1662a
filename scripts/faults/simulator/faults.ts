import { slotKeyOf } from '../../../src/quorum/fencing-token.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import type { Rng } from '../../../src/testing/rng.ts';
import type { SimulatedServer } from '../../../src/testing/simulated-node.ts';
import type { Simulation } from '../../../src/testing/simulation.ts';
import { Turn } from '../../../src/testing/timeline.ts';
import type { Fault, Mix } from './mix.ts';

/** What the faults are done to. */
export interface Stage {
  readonly simulation: Simulation;
  readonly mix: Mix;
  readonly machines: readonly Machine[];
  /** A new machine in the place of one that died. */
  launch(): void;
  /** A program ends in good order. */
  close(machine: Machine): void;
  /** A machine is about to stand still. */
  halts(machine: Machine, forMs: number): void;
  /** A node that crashed comes back after a while. */
  restartLater(node: SimulatedServer): void;
  /** A node lost its memory. */
  lost(): void;
  note(what: string, who: string): void;
}

/** How far nodes' clocks are set back, in largest ttls: much more than nodes let a token be ahead of their clocks. */
const SET_BACK = 5;
/** By then counters were raised. */
const FIRST_SET_BACK_MS = 30;

/** Draws one fault after the other, until it is told to stop; then everything is mended. */
export class Faults {
  readonly #stage: Stage;
  readonly #dice: Rng;
  readonly #repairs = new Set<() => void>();
  #isOver = false;
  /** By how much nodes' clocks were set back, which has keys live longer. */
  setBackMs = 0;

  constructor(stage: Stage, dice: Rng) {
    this.#stage = stage;
    this.#dice = dice;
    const { broken, faults } = stage.mix;
    const { nodes } = stage.simulation;
    if (stage.mix.turns?.isSetBack) this.#after(FIRST_SET_BACK_MS, () => this.#setBack(nodes));
    if (faults.length > 0) this.#goOn();
    if (broken === 'step') this.#stepNodes();
    if (broken === 'owner-only extend') this.#evict();
  }

  /** No fault comes any more, and what was broken works again. */
  stop(): void {
    this.#isOver = true;
    for (const repair of this.#repairs) repair();
    for (const machine of this.#stage.machines) machine.resume();
  }

  #goOn(): void {
    const { faults, faultEvery } = this.#stage.mix;
    this.#after(-Math.log(1 - this.#dice.between(0, 1)) * faultEvery, () => {
      this.#happen(this.#dice.pick(faults));
      this.#goOn();
    });
  }

  #happen(fault: Fault): void {
    const { simulation, machines, mix } = this.#stage;
    const dice = this.#dice;
    const alive = machines.filter(({ state }) => state !== 'dead');
    if (alive.length === 0) return;
    const machine = dice.pick(alive);
    const node = dice.pick(simulation.nodes);
    const some =
      mix.turns === undefined
        ? [node]
        : dice.sample(simulation.nodes, dice.integer(1, simulation.nodes.length));
    const clients = some.flatMap((each) => machine.clients[simulation.nodes.indexOf(each)] ?? []);
    const briefly = dice.between(0, dice.pick(mix.lasting));
    if (mix.losses !== undefined) this.#stage.note(fault, fault.length > 5 ? machine.name : node.address);
    const happenings: Readonly<Record<Fault, () => void>> = {
      pause: () => {
        this.#stage.halts(machine, briefly);
        machine.pause(briefly);
      },
      suspend: () => {
        this.#stage.halts(machine, briefly);
        machine.suspend(briefly);
      },
      kill: () => {
        machine.kill();
        this.#stage.launch();
      },
      'wall step': () => {
        this.#stage.note('has its wall clock stepped', machine.name);
        machine.clock.stepWall(dice.between(-10, 10) * mix.maxTtl);
      },
      disconnect: () => {
        for (const client of clients) client.disconnect({ requestsArrive: dice.chance(0.5) });
      },
      cut: () => {
        for (const client of clients) client.cut(dice.pick(['requests', 'replies', 'both'] as const));
        this.#repairAfter(briefly, () => {
          for (const client of clients) client.mend();
        });
      },
      partition: () => {
        const some = [...dice.sample(alive, 1), ...dice.sample(simulation.nodes, dice.integer(0, 2))];
        simulation.partition(some);
        this.#repairAfter(briefly, () => simulation.heal());
      },
      'slow link': () => {
        const [client] = clients;
        if (client === undefined) return;
        client.rules.latency = { least: 0.1, most: mix.nodeTimeout };
        this.#repairAfter(briefly, () => {
          client.rules.latency = mix.latency;
        });
      },
      hang: () => {
        for (const each of some) each.pause();
        this.#repairAfter(briefly, () => {
          for (const each of some) each.resume();
        });
      },
      crash: () => {
        for (const each of some) {
          each.crash();
          this.restartAfter(briefly, each);
        }
      },
      forget: () => {
        if (dice.chance(0.5)) node.flushAll();
        else node.restart({ keepMemory: false });
      },
      'fail over': () => {
        const replica = node.snapshot();
        this.#after(briefly, () => node.failOver(replica));
      },
      restart: () => node.restart({ keepMemory: true }),
      replace: () => {
        this.#stage.close(machine);
        this.#stage.launch();
      },
      'own uptime': () => machine.clock.stepUptime(dice.between(0, mix.maxTtl)),
      'set back': () => this.#setBack(dice.chance(0.5) ? simulation.nodes : some),
      leap: () => {
        for (const { wall } of dice.chance(0.5) ? simulation.nodes : some) wall.step(2 * mix.maxTtl);
      },
      evict: () => {
        for (const each of some) each.evict(dice.pick(['lock:a', 'lock:b', slotKeyOf('lock:s', 0)]));
      },
    };
    happenings[fault]();
  }

  restartAfter(ms: number, node: SimulatedServer): void {
    this.#repairAfter(ms, () => {
      if (node.state === 'down') node.restart({ keepMemory: true });
    });
  }

  #setBack(nodes: readonly SimulatedServer[]): void {
    const byMs = SET_BACK * this.#stage.mix.maxTtl;
    this.setBackMs += byMs;
    for (const { wall } of nodes) wall.step(-byMs);
  }

  /** All nodes' clocks step forward by more than any ttl, now and then. */
  #stepNodes(): void {
    const { simulation, mix } = this.#stage;
    this.#after(this.#dice.between(1, 5) * mix.maxTtl, () => {
      for (const node of simulation.nodes) node.wall.step(mix.maxTtl);
      // Only who has not read the clocks before can be deceived by them.
      this.#stage.launch();
      this.#stepNodes();
    });
  }

  /** Memory is full: whatever is locked goes. */
  #evict(): void {
    const { simulation, mix } = this.#stage;
    this.#after(this.#dice.between(0, mix.ttl / 4), () => {
      for (const node of simulation.nodes) node.evict('lock:r1');
      this.#evict();
    });
  }

  #after(ms: number, happen: () => void): void {
    this.#stage.simulation.timeline.in(ms, Turn.input, () => {
      if (!this.#isOver) happen();
    });
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
