import { type Quarantine, Redlock, type RedlockWarning } from '../../src/index.ts';
import { parseMarker } from '../../src/node/marker.ts';
import type { Rng } from '../../src/testing/rng.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedClient } from '../../src/testing/simulated-client.ts';
import type { Timeline } from '../../src/testing/timeline.ts';
import { VirtualClock } from '../../src/testing/virtual-clock.ts';
import { markerScript } from '../../src/wire/scripts.ts';
import type { Deployment } from './deployment.ts';
import type { Terms } from './terms.ts';

/** A look at a marker, or the state of one that is written. */
export type MarkerMessage = 'look' | 'starting' | 'joining' | 'active';

/** What happens around the messages that decide which nodes may vote. */
export interface Pest {
  /** Called before a message is sent. Returns how long it takes, if that is not usual. */
  markerMessage(machine: Machine, node: number, kind: MarkerMessage): number | undefined;
}

/** A client whose messages about markers may be late. */
class PesteredClient extends SimulatedClient {
  pester: (kind: MarkerMessage) => number | undefined = () => undefined;

  override evalsha(...call: Parameters<SimulatedClient['evalsha']>): Promise<unknown> {
    const [sha1, , args] = call;
    const delayMs = sha1 === markerScript.sha1 ? this.pester(kindOf(args[0])) : undefined;
    if (delayMs === undefined) return super.evalsha(...call);
    const { latency } = this.rules;
    this.rules.latency = { least: delayMs, most: delayMs };
    const answer = super.evalsha(...call);
    this.rules.latency = latency;
    return answer;
  }
}

/** One program: a Redlock with clocks and connections of its own. */
export class Machine {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly clients: readonly PesteredClient[];
  readonly redlock: Redlock;
  readonly warnings: RedlockWarning[] = [];
  /** `gone`: closed, or killed; nothing is to be expected of it any more. */
  state: 'running' | 'paused' | 'gone' = 'running';

  constructor(
    name: string,
    timeline: Timeline,
    deployment: Deployment,
    terms: Terms,
    quarantine: Quarantine,
    dice: Rng,
    pest: Pest,
  ) {
    this.name = name;
    this.clock = new VirtualClock(timeline);
    const random = new SeededRandom(dice.integer(0, 2 ** 32 - 1));
    this.clients = deployment.servers.map(
      (server) =>
        new PesteredClient(server, this.clock, random.fork(), {
          latency: { least: 0.1, most: terms.latencyMs },
          reconnectDelay: dice.between(5, 100),
          doubling: dice.chance(0.3) ? 0.05 : 0,
        }),
    );
    this.clients.forEach((client, node) => {
      client.pester = (kind) => pest.markerMessage(this, node, kind);
    });
    this.redlock = new Redlock(this.clients, {
      ttl: terms.shortestTtl,
      maxTtl: terms.maxTtl,
      driftFactor: terms.driftFactor,
      connectTimeout: terms.connectTimeout,
      quarantine,
      clock: this.clock,
      random,
      onWarning: (warning) => this.warnings.push(warning),
    });
  }

  /** Stops the program for this long, as a long garbage collection would. */
  pause(ms: number): void {
    if (this.state !== 'running') return;
    this.state = 'paused';
    this.clock.freeze();
    const wake = new VirtualClock(this.clock.timeline);
    wake.after(ms, () => this.wake());
  }

  wake(): void {
    if (this.state !== 'paused') return;
    this.state = 'running';
    this.clock.thaw();
  }

  /** It never does anything again, and leaves its locks as they are. */
  kill(): void {
    this.state = 'gone';
    this.clock.freeze();
    for (const client of this.clients) client.disconnect({ requestsArrive: true });
  }

  async close(): Promise<void> {
    this.state = 'gone';
    await this.redlock.close();
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.after(ms, resolve);
    });
  }
}

/** @param marker what is to be written; empty for a look */
function kindOf(marker: string | number | undefined): MarkerMessage {
  return parseMarker(String(marker))?.state ?? 'look';
}
