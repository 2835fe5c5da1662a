import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { QuorlockError } from '../../src/base/errors.ts';
import { Lock as CompatLock, Redlock as CompatRedlock, ExecutionError } from '../../src/compat/redlock.ts';
import {
  FencingHeaderError,
  fencingHeaders,
  memoryRegister,
  readFencingToken,
  redisGuard,
  sqlGuard,
} from '../../src/fencing/index.ts';
import { Redlock } from '../../src/index.ts';
import { isLock } from '../../src/lock/lock.ts';
import { instrument } from '../../src/otel/index.ts';
import { OPTION_NAMES } from '../../src/redlock/options.ts';
import { Simulation } from '../../src/testing/index.ts';
import { World } from './world.ts';

/*
 * Whatever a program gives for an option or an argument, it works, or the call fails with an error that names what was
 * wrong. The values are drawn from a seed, which a failure prints; QUORLOCK_SEED sets another one.
 */

const { QUORLOCK_SEED: seed = '1' } = process.env;
const SEED = Number(seed);
const RUNS = 20;

function fails(): never {
  throw new Error('a trap of the value');
}

function revoked(target: object): unknown {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const TRAPS: ProxyHandler<object> = {
  get: fails,
  has: fails,
  ownKeys: fails,
  getPrototypeOf: fails,
  getOwnPropertyDescriptor: fails,
};

/** Any name is one of a getter that throws. */
const TRAPPED_GET: ProxyHandler<object> = {
  get: (_, name) => (name === Symbol.toStringTag ? undefined : fails()),
};

/** Values that no generator draws. */
const HOSTILE: Readonly<Record<string, () => unknown>> = {
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-0': () => -0,
  '1e300': () => 1e300,
  'the largest number': () => Number.MAX_VALUE,
  'the least number': () => Number.MIN_VALUE,
  '2^53': () => 2 ** 53,
  '2^31': () => 2 ** 31,
  'an empty string': () => '',
  'two million characters': () => 'x'.repeat(2_000_000),
  'half a character': () => 'a\ud800b',
  'a line break': () => 'a\nb',
  null: () => null,
  true: () => true,
  'a bigint': () => 10n ** 400n,
  'a symbol': () => Symbol('s'),
  'a number in an object': () => Object(5),
  'a string in an object': () => Object('s'),
  'an array with holes': () => new Array(3),
  'an array of very many holes': () => new Array(1_000_000),
  'a promise': () => Promise.resolve(1),
  'a function that throws': () => fails,
  'a class': () => class {},
  'a date that is none': () => new Date(Number.NaN),
  'an object that is no string': () => ({ toString: fails, valueOf: fails, [Symbol.toPrimitive]: fails }),
  'an object without a tag': () => Object.defineProperty({}, Symbol.toStringTag, { get: fails }),
  'an object with a long tag': () => ({ [Symbol.toStringTag]: 'x\n'.repeat(100_000) }),
  'an object that traps': () => new Proxy({}, TRAPS),
  'an object whose getters throw': () => new Proxy({}, TRAPPED_GET),
  'an array that traps': () => new Proxy([], TRAPS),
  'an array whose getters throw': () => new Proxy(['a'], TRAPPED_GET),
  'a function that traps': () => new Proxy(() => 1, TRAPS),
  'a revoked object': () => revoked({}),
  'a revoked array': () => revoked([]),
  'a revoked function': () => revoked(() => 1),
};

const ANYTHING = fc.anything({
  ...{ withBigInt: true, withBoxedValues: true, withDate: true, withMap: true, withSet: true },
  ...{ withNullPrototype: true, withObjectString: true, withTypedArray: true, withSparseArray: true },
});

interface Case {
  /** Stands in the message of an error. */
  readonly names: RegExp;
  readonly give: (value: never) => unknown;
  /** Errors that the call also has for good values. */
  readonly others?: readonly (abstract new (
    ...args: never[]
  ) => Error)[];
}

const world = new World(3);
const redlock = world.redlock();
const shared = redlock.readWrite('shared');
const compat = new CompatRedlock(world.clients, {
  retryCount: 0,
  quorlock: { clock: world.clock, random: world.random, onWarning: () => undefined },
});
let count = 0;

/** A resource of each call's own: what one call holds stands in no other's way. */
function fresh(): string {
  count += 1;
  return `r${count}`;
}

/** What a call got is given back. */
async function releasing(call: Promise<unknown>): Promise<void> {
  const got = await call;
  if (isLock(got) || got instanceof CompatLock) await got.release();
}

/** Connections that no other call closes. */
const clients = () => world.machine().clients;
const opened = (nodes: never, options: never) => new Redlock(nodes, options).close();
const made = (options: object) => opened(clients() as never, { clock: world.clock, ...options } as never);
const rival = (settings: object) =>
  new CompatRedlock(clients(), { quorlock: { clock: world.clock }, ...settings }).quit();
const asked = (options: object) => redlock.acquire(fresh(), { waitTime: 0, ...options });
const used = (options: object) => redlock.using(fresh(), { waitTime: 0, ...options }, () => 1);
const json = async (field: string, value: unknown) => {
  const lock = await redlock.acquire(fresh());
  return redlock.adopt({ ...lock.handOver(), [field]: value });
};

const CASES: Readonly<Record<string, Case>> = {
  ...Object.fromEntries(
    OPTION_NAMES.map((name) => [
      `new Redlock: ${name}`,
      { names: new RegExp(name), give: (value: never) => made({ [name]: value }) },
    ]),
  ),
  'new Redlock: options': { names: /option/, give: (value) => opened(clients() as never, value) },
  'new Redlock: nodes': { names: /nodes/, give: (value) => opened(value, { clock: world.clock } as never) },
  'new Redlock: one node': {
    names: /nodes/,
    give: (value) => opened([value] as never, { clock: world.clock } as never),
  },
  'acquire: resources': { names: /resource/, give: (value) => redlock.acquire(value, { waitTime: 0 }) },
  'acquire: one of the resources': {
    names: /resource/,
    give: (value) => redlock.acquire([value], { waitTime: 0 }),
  },
  'acquire: options': { names: /option/, give: (value) => redlock.acquire(fresh(), value) },
  'acquire: ttl': { names: /ttl/, give: (ttl) => asked({ ttl }) },
  'acquire: waitTime': { names: /waitTime/, give: (waitTime) => asked({ waitTime }) },
  'acquire: onOutage': { names: /onOutage/, give: (onOutage) => asked({ onOutage }) },
  'acquire: signal': { names: /signal/, give: (signal) => asked({ signal }) },
  'acquire: attempts': { names: /attempts/, give: (attempts) => asked({ attempts }) },
  'acquire: attempts.most': {
    names: /attempts\.most/,
    give: (most) => asked({ attempts: { most, pauseMs: () => 1 } }),
  },
  'acquire: attempts.pauseMs': {
    names: /attempts\.pauseMs/,
    give: (pauseMs) => asked({ attempts: { most: 1, pauseMs } }),
  },
  'acquire: what attempts.pauseMs returns': {
    names: /attempts\.pauseMs/,
    give: async (value) => {
      const name = fresh();
      const lock = await redlock.acquire(name, { ttl: 500 });
      const asking = redlock.acquire(name, { attempts: { most: 2, pauseMs: () => value } });
      await Promise.race([world.here.sleep(50), asking]);
      await lock.release();
      await (await asking).release();
    },
    others: [QuorlockError],
  },
  'acquire: attempts.made': {
    names: /attempts\.made/,
    give: (made) => asked({ attempts: { most: 1, pauseMs: () => 1, made } }),
  },
  'tryAcquire: options': { names: /option/, give: (value) => redlock.tryAcquire(fresh(), value) },
  'using: maxHold': { names: /maxHold/, give: (maxHold) => used({ maxHold }) },
  'using: within': { names: /within/, give: (within) => used({ within }) },
  'using: routine': {
    names: /routine|trap of the value/,
    give: (value) => redlock.using(fresh(), {}, value),
    others: [Error],
  },
  'using: options': { names: /option|routine/, give: (value) => redlock.using(fresh(), value, () => 1) },
  'lock.extend: ttl': {
    names: /ttl/,
    give: async (ttl) => {
      await using lock = await redlock.acquire(fresh());
      await lock.extend(ttl);
    },
  },
  'readWrite: resource': { names: /resource/, give: (value) => redlock.readWrite(value) },
  'acquireRead: options': { names: /option/, give: (value) => shared.acquireRead(value) },
  'usingWrite: options': { names: /option|routine/, give: (value) => shared.usingWrite(value, () => 1) },
  'downgrade: options': {
    names: /option/,
    give: async (value) => {
      const own = redlock.readWrite(fresh());
      await using lock = await own.acquireWrite();
      return await own.downgrade(lock, value);
    },
  },
  'downgrade: lock': { names: /lock/, give: (value) => shared.downgrade(value) },
  'semaphore: resource': { names: /resource/, give: (value) => redlock.semaphore(value, 1) },
  'semaphore: permits': { names: /permits/, give: (value) => redlock.semaphore(fresh(), value).acquire() },
  'inspect: resource': { names: /resource/, give: (value) => redlock.inspect(value) },
  'waiting: resource': { names: /resource/, give: (value) => redlock.waiting(value) },
  'ready: options': { names: /option/, give: (value) => redlock.ready(value) },
  'ready: timeout': { names: /timeout/, give: (timeout) => redlock.ready({ timeout }) },
  'adopt: json': { names: /json/, give: (value) => redlock.adopt(value) },
  ...Object.fromEntries(
    ['resources', 'value', 'ttl', 'validity', 'token', 'counter', 'permit', 'isShared', 'isHandedOver'].map(
      (name) => [
        `adopt: json.${name}`,
        {
          names: new RegExp(`json\\.${name}|json\\.token`),
          give: (value: never) => json(name, value),
          others: [QuorlockError],
        },
      ],
    ),
  ),
  'quorlock/redlock: clients': {
    names: /client|nodes/i,
    give: (value) => new CompatRedlock(value).quit(),
    others: [Error],
  },
  'quorlock/redlock: settings': {
    names: /settings/,
    give: (value) => new CompatRedlock(clients(), value).quit(),
  },
  ...Object.fromEntries(
    ['retryCount', 'retryDelay', 'retryJitter', 'driftFactor', 'automaticExtensionThreshold', 'db'].map(
      (name) => [
        `quorlock/redlock: ${name}`,
        {
          names: new RegExp(name),
          give: (value: never) => rival({ [name]: value }),
        },
      ],
    ),
  ),
  'quorlock/redlock: acquire: resources': {
    names: /resource/,
    give: (value) => compat.acquire(value, 1_000),
  },
  'quorlock/redlock: acquire: duration': {
    names: /duration|ttl/i,
    give: (value) => compat.acquire([fresh()], value),
    others: [Error],
  },
  'quorlock/redlock: acquire: settings': {
    names: /settings|retry|drift|automatic/,
    give: (value) => compat.acquire([fresh()], 1_000, value),
  },
  'quorlock/redlock: extend: lock': {
    names: /lock/,
    give: (value) => compat.extend(value, 1_000),
    others: [ExecutionError],
  },
  'quorlock/redlock: release: lock': {
    names: /lock/,
    give: (value) => compat.release(value),
    others: [ExecutionError],
  },
  'quorlock/redlock: release: a value': {
    names: /value/,
    give: (value) => compat.release(new CompatLock(compat, [fresh()], value, [], Date.now())),
    others: [ExecutionError],
  },
  'quorlock/redlock: lock.expiration': {
    names: /lock/,
    give: (value) => compat.release(new CompatLock(compat, [fresh()], 'v', [], value)),
    others: [ExecutionError],
  },
  'redisGuard: client': { names: /client/, give: (value) => redisGuard(value) },
  'redisGuard: options': {
    names: /options|retentionMs/,
    give: (value) => redisGuard({ eval: async () => ['ok'] }, value),
  },
  'redisGuard: key': {
    names: /key/,
    give: (value) => redisGuard({ eval: async () => ['ok'] }).register(value, 1),
  },
  'redisGuard: token': {
    names: /token/,
    give: (value) => redisGuard({ eval: async () => ['ok'] }).register('k', value),
  },
  'redisGuard: value': {
    names: /value/,
    give: (value) => redisGuard({ eval: async () => ['ok'] }).write('k', 1, value),
  },
  'redisGuard: options of a write': {
    names: /options|ttlMs/,
    give: (value) => redisGuard({ eval: async () => ['ok'] }).write('k', 1, 'v', value),
  },
  'redisGuard: a reply': {
    names: /eval/,
    give: (value) => redisGuard({ eval: async () => value }).register('k', 1),
    others: [Error],
  },
  'memoryRegister: options': { names: /options|maxResources/, give: (value) => memoryRegister(value) },
  'memoryRegister: resource': { names: /resource/, give: (value) => memoryRegister().register(value, 1) },
  'memoryRegister: token': { names: /token/, give: (value) => memoryRegister().register('r', value) },
  'memoryRegister: work': {
    names: /work/,
    give: (value) => memoryRegister().run('r', 1, value),
    others: [Error],
  },
  'sqlGuard: options': { names: /options|dialect/, give: (value) => sqlGuard(value) },
  'sqlGuard: dialect': { names: /dialect/, give: (dialect) => sqlGuard({ dialect }) },
  'sqlGuard: table': { names: /table/, give: (table) => sqlGuard({ dialect: 'sqlite', table }) },
  'fencingHeaders: lock': { names: /lock/, give: (value) => fencingHeaders(value) },
  'readFencingToken: headers': {
    names: /header/i,
    give: (value) => readFencingToken(value),
    others: [FencingHeaderError],
  },
  'instrument: options': { names: /options|Provider|lockName/, give: (value) => instrument(value).stop() },
  'instrument: lockName': { names: /lockName/, give: (lockName) => instrument({ lockName }).stop() },
  'Simulation: options': {
    names: /options|nodes|seed|latency|network|trace/,
    give: (value) => new Simulation(value),
  },
  'Simulation: nodes': { names: /nodes/, give: (nodes) => new Simulation({ nodes }) },
  'Simulation: seed': { names: /seed/, give: (seed) => new Simulation({ seed }) },
  'Simulation: network': { names: /network/, give: (network) => new Simulation({ network }) },
  ...Object.fromEntries(
    ['loss', 'overtaking', 'doubling', 'doublingDelay', 'reconnectDelay', 'resends'].map((name) => [
      `Simulation: ${name}`,
      {
        names: new RegExp(`network|${name}`),
        give: (value: never) => new Simulation().machine({ network: { [name]: value } }),
      },
    ]),
  ),
  'Simulation: latency': { names: /latency/, give: (latency) => new Simulation({ network: { latency } }) },
};

/** What is wrong with the outcome of a call; undefined: nothing. */
async function flawOf({ names, give, others = [] }: Case, value: unknown): Promise<string | undefined> {
  try {
    const call = async () => releasing(Promise.resolve(give(value as never)));
    await world.clock.runUntil(call());
    return undefined;
  } catch (error) {
    if (others.some((other) => error instanceof other)) return undefined;
    const isOurs = [QuorlockError, TypeError, RangeError].some((kind) => error instanceof kind);
    const message = error instanceof Error ? error.message : `no error: ${typeof error}`;
    const shown = `${error instanceof Error ? error.name : ''}: ${message.slice(0, 200)}`;
    if (!isOurs) return `another error, ${shown}`;
    if (!names.test(message)) return `an error that does not name it, ${shown}`;
    if (message.length > 1_000) return `a long message, ${message.length} characters: ${shown}`;
    return /\n/.test(message) ? `a message of two lines, ${shown}` : undefined;
  }
}

describe.each(Object.entries(CASES))('%s', (_, each) => {
  it('works, or is refused by its name, whatever hostile value it has', async () => {
    const flaws: string[] = [];
    for (const [name, make] of Object.entries(HOSTILE)) {
      const flaw = await flawOf(each, make());
      if (flaw !== undefined) flaws.push(`${name}: ${flaw}`);
    }
    expect(flaws).toEqual([]);
  });

  it('works, or is refused by its name, whatever random value it has', async () => {
    const property = fc.asyncProperty(ANYTHING, async (value) => {
      const flaw = await flawOf(each, value);
      if (flaw !== undefined) throw new Error(flaw);
    });
    await fc.assert(property, { seed: SEED, numRuns: RUNS, endOnFailure: true });
  });
});
