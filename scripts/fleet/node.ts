import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER_ARGS, formSingleMasterCluster } from './cluster.ts';
import type { Watchdog } from './last-resort.ts';
import { claimPort, releasePort } from './ports.ts';
import { type RespReply, sendCommand } from './resp.ts';
import { ServerProcess, ServerStartError } from './server.ts';
import { WallClock, type WallClockSetting } from './wall-clock.ts';

/** Long: a server that answers at all does it in this time on the busiest machine. */
const COMMAND_TIMEOUT_MS = 30_000;
const TERM_GRACE_MS = 3_000;
const PORT_ATTEMPTS = 10;

type NodeState = 'up' | 'paused' | 'down';

/** What all nodes of one fleet have in common. */
interface NodeSetup {
  readonly binary: string;
  readonly fleetDirectory: string;
  readonly watchdog: Watchdog;
  readonly appendOnly: boolean;
  readonly cluster: boolean;
  readonly wallClock: boolean;
  readonly directives: readonly string[];
}

/**
 * One real master with a fixed port and a data directory, through any number of server processes.
 *
 *     up ⇄ paused      pause, resume
 *     up, paused → down    kill, or the server ends by itself
 *     any → down → up      restart, restartEmpty
 */
export class FleetNode {
  readonly index: number;
  readonly port: number;
  readonly url: string;
  readonly #setup: NodeSetup;
  readonly #directory: string;
  readonly #wallClock: WallClock | undefined;
  #server: ServerProcess | undefined;
  #state: NodeState = 'down';
  #booting: Promise<void> | undefined;
  #closed = false;

  private constructor(index: number, port: number, setup: NodeSetup, wallClock: WallClock | undefined) {
    this.index = index;
    this.port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#setup = setup;
    this.#directory = join(setup.fleetDirectory, `node-${index}`);
    this.#wallClock = wallClock;
  }

  /** `track` hears of every attempt before its server runs, so that an abrupt end can clean up after it. */
  static async start(index: number, setup: NodeSetup, track: (node: FleetNode) => void): Promise<FleetNode> {
    const clockFile = join(setup.fleetDirectory, `node-${index}.clock`);
    const wallClock = setup.wallClock ? await WallClock.create(clockFile) : undefined;
    for (let attempt = 1; ; attempt++) {
      const node = new FleetNode(index, await claimPort(), setup, wallClock);
      track(node);
      try {
        await node.restart();
        return node;
      } catch (error) {
        await node.close();
        const again = error instanceof ServerStartError && error.portTaken && attempt < PORT_ATTEMPTS;
        if (!again) throw error;
      }
    }
  }

  get state(): NodeState {
    return this.#state;
  }

  /** `undefined` while the node is down. */
  get pid(): number | undefined {
    return this.#server?.running ? this.#server.pid : undefined;
  }

  /** SIGKILL; resolves when the process has gone. Does nothing to a node that is down. */
  async kill(): Promise<void> {
    this.#server?.signal('SIGKILL');
    await this.#server?.exited;
  }

  /** SIGSTOP: the kernel goes on accepting connections and bytes for it, and nothing answers. */
  pause(): void {
    if (this.#state === 'down') throw new Error(`node ${this.index} is down and cannot be paused`);
    this.#server?.signal('SIGSTOP');
    this.#state = 'paused';
  }

  /** SIGCONT: it goes on where it was, and first serves what was sent to it meanwhile. */
  resume(): void {
    if (this.#state === 'down') throw new Error(`node ${this.index} is down and cannot be resumed`);
    this.#server?.signal('SIGCONT');
    this.#state = 'up';
  }

  /** A crash (if it still ran) and a new start on the same port; only what was persisted comes back. */
  restart(): Promise<void> {
    return this.#startBoot(async () => undefined);
  }

  /** As `restart`, on a disk wiped clean. */
  restartEmpty(): Promise<void> {
    return this.#startBoot(() => rm(this.#directory, { recursive: true, force: true }));
  }

  /** A raw command on a connection of its own; rejects when there is no answer within half a minute. */
  command(...args: (string | number)[]): Promise<RespReply> {
    return sendCommand(this.port, args, COMMAND_TIMEOUT_MS);
  }

  /** Takes effect when the server next reads its clock: at once when it runs, on resume when it is paused. */
  async setWallClock(setting: WallClockSetting): Promise<void> {
    if (this.#wallClock === undefined) {
      throw new Error('the fleet runs on the true wall clock: start it with { wallClock: true }');
    }
    await this.#wallClock.set(setting);
  }

  /** Ends the node for good: SIGTERM, and SIGKILL if that is not heeded. */
  async close(): Promise<void> {
    this.#closed = true;
    const server = this.#server;
    server?.signal('SIGCONT');
    server?.signal('SIGTERM');
    const impatience = setTimeout(() => server?.signal('SIGKILL'), TERM_GRACE_MS);
    await Promise.allSettled([server?.exited, this.#booting]);
    clearTimeout(impatience);
    releasePort(this.port);
  }

  /** The same without waiting, for a process at its end. */
  closeNow(): void {
    this.#closed = true;
    this.#server?.signal('SIGKILL');
  }

  async #startBoot(prepareDisk: () => Promise<void>): Promise<void> {
    this.#checkOpen();
    if (this.#booting !== undefined) throw new Error(`node ${this.index} is already being restarted`);
    this.#booting = this.#boot(prepareDisk);
    try {
      await this.#booting;
    } finally {
      this.#booting = undefined;
    }
  }

  async #boot(prepareDisk: () => Promise<void>): Promise<void> {
    await this.kill();
    await prepareDisk();
    await mkdir(this.#directory, { recursive: true });
    // No await between this and the new process: a caller that closes the node sees the process or prevents it.
    this.#checkOpen();
    const server = this.#spawn();
    await server.ready(this.#setup.cluster ? formSingleMasterCluster : async () => true);
    this.#state = 'up';
  }

  #checkOpen(): void {
    if (this.#closed) throw new Error(`node ${this.index} belongs to a fleet that has been stopped`);
  }

  #spawn(): ServerProcess {
    const { binary, watchdog, appendOnly, cluster, directives, fleetDirectory } = this.#setup;
    const server = new ServerProcess({
      binary,
      port: this.port,
      logFile: join(fleetDirectory, `node-${this.index}.log`),
      environment: this.#wallClock?.environment() ?? {},
      args: [
        ...['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#directory, '--save', ''],
        ...(appendOnly ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
        ...(cluster ? CLUSTER_ARGS : []),
        ...directives,
      ],
    });
    this.#server = server;
    const unwatch = watchdog.watch(server.pid);
    void server.exited.then(() => {
      unwatch();
      if (this.#server === server) this.#state = 'down';
    });
    return server;
  }
}
