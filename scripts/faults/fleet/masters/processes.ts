import { findServerBinary, nameServer } from '../../../fleet/binary.ts';
import { Fleet, type FleetNode } from '../../../fleet/fleet.ts';
import type { WallClockSetting } from '../../../fleet/wall-clock.ts';
import type { MasterServer, ServerFleet } from './server.ts';
import { Starvation } from './starvation.ts';

/** Appended to a file after every command, and so there after a SIGKILL; synced once a second, as is common. */
const DIRECTIVES = ['--appendfsync', 'everysec'];

/** Servers as processes of this machine. */
export async function startProcesses(count: number): Promise<ServerFleet> {
  // The shim that sets clocks wrong runs nowhere else.
  const hasClock = process.platform === 'linux';
  const options = { appendOnly: true, wallClock: hasClock, directives: DIRECTIVES };
  const fleet = await Fleet.start(count + 1, options);
  const servers = fleet.nodes.map((node) => new ProcessServer(node));
  return {
    servers: servers.slice(0, count),
    spare: servers[count],
    abilities: new Set(['disk', 'spare', 'host', ...(hasClock ? (['clock'] as const) : [])]),
    description: `${count} processes of ${nameServer(findServerBinary())}`,
    [Symbol.asyncDispose]: () => fleet.stop(),
  };
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
