import { createHash } from 'node:crypto';
import type { Random } from '../base/random.ts';
import { batchScript, markerScript } from '../wire/scripts.ts';
import { runBatch } from './batch-model.ts';
import { Channels, type Receiver } from './channels.ts';
import { ClockFace } from './clock-face.ts';
import { type Argument, KeyStore, RedisError } from './key-store.ts';
import type { ScriptReply } from './lua-values.ts';
import { type MarkerServer, runMarker } from './marker-model.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

/** A script in TypeScript, by the hash of the Lua it stands for. */
type Model = (
  server: MarkerServer,
  keys: readonly string[],
  args: readonly Argument[],
) => readonly ScriptReply[];

const MODELS: ReadonlyMap<string, Model> = new Map([
  [batchScript.sha1, runBatch],
  [markerScript.sha1, runMarker],
]);

/** The server's end of a connection. */
export interface ServerConnection extends Receiver {
  /** The server has crashed: everything on the way is lost. */
  broken(): void;
}

export interface SimulatedServerOptions {
  readonly address: string;
  /** Names the first process. Default: drawn. */
  readonly runId?: string;
  /** The time of its wall clock at the beginning, in milliseconds since the epoch. Default: the year 2030. */
  readonly wallMs?: number;
  /** Gets the events of the server. */
  readonly trace?: Trace | undefined;
}

/** The memory of a server as it was at a moment, like that of a replica that is so far behind. */
export class Snapshot {
  readonly store: KeyStore;

  constructor(store: KeyStore) {
    this.store = store;
  }
}

/**
 * A Redis server that knows the library's scripts and nothing else. It is *up*, or *paused* (connections stand, nothing
 * is answered, as after SIGSTOP), or *down*. It does one command at a time, and takes no time for it.
 *
 * Its wall clock is its own: step it, or set its `rate`.
 */
export class SimulatedServer implements MarkerServer {
  readonly address: string;
  readonly wall: ClockFace;
  readonly store: KeyStore;
  maxmemory = 0;
  maxmemoryPolicy = 'noeviction';
  readonly version = '7.0.15';
  readonly #random: Random;
  readonly #connections = new Set<ServerConnection>();
  readonly #channels = new Channels();
  readonly #scripts = new Set<string>();
  readonly #inbox: (() => void)[] = [];
  #state: 'up' | 'paused' | 'down' = 'up';
  #runId: string;
  #role: 'master' | 'slave' = 'master';
  #commands = 0;
  readonly #trace: Trace | undefined;

  constructor(timeline: Timeline, random: Random, options: SimulatedServerOptions) {
    this.address = options.address;
    this.wall = new ClockFace(timeline, options.wallMs ?? Date.UTC(2030, 0, 1));
    this.store = new KeyStore(() => Math.floor(this.timeUs / 1_000));
    this.#random = random;
    this.#trace = options.trace;
    this.#runId = options.runId ?? this.#drawRunId();
  }

  get state(): 'up' | 'paused' | 'down' {
    return this.#state;
  }

  /** Names the running process; another one after every restart. */
  get runId(): string {
    return this.#runId;
  }

  get role(): 'master' | 'slave' {
    return this.#role;
  }

  /** TIME, in microseconds. Rounded, because a double can't hold every microsecond since 1970 in milliseconds. */
  get timeUs(): number {
    return Math.round(this.wall.read() * 1_000);
  }

  /** The number of its script calls, including those of unknown scripts. */
  get commands(): number {
    return this.#commands;
  }

  /** EVALSHA, at once. */
  evalsha(sha1: string, keys: readonly string[], args: readonly (string | number)[]): readonly ScriptReply[] {
    this.#commands += 1;
    if (!this.#scripts.has(sha1)) throw new RedisError('NOSCRIPT No matching script. Please use EVAL.');
    const model = modelOf(sha1);
    return this.store.runScript(() => model(this, keys, args));
  }

  /** EVAL, at once. */
  eval(source: string, keys: readonly string[], args: readonly (string | number)[]): readonly ScriptReply[] {
    return this.evalsha(this.load(source), keys, args);
  }

  /** SCRIPT LOAD. */
  load(source: string): string {
    const sha1 = sha1Of(source);
    modelOf(sha1);
    this.#scripts.add(sha1);
    return sha1;
  }

  /**
   * PUBLISH, at once, from outside the simulated clients: how many connections it was sent to. A server that is down
   * sends nothing, and one that is paused sends it all the same.
   */
  publish(channel: string, message: string): number {
    const count = this.#channels.publish(channel, message);
    this.#trace?.note(this.address, `publish ${JSON.stringify(message)} on ${channel}: sent to ${count}`);
    return count;
  }

  /** The number of its subscriptions, of all connections. */
  get subscriptions(): number {
    return this.#channels.size;
  }

  /** SUBSCRIBE on a connection. False: the connection is no more. */
  subscribe(connection: ServerConnection, channel: string): boolean {
    if (!this.#connections.has(connection)) return false;
    this.#channels.subscribe(channel, connection);
    this.#trace?.note(this.address, `subscribe ${channel}`);
    return true;
  }

  /** UNSUBSCRIBE on a connection. */
  unsubscribe(connection: ServerConnection, channel: string): void {
    this.#channels.unsubscribe(channel, connection);
  }

  /** Has the server do something when it gets to it: at once, after a pause, or never. */
  receive(handle: () => void): void {
    if (this.#state === 'up') handle();
    else if (this.#state === 'paused') this.#inbox.push(handle);
  }

  /** A connection is made. False: the server is down. */
  accept(connection: ServerConnection): boolean {
    if (this.#state === 'down') return false;
    this.#connections.add(connection);
    return true;
  }

  /** A connection is closed by the client. */
  hangUp(connection: ServerConnection): void {
    this.#connections.delete(connection);
    this.#channels.forget(connection);
  }

  /** SIGSTOP: connections stand, and nothing is answered. */
  pause(): void {
    if (this.#state !== 'up') return;
    this.#note('hangs');
    this.#state = 'paused';
  }

  /** SIGCONT: the input that arrived meanwhile is handled now. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#note('goes on');
    this.#state = 'up';
    for (const handle of this.#inbox.splice(0)) handle();
  }

  /** SIGKILL: connections break, and pending input is lost. {@link restart} decides about the memory. */
  crash(): void {
    this.#note('crashes');
    this.#state = 'down';
    this.#inbox.length = 0;
    this.#scripts.clear();
    for (const connection of this.#connections) connection.broken();
    this.#connections.clear();
    this.#channels.clear();
  }

  /** A new process on the same address, after a crash if there was none yet. */
  restart({ keepMemory }: { readonly keepMemory: boolean }): void {
    if (this.#state !== 'down') this.crash();
    if (!keepMemory) this.store.clear();
    this.#runId = this.#drawRunId();
    this.#state = 'up';
    this.#note(keepMemory ? 'is started with what it had' : 'is started empty');
  }

  /** The memory of a replica at this moment, for a later {@link failOver}. */
  snapshot(): Snapshot {
    return new Snapshot(this.store.copy());
  }

  /** A replica takes over the address: another process, with the memory it had got by then. */
  failOver(replica: Snapshot): void {
    if (this.#state !== 'down') this.crash();
    this.store.replaceBy(replica.store);
    this.#note('is replaced by a replica');
    this.restart({ keepMemory: true });
  }

  /** Evicts a key, as maxmemory does with an evicting policy. */
  evict(key: string): void {
    this.#note(`evicts ${key}`);
    this.store.evict(key);
  }

  /** FLUSHALL. */
  flushAll(): void {
    this.#note('is flushed');
    this.store.clear();
  }

  /** SCRIPT FLUSH. */
  flushScripts(): void {
    this.#scripts.clear();
  }

  /** REPLICAOF: from now on it refuses to write. */
  becomeReplica(): void {
    this.#role = 'slave';
    this.store.writeError = "READONLY You can't write against a read only replica.";
  }

  /** The replica becomes a master, as by `REPLICAOF NO ONE`. */
  becomeMaster(): void {
    this.#role = 'master';
    this.store.writeError = undefined;
  }

  #note(what: string): void {
    this.#trace?.note(this.address, what);
  }

  #drawRunId(): string {
    const digits = Array.from({ length: 40 }, () => Math.floor(this.#random.fraction() * 16).toString(16));
    return digits.join('');
  }
}

function modelOf(sha1: string): Model {
  const model = MODELS.get(sha1);
  if (model === undefined) throw new RedisError("ERR a simulated server runs the library's scripts only");
  return model;
}

/** The name of a script for EVALSHA. */
export function sha1Of(source: string): string {
  // A hash takes as long as tens of calls, and a server that has forgotten its scripts is sent them again.
  const known = [batchScript, markerScript].find((script) => script.source === source);
  return known?.sha1 ?? createHash('sha1').update(source).digest('hex');
}
