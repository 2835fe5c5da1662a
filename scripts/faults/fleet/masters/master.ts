import { setTimeout as delay } from 'node:timers/promises';
import { TcpProxy } from '../../../fleet/proxy.ts';
import { type RespReply, sendCommand } from '../../../fleet/resp.ts';
import type { WallClockSetting } from '../../../fleet/wall-clock.ts';
import type { MasterServer } from './server.ts';

const COMMAND_TIMEOUT_MS = 3_000;
const SYNCED_WITHIN_MS = 20_000;

/** One master as its clients know it: an address, and whatever server answers there. */
export class Master {
  readonly index: number;
  /** Where clients connect to. */
  readonly url: string;
  readonly #proxy: TcpProxy | undefined;
  #server: MasterServer;

  private constructor(index: number, server: MasterServer, proxy: TcpProxy | undefined) {
    this.index = index;
    this.url = proxy?.url ?? `redis://127.0.0.1:${server.port}`;
    this.#proxy = proxy;
    this.#server = server;
  }

  static async of(index: number, server: MasterServer, hasProxy: boolean): Promise<Master> {
    return new Master(index, server, hasProxy ? await TcpProxy.start(server.port) : undefined);
  }

  /** The network in between, where there is one that can be made to fail. */
  get proxy(): TcpProxy {
    if (this.#proxy === undefined) throw new Error('clients connect to this node without a proxy');
    return this.#proxy;
  }

  async disconnect(): Promise<void> {
    await this.#proxy?.stop();
  }

  /** Its present server. */
  get server(): MasterServer {
    return this.#server;
  }

  /** A raw command on a connection of its own, past the proxy. */
  command(...args: readonly (string | number)[]): Promise<RespReply> {
    return commandOf(this.#server, ...args);
  }

  /** Shifts its server's wall clock; of no effect on what takes its place. */
  setWallClock(setting: WallClockSetting): Promise<void> {
    return this.#server.setWallClock(setting);
  }

  /**
   * Makes `spare` a copy of this master as it is now, which hears no more of it. Returns how to let the copy take this
   * address, as after a failover of a replica that lagged behind; that returns the server it took the place of, dead.
   */
  async copyTo(spare: MasterServer): Promise<() => Promise<MasterServer>> {
    await spare.restart('lost');
    // A master waits some seconds for further replicas, as it comes.
    await this.command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
    const { host, port } = await this.#server.peer();
    await commandOf(spare, 'REPLICAOF', host, port);
    await untilSynced(spare);
    await commandOf(spare, 'REPLICAOF', 'NO', 'ONE');
    return async () => {
      const former = this.#server;
      await former.kill();
      this.#server = spare;
      this.proxy.retarget(spare.port);
      return former;
    };
  }
}

function commandOf(server: MasterServer, ...args: readonly (string | number)[]): Promise<RespReply> {
  return sendCommand(server.port, args, COMMAND_TIMEOUT_MS);
}

async function untilSynced(replica: MasterServer): Promise<void> {
  const deadline = performance.now() + SYNCED_WITHIN_MS;
  while (!/^master_link_status:up\r$/m.test(String(await commandOf(replica, 'INFO', 'replication')))) {
    if (performance.now() > deadline) throw new Error(`no replica within ${SYNCED_WITHIN_MS} ms`);
    await delay(10);
  }
}
