import type { RedlockWarning } from '../../../src/base/warning.ts';
import type { Lock } from '../../../src/lock/lock.ts';
import { parseMarker } from '../../../src/node/marker.ts';
import type { RedlockOptions } from '../../../src/redlock/options.ts';
import type { Redlock } from '../../../src/redlock.ts';
import type { Machine } from '../../../src/testing/machine.ts';
import type { SimulatedServer } from '../../../src/testing/simulated-node.ts';
import { markerScript } from '../../../src/wire/scripts.ts';
import { World } from '../world.ts';

/** Time for a broken connection to be made again, and for a look at the node behind it. */
export const RECONNECT_MS = 200;

/** Until a node that lost its memory votes again, with the default maxTtl of 30 s: counted from when it is noticed. */
export const QUARANTINE_MS = 30_000 * 1.01 + 2_100 + 2_000;

/** Longer than any answer is waited for: what was held up by a cut arrives past its deadline after this. */
const PAST_DEADLINES_MS = 1_000;

/** A deployment in use: a holder and another client, on machines of their own, which both know all nodes. */
export class Scene {
  readonly world: World;
  readonly holder: Redlock;
  readonly other: Redlock;
  /** Heard by the other. */
  readonly warnings: RedlockWarning[] = [];
  readonly #options: RedlockOptions;

  private constructor(nodeCount: number, options: RedlockOptions) {
    this.world = new World(nodeCount);
    this.#options = { quarantine: 'auto', ...options };
    this.holder = this.world.redlock(this.#options);
    this.other = this.newcomer();
  }

  static async open(nodeCount: number, options: RedlockOptions = {}): Promise<Scene> {
    const scene = new Scene(nodeCount, options);
    const { world, holder, other } = scene;
    if (options.quarantine === 'strict') await world.clock.runUntil(holder.initialize());
    for (const user of [holder, other]) {
      const lock = await world.clock.runUntil(user.acquire('first use'));
      await world.clock.runUntil(lock.release());
    }
    // A client that saw a node before it was initialized looks at it once more.
    await world.clock.advance(options.quarantine === 'strict' ? QUARANTINE_MS : PAST_DEADLINES_MS);
    return scene;
  }

  /** A client that connects only now. */
  newcomer(machine: Machine = this.world.machine()): Redlock {
    return this.world.redlock(
      { ...this.#options, onWarning: (warning) => this.warnings.push(warning) },
      machine,
    );
  }

  /** The holder locks `r` on the first nodes, as many as make a majority; its requests to the others get lost. */
  async holdBareMajority(ttl = 30_000): Promise<Lock> {
    const { world, holder } = this;
    const beyond = world.clients.slice(Math.floor(world.clients.length / 2) + 1);
    for (const client of beyond) client.cut('requests');
    const lock = await world.clock.runUntil(holder.acquire('r', { ttl }));
    await world.clock.advance(PAST_DEADLINES_MS);
    for (const client of beyond) client.mend();
    await world.clock.advance(RECONNECT_MS);
    return lock;
  }

  /** One attempt of another client. */
  async attempt(user: Redlock = this.other): Promise<Lock | null> {
    return this.world.clock.runUntil(user.tryAcquire('r', { ttl: 30_000 }));
  }

  /** What each node says to an attempt that gets no majority. */
  async refusals(user: Redlock = this.other): Promise<readonly string[]> {
    const error = await this.world.clock
      .runUntil(user.acquire('r', { ttl: 30_000, waitTime: 0 }))
      .then(() => undefined)
      .catch((reason: unknown) => reason);
    const votes = (error as { votes?: readonly { outcome: string; reason?: string }[] }).votes ?? [];
    return votes.map(({ outcome, reason }) => reason ?? outcome);
  }
}

/** The memory of a server as it was at a moment, to be put back: markers as they were, and no lock of a later time. */
export function snapshotOf(server: SimulatedServer): () => void {
  const marker = server.store.get('quorlock:node');
  return () => {
    server.store.clear();
    if (marker !== undefined) server.store.set('quorlock:node', marker);
  };
}

/** A message about a node's marker: a look at it, or the state that is to be written. */
type Message = 'look' | 'starting' | 'joining' | 'active';

/** What the nodes' markers say. */
export function statesOf({ servers }: World): readonly (string | undefined)[] {
  return servers.map(({ store }) => parseMarker(store.get('quorlock:node') ?? '')?.state);
}

/** Has the next messages of one kind to these nodes take so long. Returns how to stop that. */
export function delay(
  { clients }: Machine,
  nodes: readonly number[],
  kind: Message,
  delayMs: number,
): () => void {
  let isOver = false;
  for (const node of nodes) {
    const client = clients[node];
    if (client === undefined) throw new RangeError(`there is no node ${node}`);
    const send = client.evalsha.bind(client);
    client.evalsha = (sha1, keys, args) => {
      const written = parseMarker(String(args[0]))?.state ?? 'look';
      if (isOver || sha1 !== markerScript.sha1 || written !== kind) return send(sha1, keys, args);
      const { latency } = client.rules;
      client.rules.latency = { least: delayMs, most: delayMs };
      const answer = send(sha1, keys, args);
      client.rules.latency = latency;
      return answer;
    };
  }
  return () => {
    isOver = true;
  };
}
