import { findServerBinary, nameServer } from '../../../fleet/binary.ts';
import { Fleet, type FleetNode } from '../../../fleet/fleet.ts';
import type { WallClockSetting } from '../../../fleet/wall-clock.ts';
import type { Ability } from '../../plan.ts';
import type { MasterServer, ServerFleet } from './server.ts';
import { Starvation } from './starvation.ts';

/** Appended to a file after every command, and so there after a SIGKILL; synced once a second, as is common. */
const DIRECTIVES = ['--appendfsync', 'everysec'];

/** Servers as processes of this machine. */
export class ProcessFleet implements ServerFleet {
  readonly servers: readonly MasterServer[];
  readonly spare: MasterServer | undefined;
  readonly abilities: ReadonlySet<Ability>;
  readonly description: string;
  readonly #fleet: Fleet;

  private constructor(fleet: Fleet, count: number, abilities: ReadonlySet<Ability>) {
    this.#fleet = fleet;
    const servers = fleet.nodes.map((node) => new ProcessServer(node));
    this.servers = servers.slice(0, count);
    this.spare = servers[count];
    this.abilities = abilities;
    this.description = `${count} processes of ${nameServer(findServerBinary())}`;
  }

  static async start(count: number): Promise<ProcessFleet> {
    // The shim that sets clocks wrong runs nowhere else.
    const hasClock = process.platform === 'linux';
    const fleet = await Fleet.start(count + 1, {
      appendOnly: true,
      wallClock: hasClock,
      directives: DIRECTIVES,
    });
    return new ProcessFleet(
      fleet,
      count,
      new Set(['disk', 'spare', 'host', ...(hasClock ? (['clock'] as const) : [])]),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#fleet.stop();
  }
}

class ProcessServer implements MasterServer {
  readonly port: number;
  readonly #node: FleetNode;

  constructor(node: FleetNode) {
    this.#node = node;
    this.port = node.port;
  }

  async peer(): Promise<{ readonly host: string; readonly port: number }> {
    return { host: '127.0.0.1', port: this.port };
  }

  kill(): Promise<void> {
    return this.#node.kill();
  }

  async pause(): Promise<void> {
    this.#node.pause();
  }

  async resume(): Promise<void> {
    this.#node.resume();
  }

  restart(memory: 'kept' | 'lost'): Promise<void> {
    return memory === 'kept' ? this.#node.restart() : this.#node.restartEmpty();
  }

  async starve(): Promise<() => Promise<void>> {
    const starvation = new Starvation(
      () => this.#node.pause(),
      () => this.#node.resume(),
    );
    return () => starvation.end();
  }

  setWallClock(setting: WallClockSetting): Promise<void> {
    return this.#node.setWallClock(setting);
  }

  async disconnect(): Promise<() => Promise<void>> {
    throw new Error('a process on the loopback can not be taken off its network: cut its proxy');
  }
}
