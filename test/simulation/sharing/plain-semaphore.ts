import { Connection, type NetworkRules } from '../../../src/testing/connection.ts';
import type { SeededRandom } from '../../../src/testing/seeded-random.ts';
import type { Simulation } from '../../../src/testing/simulation.ts';
import { VirtualClock } from '../../../src/testing/virtual-clock.ts';

/** The set of those who have a permit on a node, with when each one's ends there. */
const KEY = 'plain semaphore';

/**
 * The semaphore that suggests itself, and is none: each node counts its permits and gives one away if fewer than so
 * many are out, and whoever has got one from a majority is in. What two majorities have in common is one node, and
 * that has several permits.
 */
export class PlainSemaphore {
  readonly #permits: number;
  readonly #ttl: number;
  readonly #clock: VirtualClock;
  readonly #connections: readonly Connection[];

  constructor(
    simulation: Simulation,
    random: SeededRandom,
    network: NetworkRules,
    terms: { readonly permits: number; readonly ttl: number },
  ) {
    this.#permits = terms.permits;
    this.#ttl = terms.ttl;
    this.#clock = new VirtualClock(simulation.timeline);
    this.#connections = simulation.nodes.map((node) => {
      const connection = new Connection(node, this.#clock, random.fork(), network, {
        ready: () => undefined,
        heard: () => undefined,
        lost: (why) => {
          throw new Error(why);
        },
      });
      connection.open();
      return connection;
    });
  }

  /** Whether a majority gave a permit to this value. What a minority gave is given back. */
  async tryAcquire(value: string): Promise<boolean> {
    const votes = await Promise.all(this.#connections.map((connection) => this.#ask(connection, value)));
    const isIn = votes.filter(Boolean).length > votes.length / 2;
    if (!isIn) await this.release(value);
    return isIn;
  }

  async release(value: string): Promise<void> {
    await Promise.all(
      this.#connections.map((connection) => {
        return new Promise((resolve, reject) => {
          connection.ask({ run: ({ store }) => [store.removeMember(KEY, value)], resolve, reject });
        });
      }),
    );
  }

  async #ask(connection: Connection, value: string): Promise<boolean> {
    const reply = await new Promise((resolve, reject) => {
      connection.ask({
        run: ({ store, timeUs }) => {
          const nowMs = Math.floor(timeUs / 1_000);
          store.removeBelow(KEY, nowMs);
          if (store.firstMembers(KEY, this.#permits).length === this.#permits) return [0];
          store.addMember(KEY, nowMs + this.#ttl, value);
          return [1];
        },
        resolve,
        reject,
      });
    });
    return Array.isArray(reply) && reply[0] === 1;
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.after(ms, resolve);
    });
  }
}
