import type { RedlockWarning } from '../base/warning.ts';
import type { RedlockOptions } from '../redlock/options.ts';
import { Redlock } from '../redlock.ts';
import { checkNetwork, type NetworkRules } from './connection.ts';
import type { SeededRandom } from './seeded-random.ts';
import { SimulatedClient } from './simulated-client.ts';
import type { SimulatedServer } from './simulated-node.ts';
import { Turn } from './timeline.ts';
import type { Trace } from './trace.ts';
import type { ClockErrors, VirtualClock } from './virtual-clock.ts';

/** The settings of one machine. */
export interface MachineOptions {
  /** For traces. Default: `machine 1` and so on. */
  readonly name?: string;
  /** The nodes that it is connected to. Default: all of the simulation. */
  readonly nodes?: readonly SimulatedServer[];
  /** The errors of its clocks. Default: none. */
  readonly clocks?: ClockErrors;
  /** The network between it and the nodes. Default: that of the simulation. */
  readonly network?: Partial<NetworkRules>;
}

/** What a machine needs of its simulation. */
export interface MachineDeps {
  readonly name: string;
  readonly nodes: readonly SimulatedServer[];
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly network: Partial<NetworkRules>;
  readonly trace: Trace | undefined;
}

/**
 * One simulated host and the process that runs on it, with clocks and connections of its own. It is *running*,
 * *paused* (nothing happens on it, while its clocks and the rest of the world go on), or *dead*.
 */
export class Machine {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly nodes: readonly SimulatedServer[];
  /** Its connections, one to each of its nodes, in their order. */
  readonly clients: readonly SimulatedClient[];
  /** The warnings of this machine's Redlocks. */
  readonly warnings: RedlockWarning[] = [];
  readonly #random: SeededRandom;
  readonly #trace: Trace | undefined;
  #state: 'running' | 'paused' | 'dead' = 'running';

  /** Made by {@link Simulation.machine}. */
  constructor({ name, nodes, clock, random, network, trace }: MachineDeps) {
    checkNetwork(network);
    this.name = name;
    this.nodes = nodes;
    this.clock = clock;
    this.#random = random;
    this.#trace = trace;
    this.clients = nodes.map(
      (node) =>
        new SimulatedClient(
          node,
          clock,
          random.fork(),
          network,
          trace === undefined ? undefined : { from: name, to: trace },
        ),
    );
  }

  get state(): 'running' | 'paused' | 'dead' {
    return this.#state;
  }

  /**
   * A Redlock on this machine, over all its nodes. It is the library itself; only its clock, its chance and its
   * connections are simulated. {@link warnings} collects its warnings, unless `onWarning` is given.
   */
  redlock(options: RedlockOptions = {}): Redlock {
    return new Redlock(this.clients, {
      onWarning: (warning) => this.warnings.push(warning),
      clock: this.clock,
      random: this.#random.fork(),
      owner: this.name,
      ...options,
    });
  }

  /** Resolves when this much time has passed by the clocks of this machine, and it runs. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }

  /**
   * Stops the process for so much true time, as SIGSTOP or a long garbage collection would: its clocks go on.
   * Afterwards it handles the input that arrived meanwhile before the timers that fell due. Does nothing unless it is
   * running.
   */
  pause(ms: number): void {
    if (this.#state !== 'running') return;
    this.#halt(`is paused for ${ms} ms`, ms, () => this.clock.freeze());
  }

  /** As {@link pause}, of the whole host: its monotonic clock stands still meanwhile, as on Linux. */
  suspend(ms: number): void {
    if (this.#state !== 'running') return;
    this.#halt(`is suspended for ${ms} ms`, ms, () => this.clock.fallAsleep());
  }

  /** Ends a pause early. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#note('goes on');
    this.#state = 'running';
    this.clock.wakeUp();
  }

  /** The process dies: nothing ever happens on it again, its connections break, and its locks stay as they are. */
  kill(): void {
    if (this.#state === 'dead') return;
    this.#note('is killed');
    this.#state = 'dead';
    this.clock.freeze();
    for (const client of this.clients) client.disconnect({ requestsArrive: true });
  }

  #halt(what: string, ms: number, stop: () => void): void {
    this.#note(what);
    this.#state = 'paused';
    stop();
    this.clock.timeline.in(ms, Turn.outside, () => this.resume());
  }

  #note(what: string): void {
    this.#trace?.note(this.name, what);
  }
}
