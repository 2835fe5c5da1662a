import { describe, expect, it } from 'vitest';
import { type Lock, LockLostError, LockReleasedError, type Redlock } from '../../../src/index.ts';
import { validityMs } from '../../../src/lock/lease.ts';
import { type Machine, Simulation } from '../../../src/testing/index.ts';

const TTL = 10_000;

interface Kind {
  readonly what: string;
  readonly acquire: (redlock: Redlock) => Promise<Lock>;
  /** Waits for it, and has it alone. */
  readonly exclude: (redlock: Redlock) => Promise<Lock>;
}

const alone = (redlock: Redlock) => redlock.readWrite('r').acquireWrite();

/** Locks of every kind that can be extended. */
const KINDS: readonly Kind[] = [
  { what: 'a lock', acquire: (redlock) => redlock.acquire('r', { ttl: TTL }), exclude: alone },
  {
    what: 'a lock over several resources',
    acquire: (redlock) => redlock.acquire(['r', 'q'], { ttl: TTL }),
    exclude: alone,
  },
  {
    what: 'a write lock',
    acquire: (redlock) => redlock.readWrite('r').acquireWrite({ ttl: TTL }),
    exclude: alone,
  },
  {
    what: 'a read lock',
    acquire: (redlock) => redlock.readWrite('r').acquireRead({ ttl: TTL }),
    exclude: alone,
  },
  {
    what: 'a permit',
    acquire: (redlock) => redlock.semaphore('r', 1).acquire({ ttl: TTL }),
    exclude: (redlock) => redlock.semaphore('r', 1).acquire(),
  },
];

async function held(acquire: Kind['acquire']) {
  const simulation = new Simulation({ nodes: 3 });
  const machine = simulation.machine();
  const redlock = machine.redlock({ quarantine: 'off', nodeTimeout: 3_000 });
  await simulation.until(redlock.inspect('something else'));
  // These nodes have been so slow that they have all of nodeTimeout from now on.
  for (let times = 0; times < 5; times += 1) {
    const asked = redlock.inspect('something else');
    await delayAnswers(simulation, machine, 2_900);
    await simulation.until(asked);
    await simulation.advance(10);
  }
  const lock = await simulation.until(acquire(redlock));
  return { simulation, machine, redlock, lock };
}

/** The answers to what is under way come so much later. */
async function delayAnswers(simulation: Simulation, machine: Machine, ms: number): Promise<void> {
  for (const client of machine.clients) client.cut('replies');
  await simulation.advance(ms);
  for (const client of machine.clients) client.mend();
}

describe.each(KINDS)('the validity of $what that is extended', ({ acquire, exclude }) => {
  it('does not begin anew where a majority agrees after it has ended', async () => {
    const { simulation, machine, lock } = await held(acquire);
    await simulation.advance(9_000);
    const extended = expect(lock.extend()).rejects.toThrow(LockLostError);
    // Nothing looks at the lock meanwhile.
    await delayAnswers(simulation, machine, 2_500);
    await simulation.until(extended);
    expect(() => lock.assertHeld()).toThrow(LockLostError);
  });

  it('counts from when that was asked for, not from when it was answered', async () => {
    const { simulation, machine, lock } = await held(acquire);
    await simulation.advance(5_000);
    const askedAt = simulation.nowMs;
    const extending = lock.extend();
    await delayAnswers(simulation, machine, 2_000);
    const validity = (await simulation.until(extending)).remainingValidity();
    const elapsed = simulation.nowMs - askedAt;
    expect(elapsed).toBeGreaterThanOrEqual(2_000);
    expect(validity).toBeCloseTo(validityMs(TTL, elapsed, 0.01), 3);
    expect(lock.remainingValidity()).toBeCloseTo(validity, 3);
  });

  it('has ended before the nodes have forgotten it, and another process has it', async () => {
    const { simulation, machine, lock } = await held(acquire);
    const extending = lock.extend();
    await delayAnswers(simulation, machine, 2_900);
    await simulation.until(extending);
    const other = simulation.machine().redlock({ quarantine: 'off', waitTime: 60_000 });
    const next = await simulation.until(exclude(other));
    next.assertHeld();
    expect(lock.remainingValidity()).toBe(0);
    expect(lock.signal.aborted).toBe(true);
  });
});

describe('a auto-extension', () => {
  it('counts the validity of what it extends from when it asked for that', async () => {
    const simulation = new Simulation({ nodes: 3 });
    const machine = simulation.machine();
    const redlock = machine.redlock({ quarantine: 'off', nodeTimeout: 3_000 });
    const leaving = new AbortController();
    const validities: number[] = [];
    const using = redlock.using('r', { ttl: TTL }, async (lock) => {
      while (!leaving.signal.aborted) {
        await machine.sleep(100);
        validities.push(lock.remainingValidity());
      }
    });
    await simulation.advance(1_000);
    // From now on every answer takes a second.
    for (const client of machine.clients) {
      const send = client.evalsha.bind(client);
      client.evalsha = async (...call) => {
        const answer = await send(...call);
        await machine.sleep(1_000);
        return answer;
      };
    }
    validities.length = 0;
    await simulation.advance(30_000);
    expect(validities.length).toBeGreaterThan(200);
    expect(Math.max(...validities.slice(100))).toBeLessThanOrEqual(validityMs(TTL, 1_000, 0.01));
    leaving.abort();
    await simulation.until(using);
  });
});

describe.each(KINDS)('the release of $what during an extension', ({ acquire }) => {
  it('leaves no key, though the extension is held up on its way', async () => {
    const { simulation, machine, lock } = await held(acquire);
    for (const client of machine.clients) {
      const send = client.evalsha.bind(client);
      // As a driver does it that has to ask a Redis Cluster again.
      client.evalsha = async (sha1, keys, args) => {
        if (args.some((arg) => /^extend/.test(String(arg)))) await machine.sleep(50);
        return await send(sha1, keys, args);
      };
    }
    const extending = lock.extend().catch((error: unknown) => error);
    await simulation.advance(1);
    const report = await simulation.until(lock.release());
    expect(await simulation.until(extending)).toBeInstanceOf(LockReleasedError);
    expect(report.freed).toBe(true);
    await simulation.advance(1_000);
    for (const { store } of simulation.nodes)
      expect(store.keys().filter((key) => /^(lock|quorlock:(slot|sharers)):/.test(key))).toEqual([]);
  });

  it('resolves no sooner than the extension', async () => {
    const { simulation, machine, lock } = await held(acquire);
    const order: string[] = [];
    for (const client of machine.clients) client.cut('replies');
    void lock.extend().then(
      () => order.push('extended'),
      () => order.push('not extended'),
    );
    await simulation.advance(1);
    const releasing = lock.release().then(() => order.push('released'));
    await simulation.advance(100);
    expect(order).toEqual([]);
    for (const client of machine.clients) client.mend();
    await simulation.until(releasing);
    expect(order).toEqual(['not extended', 'released']);
  });
});
