import { SystemClock, type Timer } from '../base/clock.ts';
import { messageOf } from '../base/describe.ts';
import type { RedlockOptions } from '../index.ts';
import {
  currentMarker,
  type Handshake,
  handshakeWith,
  type Marker,
  parseMarker,
  UnfitServerError,
} from '../node/marker.ts';
import { majorityOf } from '../quorum/round.ts';
import { openNodes } from '../redlock/nodes.ts';
import { probeKeysFor } from '../redlock/resources.ts';
import { Redlock } from '../redlock.ts';
import type { Client } from '../wire/client.ts';
import { NO_DRIVER } from '../wire/clients/drivers.ts';
import { explain } from '../wire/server-errors.ts';
import { CommandError, EXIT } from './exit.ts';
import { type NodeOptions, nodeUrls } from './node-options.ts';
import { pause } from './pause.ts';

/** How long a node has to take a connection and to say what it is. */
const CONNECT_MS = 2_000;

/** How often nodes are asked again. */
const LOOK_EVERY_MS = 500;

/** What one node says of itself. */
export interface Look {
  readonly client: Client;
  readonly address: string;
  /** Undefined: it did not say. */
  readonly handshake: Handshake | undefined;
  /** Its marker, of whichever process; undefined: it has none. */
  readonly marker: Marker | undefined;
  /** Whether its marker lets it vote. */
  readonly isActive: boolean;
  /** Why it is no node, with what to do about it. */
  readonly failure: string | undefined;
}

/** The nodes that a subcommand was told of, with a connection to each. */
export class Deployment implements AsyncDisposable {
  readonly clients: readonly Client[];
  readonly keyPrefix: string;
  #looks: readonly Look[];
  #redlock: Redlock | undefined;

  private constructor(clients: readonly Client[], keyPrefix: string, looks: readonly Look[]) {
    this.clients = clients;
    this.keyPrefix = keyPrefix;
    this.#looks = looks;
  }

  /**
   * Connects to the nodes, and asks each what it is. Writes nothing. A node that does not answer is not waited for.
   *
   * @throws {CommandError} no driver is installed
   */
  static async open(options: NodeOptions): Promise<Deployment> {
    const clients = openNodes(nodeUrls(options));
    const first = await lookAtAll(clients, options.keyPrefix);
    // On a busy machine all of them, and this process, may be slow at first.
    const looks = hasQuorum(first) ? first : await lookAtAll(clients, options.keyPrefix);
    // No node is to blame, and none has been asked.
    if (looks.every(({ failure }) => failure === NO_DRIVER)) throw new CommandError(NO_DRIVER, EXIT.noQuorum);
    return new Deployment(clients, options.keyPrefix, looks);
  }

  /** What the nodes said when they were last asked. */
  get looks(): readonly Look[] {
    return this.#looks;
  }

  /** Asks each node again what it is. */
  async lookAgain(): Promise<readonly Look[]> {
    this.#looks = await lookAtAll(this.clients, this.keyPrefix);
    return this.#looks;
  }

  /** Asks again until a node tells {@link maxTtl}, or all tell that they are new; for some milliseconds at the most. */
  async untilMaxTtlIsKnown(ms: number, stopped: AbortSignal): Promise<void> {
    const clock = new SystemClock();
    const since = clock.monotonic();
    const isKnown = () =>
      this.maxTtl !== undefined || this.looks.every(({ failure }) => failure === undefined);
    while (!isKnown() && clock.monotonic() - since < ms && !stopped.aborted) {
      await pause(LOOK_EVERY_MS, stopped);
      await this.lookAgain();
    }
  }

  /** The longest ttl in use, in milliseconds, as far as the nodes know; undefined: no program has used them yet. */
  get maxTtl(): number | undefined {
    const known = this.looks.flatMap(({ marker }) => marker?.maxTtl ?? []);
    return known.length === 0 ? undefined : Math.max(...known);
  }

  /**
   * A Redlock over the nodes, which the deployment closes. By default it takes part as the deployment's programs do,
   * and raises no maxTtl. Where no program has used the nodes yet it leaves them without a marker.
   */
  redlock(options: RedlockOptions = {}): Redlock {
    const { maxTtl } = this;
    this.#redlock = new Redlock(this.clients, {
      keyPrefix: this.keyPrefix,
      connectTimeout: CONNECT_MS,
      closeTimeout: CONNECT_MS,
      onWarning: () => undefined,
      ...(maxTtl === undefined ? { quarantine: 'off' } : { maxTtl }),
      ...options,
    });
    return this.#redlock;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#redlock?.close();
    for (const client of this.clients) client.close();
  }
}

function hasQuorum(looks: readonly Look[]): boolean {
  return looks.filter(({ failure }) => failure === undefined).length >= majorityOf(looks.length);
}

function lookAtAll(clients: readonly Client[], keyPrefix: string): Promise<readonly Look[]> {
  const clock = new SystemClock();
  const probeKeys = probeKeysFor({ keyPrefix, fencing: true });
  return Promise.all(clients.map((client) => lookAt(client, clock, probeKeys)));
}

async function lookAt(client: Client, clock: SystemClock, probeKeys: readonly string[]): Promise<Look> {
  const { address } = client;
  const none = { client, address, handshake: undefined, marker: undefined, isActive: false };
  await settled(client, clock);
  if (client.state !== 'ready') return { ...none, failure: explain(client.stateReason) };
  try {
    const terms = { clock, timeoutMs: CONNECT_MS, needsInfo: true, probeKeys, write: undefined };
    const handshake = await handshakeWith(client, terms);
    return {
      client,
      address,
      handshake,
      marker: parseMarker(handshake.marker),
      isActive: currentMarker(handshake)?.state === 'active',
      failure: undefined,
    };
  } catch (error) {
    const message = messageOf(error);
    return { ...none, failure: error instanceof UnfitServerError ? message : explain(message) };
  }
}

/** An answer, or an error when it does not come in time. */
export function inTime<Answer>(answer: Promise<Answer>, ms = CONNECT_MS): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const timer = new SystemClock().after(ms, () => reject(new Error(`no answer within ${ms} ms`)));
    answer.then(resolve, reject).finally(() => timer.cancel());
  });
}

/** Resolves when a client has its first connection, could not make it, or has not for {@link CONNECT_MS}. */
function settled(client: Client, clock: SystemClock): Promise<void> {
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    let stop: (() => void) | undefined;
    const look = () => {
      if (client.state === 'connecting') return;
      timer?.cancel();
      stop?.();
      resolve();
    };
    timer = clock.after(CONNECT_MS, () => {
      stop?.();
      resolve();
    });
    stop = client.onStateChange(look);
    look();
  });
}
