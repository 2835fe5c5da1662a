import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  type AcquireOptions,
  ExtendFailedError,
  type Lock,
  LockLostError,
  type Redlock,
} from '../../../src/index.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';

/*
 * What the library promises about a lock that another caller of the same process waits for. None of it needs a clock:
 *
 * - A lock that another process had meanwhile can't be extended: the holder hears that it is lost.
 * - A caller that has its lock from a new round on the nodes has a higher token than all that had it before. One that
 *   has it from the caller before it, in memory, has that one's validity and no more, and never after that has ended or
 *   an extension of it failed.
 * - Another caller that waits takes no node away from the holder.
 */

const TTL = 10_000;

interface Program {
  readonly machine: Machine;
  readonly redlock: Redlock;
}

async function open(simulation: Simulation): Promise<Program> {
  const machine = simulation.machine();
  const redlock = machine.redlock({ quarantine: 'off' });
  await simulation.until(redlock.inspect('something else'));
  return { machine, redlock };
}

const ask = ({ redlock }: Program, ttl = TTL) => redlock.acquire('r', { ttl, waitTime: 600_000 });

/**
 * A holder, as it is in a process that is busy with the lock: callers before it have had it for a moment each. No
 * caller waits for it yet.
 */
async function busy(nodes: number, ttl = TTL) {
  const simulation = new Simulation({ nodes, network: { latency: { least: 0.2, most: 0.3 } } });
  const program = await open(simulation);
  const callers = [ask(program, ttl), ask(program, ttl), ask(program, ttl)];
  let holder: Lock | undefined;
  for (const caller of callers) {
    if (holder !== undefined) {
      await simulation.advance(1);
      void holder.release();
    }
    holder = await simulation.until(caller);
  }
  if (holder === undefined) throw new Error('there is no holder');
  return { simulation, program, holder };
}

/** The key goes, and the counter stays, on a majority of nodes. Returns what undoes the cause. */
type Loss = (simulation: Simulation) => () => void;

const deleted: Loss = (simulation) => {
  for (const { store } of majorityOf(simulation))
    for (const key of lockKeysIn(store.keys())) store.delete(key);
  return () => undefined;
};

const LOSSES: readonly (readonly [string, Loss])[] = [
  ['deleted', deleted],
  [
    'evicted',
    (simulation) => {
      for (const node of majorityOf(simulation)) node.evict('lock:r');
      return () => undefined;
    },
  ],
  [
    'expired by a clock that steps and comes back',
    (simulation) => {
      for (const { wall } of majorityOf(simulation)) wall.step(TTL + 1);
      return () => {
        for (const { wall } of majorityOf(simulation)) wall.step(-TTL - 1);
      };
    },
  ],
];

/** Not the counters, nor what is kept of semaphores and queues. */
function lockKeysIn(keys: readonly string[]): readonly string[] {
  return keys.filter((key) => /^lock:|^quorlock:(slot|sharers):/.test(key));
}

function majorityOf({ nodes }: Simulation) {
  return nodes.slice(0, Math.floor(nodes.length / 2) + 1);
}

/** Another process has the lock for a moment, since it is gone on a majority of nodes, and gives it back. */
async function hadElsewhere(
  simulation: Simulation,
  lose: (simulation: Simulation) => () => void,
): Promise<Lock> {
  const comeBack = lose(simulation);
  // It knows of no clock that stepped.
  const lock = await simulation.until(
    (await open(simulation)).redlock.acquire('r', { ttl: TTL, waitTime: 0 }),
  );
  await simulation.advance(1);
  await simulation.until(lock.release());
  comeBack();
  return lock;
}

describe.each(LOSSES)('a lock whose key was %s, and that another process had', (_, lose) => {
  it.each([3, 5])('is lost, as its holder hears when it extends it, on %i nodes', async (nodes) => {
    const { simulation, holder } = await busy(nodes);
    await hadElsewhere(simulation, lose);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
    expect(holder.signal.aborted).toBe(true);
  });

  it.each([3, 5])('is lost as well where a caller has come to wait since, on %i nodes', async (nodes) => {
    const { simulation, program, holder } = await busy(nodes);
    await hadElsewhere(simulation, lose);
    void ask(program).catch(() => undefined);
    await simulation.advance(5);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
    expect(holder.signal.aborted).toBe(true);
  });

  it.each([3, 5])('is lost as well where a caller had waited before, on %i nodes', async (nodes) => {
    const { simulation, program, holder } = await busy(nodes);
    void ask(program).catch(() => undefined);
    await simulation.advance(5);
    await hadElsewhere(simulation, lose);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
    expect(holder.signal.aborted).toBe(true);
  });

  it('is lost for a routine as well, by the time at which its own extension comes', async () => {
    const { simulation, program, holder } = await busy(5);
    let lock: Lock | undefined;
    const routine = new AbortController();
    const using = program.redlock.using('r', { ttl: TTL, waitTime: 600_000 }, async (own) => {
      lock = own;
      await once(routine.signal, 'abort');
    });
    await simulation.advance(1);
    void holder.release();
    await simulation.advance(5);
    await hadElsewhere(simulation, lose);
    void ask(program).catch(() => undefined);
    await simulation.advance(TTL);
    expect(lock?.signal.aborted).toBe(true);
    routine.abort();
    await simulation.until(using);
  });
});

/** Locks of other kinds, by how a caller gets one that no other may have beside it. */
const KINDS: readonly (readonly [
  string,
  (redlock: Redlock) => (options: AcquireOptions) => Promise<Lock>,
])[] = [
  ['a write lock', (redlock) => (options) => redlock.readWrite('r').acquireWrite(options)],
  ['a lock over several resources', (redlock) => (options) => redlock.acquire(['q', 'r'], options)],
];

describe.each(KINDS)('%s whose keys were deleted, and that another process had', (_, acquirerOf) => {
  it('is lost, as its holder hears when it extends it, also where a caller has come to wait since', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const program = await open(simulation);
    const acquire = acquirerOf(program.redlock);
    const options = { ttl: TTL, waitTime: 600_000 };
    const [first, second] = [acquire(options), acquire(options)];
    const earlier = await simulation.until(first);
    await simulation.advance(1);
    void earlier.release();
    const holder = await simulation.until(second);
    deleted(simulation);
    const elsewhere = await simulation.until(acquirerOf((await open(simulation)).redlock)(options));
    await simulation.until(elsewhere.release());
    void acquire(options).catch(() => undefined);
    await simulation.advance(5);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
  });
});

describe('a permit whose keys were deleted, and that another process had', () => {
  it('is lost, as its holder hears when it extends it, also where a caller has come to wait since', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const semaphore = (await open(simulation)).redlock.semaphore('r', 1);
    const holder = await simulation.until(semaphore.acquire({ ttl: TTL }));
    deleted(simulation);
    const elsewhere = (await open(simulation)).redlock.semaphore('r', 1);
    await simulation.until((await simulation.until(elsewhere.acquire({ ttl: TTL }))).release());
    void semaphore.acquire({ ttl: TTL }).catch(() => undefined);
    await simulation.advance(5);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
  });
});

describe('a read lock whose keys were deleted, while another process had a write lock', () => {
  it('is lost, as its holder hears when it extends it, also where another caller reads since', async () => {
    const simulation = new Simulation({ nodes: 5 });
    const program = await open(simulation);
    const readWrite = program.redlock.readWrite('r');
    const holder = await simulation.until(readWrite.acquireRead({ ttl: TTL }));
    deleted(simulation);
    const writer = (await open(simulation)).redlock.readWrite('r');
    const elsewhere = await simulation.until(writer.acquireWrite({ ttl: TTL }));
    await simulation.until(elsewhere.release());
    const other = await simulation.until(readWrite.acquireRead({ ttl: TTL }));
    expect(other.token).toBeGreaterThan(elsewhere.token);
    await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
    other.assertHeld();
  });
});

/** The next caller's lock is from the holder's own round: the process has asked no node since. */
const isHandedOver = (next: Lock, holder: Lock) => next.value === holder.value;

describe.each(LOSSES)(
  'the caller after one whose key was %s, while another process had the lock,',
  (_, lose) => {
    it('has a higher token than that process, unless it shares the holder’s own round', async () => {
      const { simulation, program, holder } = await busy(5);
      const next = ask(program);
      await simulation.advance(5);
      const elsewhere = await hadElsewhere(simulation, lose);
      const leftMs = holder.remainingValidity();
      void holder.release();
      const lock = await simulation.until(next);
      // Stale as the holder was, and no longer good than that one.
      if (isHandedOver(lock, holder)) expect(lock.remainingValidity()).toBeLessThanOrEqual(leftMs);
      else expect(lock.token).toBeGreaterThan(elsewhere.token);
    });

    it('has a higher token than that process, where an extension has failed', async () => {
      const { simulation, program, holder } = await busy(5);
      const next = ask(program);
      await simulation.advance(5);
      const elsewhere = await hadElsewhere(simulation, lose);
      await expect(simulation.until(holder.extend())).rejects.toThrow(LockLostError);
      void holder.release();
      const lock = await simulation.until(next);
      expect(lock.value).not.toBe(holder.value);
      expect(lock.token).toBeGreaterThan(elsewhere.token);
    });

    it('has a higher token than that process, where too much of the validity was gone', async () => {
      const { simulation, program, holder } = await busy(5);
      const next = ask(program);
      await simulation.advance(TTL / 10);
      const elsewhere = await hadElsewhere(simulation, lose);
      void holder.release();
      const lock = await simulation.until(next);
      expect(lock.value).not.toBe(holder.value);
      expect(lock.token).toBeGreaterThan(elsewhere.token);
    });
  },
);

describe('the caller after one whose validity has ended', () => {
  it('has a higher token than another process that had the lock since', async () => {
    const { simulation, program, holder } = await busy(5);
    const other = await open(simulation);
    const next = ask(program);
    await simulation.advance(5);
    program.machine.pause(2 * TTL);
    const between = await simulation.until(ask(other));
    await simulation.until(between.release());
    await simulation.advance(2 * TTL);
    void holder.release();
    const lock = await simulation.until(next);
    expect(lock.value).not.toBe(holder.value);
    expect(lock.token).toBeGreaterThan(between.token);
  });

  it('has a higher token also where too few nodes answered an extension before', async () => {
    const { simulation, program, holder } = await busy(5);
    const next = ask(program);
    await simulation.advance(5);
    for (const client of program.machine.clients.slice(0, 3)) client.cut('both');
    await expect(simulation.until(holder.extend())).rejects.toThrow(ExtendFailedError);
    for (const client of program.machine.clients) client.mend();
    await simulation.advance(TTL / 10);
    const elsewhere = await hadElsewhere(simulation, deleted);
    void holder.release();
    const lock = await simulation.until(next);
    expect(lock.value).not.toBe(holder.value);
    expect(lock.token).toBeGreaterThan(elsewhere.token);
  });
});

describe('tokens of callers that are handed a lock, and of those after them', () => {
  it.each([1, 2, 3])(
    'grow in the order in which they have it, whatever process they are of (seed %i)',
    async (seed) => {
      const simulation = new Simulation({ nodes: 5, seed });
      const programs = [await open(simulation), await open(simulation), await open(simulation)];
      const tokens: number[] = [];
      const work = async (program: Program) => {
        for (let round = 0; round < 8; round += 1) {
          const lock = await ask(program);
          tokens.push(lock.token);
          await program.machine.sleep(1);
          await lock.release();
        }
      };
      await simulation.until(
        Promise.all(programs.flatMap((program) => [1, 2, 3, 4].map(() => work(program)))),
      );
      expect(tokens).toHaveLength(96);
      expect(tokens).toEqual([...new Set(tokens)].sort((a, b) => a - b));
    },
  );
});

describe('a holder whose lock another caller waits for', () => {
  /** The process can't reach the last two of five nodes for as long as they have time to answer. */
  async function withoutTheLast({ simulation, program }: { simulation: Simulation; program: Program }) {
    const last = program.machine.clients.slice(3);
    for (const client of last) client.cut('requests');
    void ask(program).catch(() => undefined);
    await simulation.advance(200);
    for (const client of last) client.mend();
    await simulation.advance(200);
  }

  it('keeps as many nodes as it got, though the process could not reach some when the caller came', async () => {
    const all = await busy(5);
    const { simulation, holder } = all;
    await simulation.advance(5);
    await withoutTheLast(all);
    for (const node of simulation.nodes.slice(0, 2)) node.crash();
    await simulation.advance(100);
    expect((await simulation.until(holder.extend())).remainingValidity()).toBeGreaterThan(TTL / 2);
  });

  it('keeps as many nodes as it got, where no other client came', async () => {
    const { simulation, holder } = await busy(5);
    await simulation.advance(5);
    for (const node of simulation.nodes.slice(0, 2)) node.crash();
    await simulation.advance(100);
    expect((await simulation.until(holder.extend())).remainingValidity()).toBeGreaterThan(TTL / 2);
  });

  it('which had it from the caller before keeps as many nodes as that one got', async () => {
    const all = await busy(5);
    const { simulation, program, holder } = all;
    await simulation.advance(5);
    const last = program.machine.clients.slice(3);
    for (const client of last) client.cut('requests');
    const next = ask(program);
    await simulation.advance(60);
    void holder.release();
    const lock = await simulation.until(next);
    for (const client of last) client.mend();
    await simulation.advance(200);
    for (const node of simulation.nodes.slice(0, 2)) node.crash();
    await simulation.advance(100);
    expect((await simulation.until(lock.extend())).remainingValidity()).toBeGreaterThan(TTL / 2);
  });
});
