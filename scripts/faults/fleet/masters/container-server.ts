import { setTimeout as delay } from 'node:timers/promises';
import { sendCommand } from '../../../fleet/resp.ts';
import type { WallClock, WallClockSetting } from '../../../fleet/wall-clock.ts';
import type { Engine } from './engine.ts';
import type { MasterServer } from './server.ts';

const READY_WITHIN_MS = 20_000;
const REDIS_PORT = 6379;
export const NETWORK = 'bridge';

/** Three per cent of one processor, in microseconds of every tenth of a second. */
const STARVED = { CpuPeriod: 100_000, CpuQuota: 3_000 };
const FED = { CpuPeriod: 100_000, CpuQuota: -1 };

interface Origin {
  readonly engine: Engine;
  readonly id: string;
  readonly port: number;
  readonly network: string;
  /** Removes what it has on disk, while it is dead. Without a disk nothing is there to be removed. */
  readonly wipe: () => Promise<void>;
  readonly wallClock: WallClock | undefined;
}

/** A server in a container, by its id. */
export class ContainerServer implements MasterServer {
  readonly id: string;
  readonly port: number;
  readonly #origin: Origin;

  constructor(origin: Origin) {
    this.#origin = origin;
    this.id = origin.id;
    this.port = origin.port;
  }

  async peer(): Promise<{ readonly host: string; readonly port: number }> {
    // Another one after every time it was put on its network.
    const { NetworkSettings: settings } = await this.#container.inspect();
    const host = settings.Networks[this.#origin.network]?.IPAddress;
    if (host === undefined || host === '') throw new Error(`container ${this.id} is on no network`);
    return { host, port: REDIS_PORT };
  }

  async kill(): Promise<void> {
    const { State: state } = await this.#container.inspect();
    if (!state.Running) return;
    if (state.Paused) await this.#container.unpause();
    const gone = this.#container.wait();
    await this.#container.kill({ signal: 'SIGKILL' });
    await gone;
  }

  async pause(): Promise<void> {
    await this.#container.pause();
  }

  async resume(): Promise<void> {
    await this.#container.unpause();
  }

  async restart(memory: 'kept' | 'lost'): Promise<void> {
    await this.kill();
    if (memory === 'lost') await this.#origin.wipe();
    await this.#container.start();
    await this.ready();
  }

  /** Resolves when it answers. */
  async ready(): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const pong = await sendCommand(this.port, ['PING'], 500).catch((error: unknown) => String(error));
      if (pong === 'PONG') return;
      if (performance.now() > deadline) throw new Error(`container ${this.id} does not answer: ${pong}`);
      await delay(20);
    }
  }

  async starve(): Promise<() => Promise<void>> {
    await this.#container.update(STARVED);
    return () => this.#container.update(FED).then(() => undefined);
  }

  async setWallClock(setting: WallClockSetting): Promise<void> {
    if (this.#origin.wallClock === undefined) throw new Error(`container ${this.id} runs on the true clock`);
    await this.#origin.wallClock.set(setting);
  }

  async disconnect(): Promise<() => Promise<void>> {
    const { engine, network: name } = this.#origin;
    const network = engine.client.container.dockerode.getNetwork(name);
    await network.disconnect({ Container: this.id, Force: true });
    return async () => {
      await network.connect({ Container: this.id });
      await this.ready();
    };
  }

  get #container() {
    return this.#origin.engine.client.container.dockerode.getContainer(this.id);
  }
}
