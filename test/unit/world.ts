import { Node } from '../../src/node/node.ts';
import type { NodeSettings } from '../../src/node/node-settings.ts';
import type { RedlockOptions } from '../../src/redlock/options.ts';
import type { Redlock } from '../../src/redlock.ts';
import type { NetworkRules } from '../../src/testing/connection.ts';
import type { Machine, MachineOptions } from '../../src/testing/machine.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import type { SimulatedClient } from '../../src/testing/simulated-client.ts';
import type { SimulatedServer } from '../../src/testing/simulated-node.ts';
import { Simulation } from '../../src/testing/simulation.ts';
import type { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** Settings of nodes that have nothing to do with how many there are, and with their clock. */
export const NODE_SETTINGS = {
  ...{ driftFactor: 0.01, maxTtl: 30_000, nodeTimeout: 50, leastTimeout: 50, grace: 50 },
  ...{ handshakeTimeout: 1_000, fenceRetention: 3_600_000, usesMarker: false, probeKeys: [] },
};

/** A simulation, seen from its first machine: most tests need no other one. */
export class World {
  readonly random: SeededRandom;
  readonly #simulation: Simulation;
  /** The machine that the tests are on. */
  readonly here: Machine;

  constructor(nodeCount: number, network: Partial<NetworkRules> = {}, seed = 1) {
    this.random = new SeededRandom(seed);
    this.#simulation = new Simulation({ nodes: nodeCount, network, seed });
    this.here = this.machine();
  }

  get servers(): readonly SimulatedServer[] {
    return this.#simulation.nodes;
  }

  get clock(): VirtualClock {
    return this.here.clock;
  }

  get clients(): readonly SimulatedClient[] {
    return this.here.clients;
  }

  /** Another machine in the same world. */
  machine(options?: MachineOptions): Machine {
    return this.#simulation.machine(options);
  }

  /** A Redlock without quarantine: these tests are about locks, on nodes that may vote. */
  redlock(options: RedlockOptions = {}, machine: Machine = this.here): Redlock {
    return machine.redlock({ quarantine: 'off', onWarning: () => undefined, ...options });
  }

  /** Nodes that are up and vote, with nothing above them. */
  async nodes(settings: Partial<NodeSettings> = {}): Promise<readonly Node[]> {
    const nodes = this.clients.map(
      (client) =>
        new Node(
          client,
          {
            clock: this.clock,
            nodeCount: this.clients.length,
            ...NODE_SETTINGS,
            ...settings,
          },
          { greeted: (node) => node.admit(), clockDiverged: () => undefined, tooSlow: () => undefined },
        ),
    );
    await this.clock.advance(10);
    return nodes;
  }

  server(index: number): SimulatedServer {
    return at(this.servers, index);
  }

  client(index: number): SimulatedClient {
    return at(this.clients, index);
  }

  /** What every server has under a key; `down` for one that is not up. */
  valuesOf(key: string): readonly (string | undefined)[] {
    return this.servers.map((server) => (server.state === 'up' ? server.store.get(key) : server.state));
  }

  /** Takes a key on these servers as any other Redlock would. */
  holdElsewhere(key: string, ttl: number, servers: readonly SimulatedServer[] = this.servers): void {
    for (const server of servers) server.store.set(key, 'another holder', String(ttl));
  }

  /** How many script calls each server has done. */
  get commands(): readonly number[] {
    return this.servers.map(({ commands }) => commands);
  }
}

/** @throws {Error} there is no such one */
export function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`there is no ${index}`);
  return item;
}
