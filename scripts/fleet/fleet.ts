import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findServerBinary } from './binary.ts';
import { onProcessEnd, Watchdog } from './last-resort.ts';
import { FleetNode } from './node.ts';

export type { FleetNode } from './node.ts';

export interface FleetOptions {
  /** Keep an append-only file, synced on every write, so that a restart loses nothing. Default: false. */
  readonly appendOnly?: boolean;
  /** Further server arguments as they stand on its command line: `['--hz', '100']`. Default: none. */
  readonly directives?: readonly string[];
  /** Start every server on a wall clock of its own that `setWallClock` can set wrong (Linux). Default: false. */
  readonly wallClock?: boolean;
  /** Make every node a Redis Cluster of one master that owns all slots. Default: false. */
  readonly cluster?: boolean;
}

/**
 * Independent real masters on 127.0.0.1. They never outlive the process that started them: `stop` ends them
 * in good order, a hook does it when the process exits or dies of a signal, and a watchdog after a SIGKILL.
 */
export class Fleet implements AsyncDisposable {
  readonly nodes: readonly FleetNode[];
  readonly urls: string[];
  /** Holds everything the servers write, in a directory for each; gone after `stop`. */
  readonly directory: string;
  readonly #berth: Berth;

  private constructor(nodes: readonly FleetNode[], berth: Berth) {
    this.nodes = nodes;
    this.urls = nodes.map((node) => node.url);
    this.directory = berth.directory;
    this.#berth = berth;
  }

  /** Resolves when every server answers; if one does not, those that do are stopped again. */
  static async start(nodeCount: number, options: FleetOptions = {}): Promise<Fleet> {
    const binary = findServerBinary();
    const berth = await Berth.open();
    const setup = {
      binary,
      fleetDirectory: berth.directory,
      watchdog: berth.watchdog,
      appendOnly: options.appendOnly ?? false,
      cluster: options.cluster ?? false,
      wallClock: options.wallClock ?? false,
      directives: options.directives ?? [],
    };
    const starts = Array.from({ length: nodeCount }, (_, index) =>
      FleetNode.start(index, setup, (node) => berth.track(node)),
    );
    try {
      return new Fleet(await Promise.all(starts), berth);
    } catch (error) {
      // A start that is still under way may yet bring up a server.
      await Promise.allSettled(starts);
      await berth.close();
      throw error;
    }
  }

  /** Idempotent; resolves when all servers have gone and their directories are removed. */
  stop(): Promise<void> {
    return this.#berth.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** What has to be cleared away with a fleet, whether it came to start in full or not. */
class Berth {
  readonly directory: string;
  readonly watchdog: Watchdog;
  readonly #nodes = new Set<FleetNode>();
  readonly #disarm: () => void;
  #closing: Promise<void> | undefined;

  private constructor(directory: string) {
    this.directory = directory;
    this.watchdog = new Watchdog(directory);
    this.#disarm = onProcessEnd(() => this.#closeNow());
  }

  static async open(): Promise<Berth> {
    return new Berth(await mkdtemp(join(tmpdir(), 'quorlock-fleet-')));
  }

  track(node: FleetNode): void {
    this.#nodes.add(node);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#nodes].map((node) => node.close()));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 5 });
    await this.watchdog.dismiss();
    this.#disarm();
  }

  #closeNow(): void {
    for (const node of this.#nodes) node.closeNow();
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
    this.watchdog.kill();
  }
}
