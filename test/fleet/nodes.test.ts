import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Fleet, type FleetNode } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../scripts/fleet/proxy.ts';
import { scriptCalls, scriptCallsDuring } from '../../scripts/fleet/server-calls.ts';
import { LockReleasedError, NoQuorumError, Redlock } from '../../src/index.ts';
import { BRISK, nodeAt, PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import {
  expectHeldOnAll,
  expectNoKeys,
  holdElsewhere,
  keysOn,
  LONG_TTL_MS,
  letGoElsewhere,
  valuesOf,
} from '../support/lock-keys.ts';
import { runProgram } from '../support/programs.ts';

/** Of the tests that run at once each has a fleet of its own. */
vi.setConfig({ maxConcurrency: 4 });

/** Driver options under which a command is sent now or fails now. */
const SAFE = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false } as const;

/** A client of its own, and gone with the test. */
function client(port: number | undefined, options: object = SAFE): Redis {
  const redis = new Redis(port ?? 0, '127.0.0.1', options);
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

async function timeUsOf(node: FleetNode): Promise<number> {
  const time = await node.command('TIME');
  if (!Array.isArray(time)) throw new Error(`TIME was answered with ${JSON.stringify(time)}`);
  return Number(time[0]) * 1_000_000 + Number(time[1]);
}

describe.concurrent.each([1, 2, 3, 4, 5, 7])('%i nodes', (nodeCount) => {
  it('lock, exclude, extend and release, and go on until a majority cannot vote', async () => {
    await using fleet = await startDeployment(nodeCount);
    const options = { ...PATIENT, onOutage: 'reject' } as const;
    await using redlock = new Redlock(fleet.urls, options);
    await using other = new Redlock(fleet.urls, options);
    const cycle = async () => {
      const lock = await redlock.acquire('resource', { ttl: LONG_TTL_MS });
      lock.assertHeld();
      await expectHeldOnAll(fleet, lock);
      expect(await other.tryAcquire('resource')).toBeNull();
      expect(await other.inspect('resource')).toMatchObject({ state: 'held', value: lock.value });
      await lock.extend();
      lock.assertHeld();
      expect((await lock.release()).freed).toBe(true);
      expect(() => lock.assertHeld()).toThrow(LockReleasedError);
      await expectNoKeys(fleet);
      await using next = await other.acquire('resource', { ttl: LONG_TTL_MS });
      next.assertHeld();
    };
    await cycle();

    const tolerated = Math.floor((nodeCount - 1) / 2);
    await Promise.all(fleet.nodes.slice(0, tolerated).map((node) => node.kill()));
    await cycle();

    await nodeAt(fleet, tolerated).kill();
    for (const caller of [redlock, other]) {
      await expect(caller.acquire('resource', { ttl: LONG_TTL_MS })).rejects.toThrow(NoQuorumError);
      await expect(caller.tryAcquire('resource', { ttl: LONG_TTL_MS })).rejects.toThrow(NoQuorumError);
    }
    await expectNoKeys(fleet);
  });
});

describe.concurrent('five nodes', () => {
  it('2 hung: locks are acquired, extended and released', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await untilAllVote(redlock);
    for (const node of fleet.nodes.slice(0, 2)) node.pause();

    const lock = await redlock.acquire('resource', { ttl: LONG_TTL_MS });
    await lock.extend();
    lock.assertHeld();
    expect((await lock.release()).freed).toBe(true);

    await expectNoKeys(fleet);
  });

  it('2 hung from the first connection on: locks are acquired and released', async () => {
    await using fleet = await startDeployment(5);
    for (const node of fleet.nodes.slice(3)) node.pause();
    await using redlock = new Redlock(fleet.urls, PATIENT);

    const lock = await redlock.acquire('resource', { ttl: LONG_TTL_MS });
    expect((await lock.release()).freed).toBe(true);

    await expectNoKeys(fleet);
  });

  it('3 killed: rejects, and leaves nothing on the living', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, BRISK);
    await untilAllVote(redlock);
    await Promise.all(fleet.nodes.slice(0, 3).map((node) => node.kill()));

    await expect(redlock.acquire('resource', { ttl: LONG_TTL_MS })).rejects.toThrow(NoQuorumError);

    await expectNoKeys(fleet);
  });

  it('3 hung: rejects, leaves nothing on the living, and nothing on the hung once they go on', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, BRISK);
    await untilAllVote(redlock);
    const hung = fleet.nodes.slice(0, 3);
    const before = await Promise.all(hung.map(scriptCalls));
    for (const node of hung) node.pause();

    await expect(redlock.acquire('resource', { ttl: LONG_TTL_MS })).rejects.toThrow(NoQuorumError);
    await expectNoKeys(fleet);

    for (const node of hung) node.resume();
    await eventually('the late ACQUIRE and its RELEASE have run', async () => {
      const now = await Promise.all(hung.map(scriptCalls));
      return now.every((calls, index) => calls >= (before[index] ?? 0) + 2);
    });
    await expectNoKeys(fleet);
    await using lock = await redlock.acquire('resource', { ttl: LONG_TTL_MS });
    lock.assertHeld();
  });

  it('2 hung while a lock is acquired and released: they end up clean, too', async () => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await untilAllVote(redlock);
    const hung = fleet.nodes.slice(3);
    const before = await Promise.all(hung.map(scriptCalls));
    for (const node of hung) node.pause();

    for (const resource of ['a', 'b', 'c']) {
      await (await redlock.acquire(resource, { ttl: LONG_TTL_MS })).release();
    }
    for (const node of hung) node.resume();

    // The first ACQUIRE and its RELEASE. Of what came after that, hung nodes were asked little.
    await eventually('what was sent meanwhile has run', async () => {
      const now = await Promise.all(hung.map(scriptCalls));
      return now.every((calls, index) => calls >= (before[index] ?? 0) + 2);
    });
    await expectNoKeys(fleet);
  });

  it('a late ACQUIRE is refused by its deadline, also when no RELEASE follows it', async () => {
    await using fleet = await startDeployment(3);
    const node = nodeAt(fleet, 0);
    await using proxy = await TcpProxy.start(node.port);
    await using redlock = new Redlock([proxy.url, ...fleet.urls.slice(1)], BRISK);
    await untilAllVote(redlock);
    const before = await scriptCalls(node);
    proxy.cut('both');

    await using lock = await redlock.acquire('late', { ttl: LONG_TTL_MS });
    const askedAtUs = await timeUsOf(node);
    await eventually("the node's time is past the deadline", async () => {
      return (await timeUsOf(node)) > askedAtUs + (BRISK.nodeTimeout + 1_000) * 1_000;
    });
    await proxy.heal();

    await eventually('the late ACQUIRE has run', async () => (await scriptCalls(node)) > before);
    expect(await keysOn(fleet, 'lock:late')).toEqual(['node 1: lock:late', 'node 2: lock:late']);
    lock.assertHeld();
  });

  it.each(['killed', 'hung'])('a lock stays held while two nodes are %s', async (fault) => {
    await using fleet = await startDeployment(5);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    await using lock = await redlock.acquire('resource', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    expect(await other.tryAcquire('resource')).toBeNull();

    for (const node of fleet.nodes.slice(0, 2)) {
      if (fault === 'killed') await node.kill();
      else node.pause();
    }

    expect(await other.tryAcquire('resource')).toBeNull();
    await lock.extend();
    lock.assertHeld();
  });

  it('a node that was killed under a lock and restarted empty: exclusion holds, and extensions heal it', async () => {
    await using fleet = await startDeployment(5, { maxTtl: 5_000 });
    const options = { ...PATIENT, nodeTimeout: 4_000, maxTtl: 5_000 };
    await using redlock = new Redlock(fleet.urls, options);
    await using other = new Redlock(fleet.urls, options);

    await redlock.using('resource', { ttl: 5_000 }, async (lock) => {
      await expectHeldOnAll(fleet, lock);
      await nodeAt(fleet, 0).kill();
      expect(await other.tryAcquire('resource')).toBeNull();

      await nodeAt(fleet, 0).restartEmpty();
      expect(await other.tryAcquire('resource')).toBeNull();

      await eventually('an extension has healed the node', async () => {
        return (await nodeAt(fleet, 0).command('GET', 'lock:resource')) === lock.value;
      });
      expect(await other.tryAcquire('resource')).toBeNull();
      lock.assertHeld();
    });
    await expectNoKeys(fleet);
  });
});

describe('a new deployment', () => {
  it('of which two Redlocks make first use at once serves both, every time', async () => {
    await using fleet = await Fleet.start(3);
    for (let round = 1; round <= 20; round++) {
      for (const node of fleet.nodes) await node.command('FLUSHALL');
      await using one = new Redlock(fleet.urls, { ...PATIENT, onOutage: 'reject' });
      await using other = new Redlock(fleet.urls, { ...PATIENT, onOutage: 'reject' });

      const locks = await Promise.all([one.acquire('this'), other.acquire('that')]);

      for (const lock of locks) lock.assertHeld();
    }
  });
});

describe('three nodes', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await startDeployment(3);
  });
  afterAll(() => fleet.stop());

  it('`await using` releases a lock, and closes a Redlock, at the end of the block', async () => {
    let lockSignal: AbortSignal | undefined;
    let closed: Redlock | undefined;
    {
      await using redlock = new Redlock(fleet.urls, PATIENT);
      closed = redlock;
      {
        await using lock = await redlock.acquire('block', { ttl: LONG_TTL_MS });
        lockSignal = lock.signal;
        await expectHeldOnAll(fleet, lock);
      }
      expect(lockSignal.aborted).toBe(true);
      expect(lockSignal.reason).toBeInstanceOf(LockReleasedError);
      await expectNoKeys(fleet, 'lock:block');
      await redlock.acquire('block', { ttl: LONG_TTL_MS });
    }
    await expect(closed.acquire('block')).rejects.toMatchObject({ code: 'QUORLOCK_CLOSED' });
    await expectNoKeys(fleet, 'lock:block');
  });

  it('canonical keys exclude a plain SET NX PX, and are excluded by it', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, keyPrefix: '' });
    const plainly = () =>
      Promise.all(
        fleet.nodes.map((node) => node.command('SET', 'canonical', 'another Redlock', 'NX', 'PX', 600_000)),
      );
    {
      await using lock = await redlock.acquire('canonical', { ttl: LONG_TTL_MS });
      await expectHeldOnAll(fleet, lock, '');
      expect(await plainly()).toEqual([null, null, null]);
    }
    await expectNoKeys(fleet, 'canonical');

    expect(await plainly()).toEqual(['OK', 'OK', 'OK']);
    expect(await redlock.tryAcquire('canonical')).toBeNull();
    expect(await valuesOf(fleet, 'canonical')).toEqual(Array(3).fill('another Redlock'));
    await letGoElsewhere(fleet.nodes, 'canonical');
  });

  it('the wait that its caller aborts rejects with its own reason, and leaves no key behind', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await holdElsewhere(fleet.nodes.slice(0, 2), 'lock:awaited');
    const before = await scriptCalls(nodeAt(fleet, 2));
    const controller = new AbortController();
    const reason = { mine: true };

    const waiting = redlock.acquire('awaited', {
      ttl: LONG_TTL_MS,
      waitTime: Number.POSITIVE_INFINITY,
      signal: controller.signal,
    });
    const outcome = waiting.catch((error: unknown) => error);
    await eventually('it has tried', async () => (await scriptCalls(nodeAt(fleet, 2))) >= before + 2);
    controller.abort(reason);

    expect(await outcome).toBe(reason);
    await letGoElsewhere(fleet.nodes.slice(0, 2), 'lock:awaited');
    await expectNoKeys(fleet, 'lock:awaited');
  });

  it('an attempt that its caller aborts under way does the same, before any node has answered', async () => {
    const proxies = await Promise.all(fleet.nodes.map(({ port }) => TcpProxy.start(port)));
    onTestFinished(async () => {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    });
    await using redlock = new Redlock(
      proxies.map(({ url }) => url),
      { ...PATIENT, ttl: LONG_TTL_MS, nodeTimeout: 10_000 },
    );
    await untilAllVote(redlock);
    const controller = new AbortController();
    const reason = new Error("the caller's own");
    for (const proxy of proxies) proxy.cut('down');

    const attempt = redlock.acquire('under way', { ttl: LONG_TTL_MS, signal: controller.signal });
    const outcome = attempt.catch((error: unknown) => error);
    await eventually(
      'all nodes have granted it',
      async () => (await keysOn(fleet, 'lock:under way')).length === 3,
    );
    controller.abort(reason);
    expect(await outcome).toBe(reason);
    await Promise.all(proxies.map((proxy) => proxy.heal()));

    await expectNoKeys(fleet, 'lock:under way');
  });

  it('a signal that was aborted before anything was sent lets nothing be sent', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await untilAllVote(redlock);
    const reason = new Error("the caller's own");

    const calls = await scriptCallsDuring(fleet, async () => {
      await expect(redlock.acquire('never', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });

    expect(calls).toEqual([0, 0, 0]);
  });

  it('SCRIPT FLUSH between acquisition, extension, release and the next acquisition is harmless', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const flush = () => Promise.all(fleet.nodes.map((node) => node.command('SCRIPT', 'FLUSH')));

    const lock = await redlock.acquire('flushed', { ttl: LONG_TTL_MS });
    await flush();
    await lock.extend();
    await flush();
    expect((await lock.release()).freed).toBe(true);
    await flush();
    await using next = await redlock.acquire('flushed', { ttl: LONG_TTL_MS });

    next.assertHeld();
    await expectHeldOnAll(fleet, next);
  });

  it('fencing tokens grow from one acquisition to the next, in whichever process', async () => {
    await using one = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock([...fleet.urls].reverse(), PATIENT);
    const tokens: number[] = [];

    for (let round = 0; round < 30; round++) {
      await using lock = await (round % 3 === 0 ? other : one).acquire('fenced', { ttl: LONG_TTL_MS });
      if (lock.token === undefined) throw new Error('a lock has no token');
      tokens.push(lock.token);
    }

    const grown = tokens.filter((token, index) => index === 0 || token > (tokens[index - 1] ?? token));
    expect(grown).toEqual(tokens);
    expect(tokens.every(Number.isSafeInteger)).toBe(true);
  });

  it('many calls that wait at once cause no warning of the process', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const warnings: Error[] = [];
    const note = (warning: Error) => warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => {
      process.off('warning', note);
    });

    const cycles = Array.from({ length: 32 }, async () => {
      await using lock = await redlock.acquire('crowded', {
        ttl: LONG_TTL_MS,
        waitTime: Number.POSITIVE_INFINITY,
      });
      lock.assertHeld();
    });
    await Promise.all(cycles);

    expect(warnings).toEqual([]);
  });

  it('a node that hung before it first answered costs no memory', async () => {
    await using own = await startDeployment(3);
    nodeAt(own, 2).pause();

    const end = await runProgram(
      `
        const { setFlagsFromString } = await import('node:v8');
        const { runInNewContext } = await import('node:vm');
        const { Redlock } = await import('./src/index.ts');
        setFlagsFromString('--expose-gc');
        const collectGarbage = runInNewContext('gc');
        const redlock = new Redlock(args.urls, { nodeTimeout: 2_000, connectTimeout: 2_000 });
        const cycles = async (count) => {
          for (let cycle = 0; cycle < count; cycle++) {
            const lock = await redlock.acquire('resource');
            void lock.release();
          }
          // Until then the timers of the last cycles hold on to them.
          await new Promise((resolve) => setTimeout(resolve, 3_000));
          collectGarbage();
          return process.memoryUsage().heapUsed;
        };
        const before = await cycles(500);
        const after = await cycles(5_000);
        await redlock.close();
        console.log(Math.round((after - before) / 2 ** 20));
      `,
      { urls: own.urls },
    );

    expect(end.exitCode, end.errors).toBe(0);
    // Mebibytes. Some kilobytes for each operation that is never sent would make far more; what the node has yet
    // to give back takes less.
    expect(Number(end.output)).toBeLessThan(10);
    // Thousands of cycles take minutes on a busy machine.
  }, 600_000);

  describe('handed-in clients', () => {
    it('stay open after close', async () => {
      const clients = fleet.nodes.map(({ port }) => client(port));
      const redlock = new Redlock(clients, PATIENT);
      await redlock.acquire('handed in', { ttl: LONG_TTL_MS });

      await redlock.close();

      expect(await Promise.all(clients.map((each) => each.ping()))).toEqual(['PONG', 'PONG', 'PONG']);
      await expectNoKeys(fleet, 'lock:handed in');
    });

    it('that connect only when they are first used do so', async () => {
      const clients = fleet.nodes.map(({ port }) => client(port, { ...SAFE, lazyConnect: true }));
      await using redlock = new Redlock(clients, PATIENT);

      await using lock = await redlock.acquire('lazy', { ttl: LONG_TTL_MS });

      lock.assertHeld();
    });
  });

  describe('on database 5', () => {
    it('a client and a URL lock there, and no program on database 0 sees it', async () => {
      const witnesses = fleet.nodes.map(({ port }) => client(port, { db: 5 }));
      await using byClient = new Redlock(
        fleet.nodes.map(({ port }) => client(port, { ...SAFE, db: 5 })),
        PATIENT,
      );
      await untilAllVote(byClient);
      await using byUrl = new Redlock(
        fleet.urls.map((url) => `${url}/5`),
        PATIENT,
      );
      await using onZero = new Redlock(fleet.urls, PATIENT);

      for (const [holder, other] of [
        [byClient, byUrl],
        [byUrl, byClient],
      ] as const) {
        await using lock = await holder.acquire('five', { ttl: LONG_TTL_MS });
        await eventually('every node has it in database 5', async () => {
          await lock.extend();
          const values = await Promise.all(witnesses.map((witness) => witness.get('lock:five')));
          return values.every((value) => value === lock.value);
        });
        expect(await other.tryAcquire('five')).toBeNull();
        expect(await onZero.inspect('five')).toMatchObject({ state: 'free' });
        await using zero = await onZero.tryAcquire('five', { ttl: LONG_TTL_MS });
        expect(zero).not.toBeNull();
      }
    });
  });

  describe('close lets the process end by itself', () => {
    /** Acquires a lock, waits for another, closes, and reports how the wait ended. */
    const HOLDING_AND_WAITING = `
      const { Redlock } = await import('./src/index.ts');
      const redlock = new Redlock(args.urls, { nodeTimeout: args.nodeTimeout, connectTimeout: 10_000, onWarning: () => {} });
      await redlock.acquire('held at close ' + args.name, { ttl: 30_000 });
      const waits = Array.from({ length: 5 }, () =>
        redlock.acquire('held at close ' + args.name, { waitTime: Infinity }).catch((error) => error.code));
      let begin;
      const begun = new Promise((resolve) => { begin = resolve; });
      const running = redlock.using('used at close ' + args.name, {}, (lock) =>
        new Promise((resolve) => {
          lock.signal.addEventListener('abort', () => resolve(lock.signal.reason.code));
          begin();
        }));
      await begun;
      while ((await redlock.waiting('held at close ' + args.name)).callers < 5);
      for (const pid of args.hang) process.kill(pid, 'SIGSTOP');
      await redlock.close();
      console.log(JSON.stringify([...await Promise.all(waits), await running]));
    `;
    const ENDED = JSON.stringify(Array(6).fill('QUORLOCK_CLOSED'));

    it('with locks held and waits pending', async () => {
      const end = await runProgram(HOLDING_AND_WAITING, {
        urls: fleet.urls,
        nodeTimeout: 2_000,
        name: 'well',
        hang: [],
      });

      expect(end).toEqual({ exitCode: 0, output: ENDED, errors: '' });
      await expectNoKeys(fleet, 'lock:*at close well');
    });

    it('and with hung nodes', async () => {
      await using own = await startDeployment(3);

      const end = await runProgram(HOLDING_AND_WAITING, {
        urls: own.urls,
        nodeTimeout: 500,
        name: 'hung',
        hang: own.nodes.map(({ pid }) => pid),
      });

      expect(end).toEqual({ exitCode: 0, output: ENDED, errors: '' });
    });

    it('and with nodes that never answered, or are not there', async () => {
      await using own = await startDeployment(3);
      await nodeAt(own, 0).kill();
      for (const node of own.nodes.slice(1)) node.pause();

      const end = await runProgram(
        `
          const { Redlock } = await import('./src/index.ts');
          const redlock = new Redlock(args.urls, { nodeTimeout: 200, connectTimeout: 200 });
          const code = await redlock.acquire('resource', { waitTime: 1_000 }).catch((error) => error.code);
          const waiting = redlock.acquire('resource').catch((error) => error.code);
          await redlock.close();
          console.log(code, await waiting);
        `,
        { urls: own.urls },
      );

      expect(end).toEqual({
        exitCode: 0,
        output: expect.stringMatching(/^QUORLOCK_NO_QUORUM QUORLOCK_(CLOSED|NO_QUORUM)$/),
        // It may take long enough for warnings of the nodes.
        errors: expect.stringMatching(/^(?:\(.*QUORLOCK_NODE_DOWN.*\n?|\(Use `node --trace-warnings.*\n?)*$/),
      });
    });
  });
});

describe('Redis Clusters as nodes', () => {
  let fleet: Fleet;
  beforeAll(async () => {
    fleet = await Fleet.start(3, { cluster: true });
  });
  afterAll(() => fleet.stop());

  function clusterOf(port: number): Cluster {
    const cluster = new Cluster([{ host: '127.0.0.1', port }], {
      enableOfflineQueue: false,
      redisOptions: { autoResendUnfulfilledCommands: false },
    });
    cluster.on('error', () => undefined);
    onTestFinished(() => cluster.disconnect());
    return cluster;
  }

  it('lock, exclude, extend and release', async () => {
    await using redlock = new Redlock(
      fleet.nodes.map(({ port }) => clusterOf(port)),
      PATIENT,
    );
    await using other = new Redlock(
      fleet.nodes.map(({ port }) => clusterOf(port)),
      PATIENT,
    );

    const lock = await redlock.acquire('orders', { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, lock);
    expect(await other.tryAcquire('orders')).toBeNull();
    await lock.extend();
    expect((await lock.release()).freed).toBe(true);
    await expectNoKeys(fleet);

    const several = await other.acquire(['{user:7}:cart', '{user:7}:orders'], { ttl: LONG_TTL_MS });
    await expectHeldOnAll(fleet, several);
    expect(await redlock.tryAcquire('{user:7}:cart')).toBeNull();
    await several.release();
    await expectNoKeys(fleet);
  });

  it('keep the slots of a semaphore together, whatever its name', async () => {
    const [one, other] = [1, 2].map(
      () =>
        new Redlock(
          fleet.nodes.map(({ port }) => clusterOf(port)),
          PATIENT,
        ),
    );
    if (one === undefined || other === undefined) throw new Error('too few');
    await using _one = one;
    await using _other = other;
    for (const name of ['printers', '{user:7}:jobs', 'odd}name']) {
      const first = await one.semaphore(name, 2).acquire({ ttl: LONG_TTL_MS });
      const second = await other.semaphore(name, 2).acquire({ ttl: LONG_TTL_MS });
      expect(await one.semaphore(name, 2).tryAcquire(), name).toBeNull();
      const waiting = other.semaphore(name, 2).acquire({ ttl: LONG_TTL_MS });
      await first.release();
      const third = await waiting;
      for (const permit of [second, third]) expect((await permit.release()).freed, name).toBe(true);
    }
    await expectNoKeys(fleet);
  });

  it('refuse resources in several slots with a clear error, before anything is sent', async () => {
    const clusters = fleet.nodes.map(({ port }) => clusterOf(port));
    await using redlock = new Redlock(clusters, PATIENT);
    await untilAllVote(redlock);

    const calls = await scriptCallsDuring(fleet, async () => {
      for (const attempt of [
        () => redlock.acquire(['one', 'two', 'three']),
        () => redlock.tryAcquire(['one', 'two', 'three']),
      ]) {
        await expect(attempt()).rejects.toThrow(RangeError);
        await expect(attempt()).rejects.toThrow(/one slot.*"lock:one".*hash tag/);
      }
    });

    expect(calls).toEqual([0, 0, 0]);
  });
});
