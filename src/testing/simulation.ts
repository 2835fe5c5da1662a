import { describe, read } from '../base/describe.ts';
import { checkNetwork, type NetworkRules } from './connection.ts';
import { Machine, type MachineOptions } from './machine.ts';
import { SeededRandom } from './seeded-random.ts';
import { SimulatedServer } from './simulated-node.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';
import { VirtualClock } from './virtual-clock.ts';

/** A world of its own, settled before anything happens in it. */
export interface SimulationOptions {
  /** How many Redis masters there are. Default 3; an integer from 1 to 99. */
  readonly nodes?: number;
  /** Decides all chance. Default 1; an integer from 0 to 2^32 - 1. */
  readonly seed?: number;
  /** How the network behaves. Default: messages take 0.1 to 0.5 ms one way, and nothing goes wrong. */
  readonly network?: Partial<NetworkRules>;
  /** Gets the events of the simulation, a line each. */
  readonly trace?: (line: string) => void;
}

const MOST_NODES = 99;

/**
 * Redis nodes, a network and machines that exist in virtual time only. No timer is real, nothing is sent, and the
 * same seed gives the same run. Time passes only inside {@link advance} and {@link until}.
 */
export class Simulation {
  readonly nodes: readonly SimulatedServer[];
  readonly timeline = new Timeline();
  readonly #random: SeededRandom;
  readonly #network: Partial<NetworkRules>;
  readonly #trace: Trace | undefined;
  readonly #machines: Machine[] = [];

  /** @throws {TypeError | RangeError} an option of a wrong type or out of its bounds */
  constructor(options: SimulationOptions = {}) {
    const {
      nodes = 3,
      seed = 1,
      network = {},
      trace,
    } = read('options', () => ({
      nodes: options.nodes,
      seed: options.seed,
      network: options.network,
      trace: options.trace,
    }));
    checkInteger('nodes', nodes, 1, MOST_NODES);
    checkInteger('seed', seed, 0, 2 ** 32 - 1);
    checkNetwork(network);
    this.#random = new SeededRandom(seed);
    this.#network = network;
    this.#trace = trace === undefined ? undefined : new Trace(this.timeline, trace);
    this.nodes = Array.from(
      { length: nodes },
      (_, index) =>
        new SimulatedServer(this.timeline, this.#random.fork(), {
          address: `node-${index + 1}:6379`,
          trace: this.#trace,
        }),
    );
  }

  /** True milliseconds since the beginning; every clock of a machine may show something else. */
  get nowMs(): number {
    return this.timeline.nowMs;
  }

  /** Another machine, with connections of its own. */
  machine({ name, nodes = this.nodes, clocks, network }: MachineOptions = {}): Machine {
    const machine = new Machine({
      name: name ?? `machine ${this.#machines.length + 1}`,
      nodes,
      clock: new VirtualClock(this.timeline, clocks),
      random: this.#random.fork(),
      network: { ...this.#network, ...network },
      trace: this.#trace,
    });
    this.#machines.push(machine);
    return machine;
  }

  /** Lets this much time pass, with all events that are due in it. */
  advance(ms: number): Promise<void> {
    return this.timeline.advance(ms);
  }

  /**
   * Lets time pass until the promise has settled, and no further. Returns its result or throws its error.
   *
   * @param withinMs default: a day
   * @throws {Error} it can't settle any more, or did not in time
   */
  until<Result>(promise: PromiseLike<Result>, withinMs?: number): Promise<Result> {
    return this.timeline.runUntil(promise, withinMs);
  }

  /**
   * Cuts the network: machines and nodes of different groups do not reach each other from now on; neither end notices
   * but by waiting. Those in no group make up another one. Replaces an earlier partition.
   */
  partition(...groups: readonly (readonly (Machine | SimulatedServer)[])[]): void {
    this.heal();
    this.note('is partitioned');
    const groupOf = (member: Machine | SimulatedServer) =>
      groups.findIndex((group) => group.includes(member));
    for (const machine of this.#machines) {
      machine.nodes.forEach((node, index) => {
        if (groupOf(machine) !== groupOf(node)) machine.clients[index]?.cut('both');
      });
    }
  }

  /** Ends all partitions; messages that were held up arrive. */
  heal(): void {
    this.note('is whole');
    for (const { clients } of this.#machines) for (const client of clients) client.mend();
  }

  /** Writes a line of the caller's into the trace. */
  note(what: string, who = 'network'): void {
    this.#trace?.note(who, what);
  }
}

function checkInteger(name: string, value: unknown, least: number, most: number): void {
  if (typeof value !== 'number' || !Number.isInteger(value)) {
    throw new TypeError(`${name} must be an integer: got ${describe(value)}`);
  }
  if (value < least || value > most) {
    throw new RangeError(`${name} must be from ${least} to ${most}: got ${value}`);
  }
}
