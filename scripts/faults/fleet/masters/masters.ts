import type { Ability } from '../../plan.ts';
import { Master } from './master.ts';
import type { MasterServer, ServerFleet } from './server.ts';

/** A deployment whose nodes, network and clocks can be made to fail, whatever its servers are. */
export class Masters implements AsyncDisposable {
  readonly nodes: readonly Master[];
  readonly #fleet: ServerFleet;
  #spare: MasterServer | undefined;

  private constructor(fleet: ServerFleet, nodes: readonly Master[]) {
    this.#fleet = fleet;
    this.nodes = nodes;
    this.#spare = fleet.spare;
  }

  /** `hasProxies`: puts one before every server of the fleet, which is stopped together with them. */
  static async of(fleet: ServerFleet, hasProxies: boolean): Promise<Masters> {
    try {
      const nodes = await Promise.all(
        fleet.servers.map((server, index) => Master.of(index, server, hasProxies)),
      );
      return new Masters(fleet, nodes);
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** For clients. */
  get urls(): readonly string[] {
    return this.nodes.map(({ url }) => url);
  }

  get abilities(): ReadonlySet<Ability> {
    return this.#fleet.abilities;
  }

  get description(): string {
    return this.#fleet.description;
  }

  /** Whether a server is there that is not in use. */
  get hasSpare(): boolean {
    return this.#spare !== undefined;
  }

  /** Copies a node to the spare server. Returns how to let it take the node's place. */
  async copyOf(node: Master): Promise<() => Promise<void>> {
    const spare = this.#spare;
    if (spare === undefined) throw new Error('there is no spare server to become a replica, or it is in use');
    this.#spare = undefined;
    const promote = await node.copyTo(spare);
    return async () => {
      this.#spare = await promote();
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.disconnect()));
    await this.#fleet[Symbol.asyncDispose]();
  }
}
