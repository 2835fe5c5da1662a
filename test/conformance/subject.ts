import { Redis } from 'ioredis';
import { Fleet, type FleetNode } from '../../scripts/fleet/fleet.ts';
import { type ForeignType, type KeyStore, RedisError } from '../../src/testing/key-store.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedServer } from '../../src/testing/simulated-node.ts';
import { Timeline } from '../../src/testing/timeline.ts';

/**
 * A command as it goes over the wire: its name, then its arguments. SUBSCRIBE and UNSUBSCRIBE are answered with OK once
 * they are done; UNSUBSCRIBE of nothing is of everything, and MESSAGES is what was heard since then.
 */
export type Command = readonly [name: string, ...args: readonly string[]];

/** A reply, or the message of an error. */
export type Answer = { readonly reply: unknown } | { readonly error: string };

const COMMANDS_BY_TYPE: Readonly<Record<ForeignType, (key: string) => Command>> = {
  list: (key) => ['LPUSH', key, 'element'],
  hash: (key) => ['HSET', key, 'field', 'value'],
  set: (key) => ['SADD', key, 'member'],
  zset: (key) => ['ZADD', key, '1', 'member'],
  stream: (key) => ['XADD', key, '1-1', 'field', 'value'],
};

export const FOREIGN_TYPES = Object.keys(COMMANDS_BY_TYPE) as ForeignType[];

/** What some versions say, and what the model says for it. Nothing depends on the wording. */
const WORDINGS: ReadonlyMap<string, string> = new Map([
  // Redis 6.2
  ['ERR invalid expire time in set', "ERR invalid expire time in 'set' command"],
  // Valkey
  ['NOSCRIPT No matching script.', 'NOSCRIPT No matching script. Please use EVAL.'],
]);

/** What servers add to the error of a command in a script: where that was. Redis 6.2 puts it before the error. */
const WHERE_IN_SCRIPT = [
  / script: (?:[0-9a-f]{40}, )?on @user_script:\d+\.$/,
  /^(?:ERR Error running script \(call to f_[0-9a-f]{40}\): )?(?:@user_script: ?\d+: )+-?/,
  /\s+$/,
];

/** A server's version, for which the model says its own. */
const VERSION = /^(?:valkey )?\d+\.\d+\.\d+$/;

function reworded(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(reworded);
  if (typeof reply !== 'string') return reply;
  if (VERSION.test(reply)) return '7.0.15';
  const isError = reply.includes('@user_script');
  const text = isError ? WHERE_IN_SCRIPT.reduce((rest, where) => rest.replace(where, ''), reply) : reply;
  return WORDINGS.get(text) ?? text;
}

/** The command that makes a key of a type that is no string. */
export function foreignCommand(type: ForeignType, key: string): Command {
  return COMMANDS_BY_TYPE[type](key);
}

/** A simulated server, spoken to by commands as a real one is. Time passes on it only by {@link pass}. */
export class ModelSubject {
  readonly server: SimulatedServer;
  readonly #messages: (readonly [channel: string, message: string])[] = [];
  readonly #listener = {
    push: (channel: string, message: string) => this.#messages.push([channel, message]),
    broken: () => undefined,
  };

  constructor(runId: string, timeUs: number) {
    const options = { address: 'model', runId, wallMs: timeUs / 1_000 };
    this.server = new SimulatedServer(new Timeline(), new SeededRandom(1), options);
    this.server.accept(this.#listener);
  }

  pass(ms: number): void {
    this.server.wall.step(ms);
  }

  run(command: Command): Answer {
    try {
      return { reply: this.#run(command) };
    } catch (error) {
      if (error instanceof RedisError) return { error: error.message };
      throw error;
    }
  }

  #run([name, ...args]: Command): unknown {
    const { server } = this;
    const { store } = server;
    const [key = '', value = '', , ttl] = args;
    switch (name) {
      case 'EVAL':
      case 'EVALSHA': {
        const [script = '', keyCount, ...rest] = args;
        const keys = rest.slice(0, Number(keyCount));
        const scriptArgs = rest.slice(keys.length);
        return name === 'EVAL'
          ? server.eval(script, keys, scriptArgs)
          : server.evalsha(script, keys, scriptArgs);
      }
      case 'SCRIPT':
        if (key === 'LOAD') return server.load(value);
        server.flushScripts();
        return 'OK';
      case 'SET':
        store.set(key, value, ttl);
        return 'OK';
      case 'DEL':
        return store.delete(key);
      case 'FLUSHALL':
        if (server.role === 'slave') throw new RedisError(store.writeError ?? '');
        server.flushAll();
        return 'OK';
      case 'TYPE':
        return store.typeOf(key);
      case 'PTTL':
        return store.ttlOf(key);
      case 'GET':
        return store.get(key) ?? null;
      case 'ZADD':
        return addMembers(store, key, args.slice(1));
      case 'ZRANGE':
        return store
          .firstMembers(key, Number.POSITIVE_INFINITY)
          .flatMap(({ member, score }) => [member, String(score)]);
      case 'SUBSCRIBE':
        server.subscribe(this.#listener, key);
        return 'OK';
      case 'UNSUBSCRIBE':
        server.unsubscribe(this.#listener, key);
        return 'OK';
      case 'MESSAGES':
        return [...this.#messages];
      case 'REPLICAOF':
        return this.#replicaOf(key);
      case 'CONFIG':
        server.maxmemory = Number(args.at(-1));
        if (server.role === 'master') store.writeError = server.maxmemory > 0 ? OUT_OF_MEMORY : undefined;
        return 'OK';
      default:
        return this.#putForeign(name, key);
    }
  }

  #replicaOf(host: string): string {
    const { server } = this;
    if (host === 'NO') {
      server.becomeMaster();
      return 'OK';
    }
    if (server.role === 'slave') return 'OK Already connected to specified master';
    server.becomeReplica();
    return 'OK';
  }

  #putForeign(name: string, key: string): unknown {
    const type = FOREIGN_TYPES.find((type) => foreignCommand(type, key)[0] === name);
    if (type === undefined) throw new Error(`the model has no command ${name}`);
    this.server.store.putForeign(key, type);
    return type === 'stream' ? '1-1' : 1;
  }
}

const OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'.";

function addMembers(store: KeyStore, key: string, pairs: readonly string[]): number {
  let added = 0;
  for (let at = 0; at < pairs.length; at += 2) {
    added += store.addMember(key, pairs[at] ?? '', pairs[at + 1] ?? '');
  }
  return added;
}

/** Slow enough to stand still for as long as any test runs. */
const STANDSTILL = 1e-12;

/** Nothing is published here: once it is subscribed to, everything published before has been heard. */
const FENCE_CHANNEL = 'fence';

/** The connection that listens on a real server. */
class RealListener {
  readonly #redis: Redis;
  #messages: (readonly [channel: string, message: string])[] = [];

  constructor(url: string) {
    this.#redis = new Redis(url);
    this.#redis.on('message', (channel: string, message: string) => this.#messages.push([channel, message]));
  }

  async run([name, channel]: Command): Promise<Answer> {
    switch (name) {
      case 'SUBSCRIBE':
        await this.#redis.subscribe(channel ?? '');
        return { reply: 'OK' };
      case 'UNSUBSCRIBE':
        if (channel === undefined) await this.#startAfresh();
        else await this.#redis.unsubscribe(channel);
        return { reply: 'OK' };
      default:
        await this.#hearAll();
        return { reply: this.#messages };
    }
  }

  disconnect(): void {
    this.#redis.disconnect();
  }

  async #startAfresh(): Promise<void> {
    await this.#hearAll();
    await this.#redis.unsubscribe();
    this.#messages = [];
  }

  async #hearAll(): Promise<void> {
    await this.#redis.subscribe(FENCE_CHANNEL);
    await this.#redis.unsubscribe(FENCE_CHANNEL);
  }
}

const LISTENER_COMMANDS: ReadonlySet<string> = new Set(['SUBSCRIBE', 'UNSUBSCRIBE', 'MESSAGES']);

/** A real server whose wall clock stands still, but for what {@link run} is told to let pass. */
export class RealSubject implements AsyncDisposable {
  readonly runId: string;
  readonly #fleet: Fleet;
  readonly #node: FleetNode;
  readonly #redis: Redis;
  readonly #listener: RealListener;
  readonly #firstTimeUs: number;
  #offsetMs = 0;

  private constructor(fleet: Fleet, node: FleetNode, redis: Redis, runId: string, timeUs: number) {
    this.#fleet = fleet;
    this.#node = node;
    this.#redis = redis;
    this.#listener = new RealListener(node.url);
    this.runId = runId;
    this.#firstTimeUs = timeUs;
  }

  /** @param name of the server that the environment chooses, with its version */
  static async start(name: string): Promise<RealSubject> {
    // Redis 6.2 always allows DEBUG, and does not know the setting.
    const directives = / 6\./.test(name) ? [] : ['--enable-debug-command', 'local'];
    const fleet = await Fleet.start(1, { wallClock: true, directives });
    try {
      const [node] = fleet.nodes;
      if (node === undefined) throw new Error('a fleet of one has no node');
      await node.setWallClock({ offsetMs: 0, rate: STANDSTILL });
      const redis = new Redis(node.url);
      // A server also looks for expired keys by itself, and Redis 8 then finds them a millisecond early: by chance,
      // and within what the library allows for.
      await redis.call('DEBUG', 'SET-ACTIVE-EXPIRE', '0');
      const [, runId = ''] = /run_id:(\w+)/.exec(await redis.info('server')) ?? [];
      const [seconds, microseconds] = await redis.time();
      const timeUs = Number(seconds) * 1_000_000 + Number(microseconds);
      return new RealSubject(fleet, node, redis, runId, timeUs);
    } catch (error) {
      await fleet.stop();
      throw error;
    }
  }

  /** What TIME has to be by now, in microseconds. */
  get timeUs(): number {
    return this.#firstTimeUs + this.#offsetMs * 1_000;
  }

  /** Lets time pass, which may be negative, and then does these commands. */
  async run(passMs: number, commands: readonly Command[]): Promise<readonly Answer[]> {
    if (passMs !== 0) {
      this.#offsetMs += passMs;
      await this.#node.setWallClock({ offsetMs: this.#offsetMs, rate: STANDSTILL });
    }
    const answers: Answer[] = [];
    let ordinary: Command[] = [];
    for (const command of commands) {
      if (!LISTENER_COMMANDS.has(command[0])) {
        ordinary.push(command);
        continue;
      }
      answers.push(...(await this.#runAll(ordinary)), await this.#listener.run(command));
      ordinary = [];
    }
    answers.push(...(await this.#runAll(ordinary)));
    return answers;
  }

  async #runAll(commands: readonly Command[]): Promise<readonly Answer[]> {
    if (commands.length === 0) return [];
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.call(name, ...args);
    const answers = await pipeline.exec();
    return (answers ?? []).map(([error, reply], index) => {
      if (error !== null) return { error: String(reworded(error.message)) };
      // RESP3 has a pair for each member where RESP2 has one long list.
      return { reply: commands[index]?.[0] === 'ZRANGE' ? [reply].flat(2) : reworded(reply) };
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect();
    this.#listener.disconnect();
    await this.#fleet.stop();
  }
}
