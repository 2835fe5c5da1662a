import { Node } from '../../src/node/node.ts';
import type { NodeSettings } from '../../src/node/node-settings.ts';
import type { RedlockOptions } from '../../src/redlock/options.ts';
import { Redlock } from '../../src/redlock.ts';
import type { NetworkRules } from '../../src/testing/connection.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedClient } from '../../src/testing/simulated-client.ts';
import { SimulatedServer } from '../../src/testing/simulated-node.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';

/** One simulated machine, connected to all servers of a world. */
export interface Machine {
  readonly clock: VirtualClock;
  readonly clients: readonly SimulatedClient[];
}

/** Simulated servers and the machines that use them. The first machine is the world itself. */
export class World implements Machine {
  readonly random: SeededRandom;
  readonly clock = new VirtualClock();
  readonly servers: readonly SimulatedServer[];
  readonly clients: readonly SimulatedClient[];
  readonly #rules: Partial<NetworkRules>;

  constructor(nodeCount: number, rules: Partial<NetworkRules> = {}, seed = 1) {
    this.random = new SeededRandom(seed);
    this.#rules = rules;
    this.servers = Array.from(
      { length: nodeCount },
      (_, index) =>
        new SimulatedServer(this.clock.timeline, this.random.fork(), { address: `node-${index}:6379` }),
    );
    this.clients = this.#connect(this.clock);
  }

  /** Another machine in the same world. */
  machine(): Machine {
    const clock = new VirtualClock(this.clock.timeline);
    return { clock, clients: this.#connect(clock) };
  }

  /** A Redlock without quarantine: these tests are about locks, on nodes that may vote. */
  redlock(options: RedlockOptions = {}, { clock, clients }: Machine = this): Redlock {
    return new Redlock(clients, {
      quarantine: 'off',
      onWarning: () => undefined,
      clock,
      random: this.random.fork(),
      ...options,
    });
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
            driftFactor: 0.01,
            maxTtl: 30_000,
            nodeTimeout: 50,
            lookTimeout: 1_000,
            fenceRetention: 3_600_000,
            usesMarker: false,
            ...settings,
          },
          { looked: (node) => node.admit(), clockDiverged: () => undefined },
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
    for (const server of servers) server.store.set(key, 'somebody else', String(ttl));
  }

  /** How many script calls each server has done. */
  get commands(): readonly number[] {
    return this.servers.map(({ commands }) => commands);
  }

  #connect(clock: VirtualClock): readonly SimulatedClient[] {
    return this.servers.map((server) => new SimulatedClient(server, clock, this.random.fork(), this.#rules));
  }
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`the world has no node ${index}`);
  return item;
}
