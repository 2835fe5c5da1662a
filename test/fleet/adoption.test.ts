import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { redisGuard, StaleTokenError } from '../../src/fencing/index.ts';
import { LockHandedOverError, type LockJSON, LockLostError, Redlock } from '../../src/index.ts';
import type { WorkerMessage, WorkerReport, WorkerTerms } from '../support/adopting-worker.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import { expectHeldOnAll, expectNoKeys, valuesOf } from '../support/lock-keys.ts';

const PROGRAM = fileURLToPath(new URL('../support/adopting-worker.ts', import.meta.url));

/** Outlives every start of a process on a busy machine. */
const TTL_MS = 30_000;

let fleet: Fleet;
let stores: Fleet;
let store: Redis;
beforeAll(async () => {
  [fleet, stores] = await Promise.all([startDeployment(3), Fleet.start(1)]);
  store = new Redis(stores.urls[0] ?? '');
});
afterAll(async () => {
  store.disconnect();
  await Promise.all([fleet.stop(), stores.stop()]);
});

function program(): Redlock {
  const redlock = new Redlock(fleet.urls, { ...PATIENT, ttl: TTL_MS });
  onTestFinished(() => redlock.close());
  return redlock;
}

/** A worker in a process of its own, see adopting-worker.ts. */
class Worker {
  readonly #child: ChildProcess;
  readonly #reports: WorkerReport[] = [];
  #heard: () => void = () => undefined;

  constructor() {
    this.#child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), PROGRAM], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.#child.on('message', (report: WorkerReport) => {
      this.#reports.push(report);
      this.#heard();
    });
    onTestFinished(() => {
      this.#child.kill('SIGKILL');
    });
  }

  static async start(): Promise<Worker> {
    const worker = new Worker();
    const { nodeTimeout, connectTimeout } = PATIENT;
    const terms: WorkerTerms = {
      urls: fleet.urls,
      store: stores.urls[0] ?? '',
      options: { nodeTimeout, connectTimeout, ttl: TTL_MS },
    };
    worker.tell({ do: 'start', terms });
    expect(await worker.report()).toEqual({ said: 'ready' });
    return worker;
  }

  tell(message: WorkerMessage): void {
    this.#child.send(message);
  }

  async report(): Promise<WorkerReport> {
    for (;;) {
      const report = this.#reports.shift();
      if (report !== undefined) return report;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  async end(): Promise<number | null> {
    const ended = once(this.#child, 'exit');
    this.tell({ do: 'end' });
    const [code] = await ended;
    return code;
  }
}

describe('a lock that is handed over to another process', () => {
  it('by a message between processes goes on there, and is free once that has released it', async () => {
    const [redlock, rival, worker] = [program(), program(), await Worker.start()];
    const lock = await redlock.acquire('sent');
    await expectHeldOnAll(fleet, lock);
    const guard = redisGuard(store);
    await guard.write('sent', lock.token, 'by its first holder');
    worker.tell({ do: 'adopt', json: lock.handOver(), key: 'sent' });
    expect(lock.signal.reason).toBeInstanceOf(LockHandedOverError);
    const report = await worker.report();
    expect(report).toMatchObject({ said: 'adopted', token: lock.token, resources: ['sent'] });
    expect(await guard.read('sent', lock.token)).toBe('by the worker');
    expect(await rival.tryAcquire('sent')).toBeNull();
    await lock.release();
    expect(await rival.tryAcquire('sent')).toBeNull();
    worker.tell({ do: 'release' });
    expect(await worker.report()).toEqual({ said: 'released' });
    const later = await rival.acquire('sent');
    expect(later.token).toBeGreaterThan(lock.token);
    await guard.write('sent', later.token, 'by a later holder');
    await expect(guard.write('sent', lock.token, 'late')).rejects.toThrow(StaleTokenError);
    await later.release();
    await expectNoKeys(fleet, 'lock:sent');
    expect(await worker.end()).toBe(0);
  });

  it('by a queue outlives the process that queued it, and one worker alone has it', async () => {
    const redlock = program();
    const workers = [await Worker.start(), await Worker.start()];
    const json = await redlock.using(['one', 'two'], async (lock) => {
      await expectHeldOnAll(fleet, lock);
      return lock.handOver();
    });
    await redlock.close();
    // A queue in doubt delivers twice.
    await store.rpush('jobs', JSON.stringify(json), JSON.stringify(json));
    for (const worker of workers) worker.tell({ do: 'take', queue: 'jobs', key: 'what they write' });
    const reports = await Promise.all(workers.map((worker) => worker.report()));
    const adopted = reports.filter(({ said }) => said === 'adopted');
    const failed = reports.flatMap((report) => (report.said === 'failed' ? [report.code] : []));
    expect(adopted.length).toBeLessThanOrEqual(1);
    expect(failed.length + adopted.length).toBe(2);
    // Each may have got a part of the nodes, and one that a node answers too late finds no quorum.
    for (const code of failed) expect(code).toMatch(/^QUORLOCK_(LOST|NO_QUORUM)$/);
    for (const report of adopted)
      expect(report).toMatchObject({ token: json.token, resources: ['one', 'two'] });
    for (const [index, worker] of workers.entries()) {
      worker.tell({ do: 'release' });
      // One that ends before it has said so says it to no process.
      if (reports[index]?.said === 'adopted') expect(await worker.report()).toEqual({ said: 'released' });
      expect(await worker.end()).toBe(0);
    }
  });

  it.each([
    ['a read lock', (redlock: Redlock) => redlock.readWrite('kind').acquireRead()],
    ['a permit', (redlock: Redlock) => redlock.semaphore('kind', 2).acquire()],
  ])('may be %s', async (_, get) => {
    const [redlock, receiver] = [program(), program()];
    const lock = await get(redlock);
    // A node's answer shows what it has done before: then no node has the lock later than the receiver asks it.
    await redlock.inspect('kind');
    const adopted = await receiver.adopt(JSON.parse(JSON.stringify(lock.handOver())));
    expect(adopted).toMatchObject({ token: lock.token, isShared: lock.isShared });
    await adopted.extend();
    expect(await adopted.release()).toMatchObject({ freed: true });
    await expectNoKeys(fleet, 'lock:kind');
    // Slots and sharers.
    await expectNoKeys(fleet, 'quorlock:s*kind*');
  });

  it('is lost where it has expired on its way', async () => {
    const [redlock, receiver] = [program(), program()];
    await receiver.inspect('late');
    const lock = await redlock.acquire('late', { ttl: 8_001 });
    await expectHeldOnAll(fleet, lock);
    const json: LockJSON = lock.handOver();
    for (const node of fleet.nodes) await node.command('DEL', 'lock:late');
    await expect(receiver.adopt(json)).rejects.toThrow(LockLostError);
    expect(await valuesOf(fleet, 'lock:late')).toEqual([null, null, null]);
  });
});
