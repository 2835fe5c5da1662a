import { Redis } from 'ioredis';
import { type ForeignType, RedisError } from '../../src/testing/key-store.ts';
import { SeededRandom } from '../../src/testing/seeded-random.ts';
import { SimulatedServer } from '../../src/testing/simulated-node.ts';
import { Timeline } from '../../src/testing/timeline.ts';
import { Fleet, type FleetNode } from '../fleet/fleet.ts';

/** A command as it goes over the wire: its name, then its arguments. */
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
const WORDINGS: ReadonlyMap<unknown, string> = new Map([
  // Redis 6.2
  ['ERR invalid expire time in set', "ERR invalid expire time in 'set' command"],
  // Valkey
  ['NOSCRIPT No matching script.', 'NOSCRIPT No matching script. Please use EVAL.'],
]);

function reworded(reply: unknown): unknown {
  return Array.isArray(reply) ? reply.map(reworded) : (WORDINGS.get(reply) ?? reply);
}

/** The command that makes a key of a type that is no string. */
export function foreignCommand(type: ForeignType, key: string): Command {
  return COMMANDS_BY_TYPE[type](key);
}

/** A simulated server, spoken to by commands as a real one is. Time passes on it only by {@link pass}. */
export class ModelSubject {
  readonly server: SimulatedServer;

  constructor(runId: string, timeUs: number) {
    const options = { address: 'model', runId, wallMs: timeUs / 1_000 };
    this.server = new SimulatedServer(new Timeline(), new SeededRandom(1), options);
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
        server.flushAll();
        return 'OK';
      case 'TYPE':
        return store.typeOf(key);
      case 'PTTL':
        return store.ttlOf(key);
      case 'GET':
        return store.get(key) ?? null;
      default:
        return this.#putForeign(name, key);
    }
  }

  #putForeign(name: string, key: string): unknown {
    const type = FOREIGN_TYPES.find((type) => foreignCommand(type, key)[0] === name);
    if (type === undefined) throw new Error(`the model has no command ${name}`);
    this.server.store.putForeign(key, type);
    return type === 'stream' ? '1-1' : 1;
  }
}

/** Slow enough to stand still for as long as any test runs. */
const STANDSTILL = 1e-12;

/** A real server whose wall clock stands still, but for what {@link run} is told to let pass. */
export class RealSubject implements AsyncDisposable {
  readonly runId: string;
  readonly #fleet: Fleet;
  readonly #node: FleetNode;
  readonly #redis: Redis;
  readonly #firstTimeUs: number;
  #offsetMs = 0;

  private constructor(fleet: Fleet, node: FleetNode, redis: Redis, runId: string, timeUs: number) {
    this.#fleet = fleet;
    this.#node = node;
    this.#redis = redis;
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
    const pipeline = this.#redis.pipeline();
    for (const [name, ...args] of commands) pipeline.call(name, ...args);
    const answers = await pipeline.exec();
    return (answers ?? []).map(([error, reply]) =>
      error === null ? { reply: reworded(reply) } : { error: String(reworded(error.message)) },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#redis.disconnect();
    await this.#fleet.stop();
  }
}
