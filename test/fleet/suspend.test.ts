import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { redisGuard } from '../../src/fencing/index.ts';
import { Redlock } from '../../src/index.ts';
import type { AppendReport, HolderTerms, LookReport } from '../support/blocked-holder.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import { keysOn } from '../support/lock-keys.ts';

const PROGRAM = fileURLToPath(new URL('../support/blocked-holder.ts', import.meta.url));

/** Long enough to come from one line of the holder to the next on a busy machine. */
const TTL_MS = 4_000;
const OPTIONS = { ttl: TTL_MS, nodeTimeout: 3_500, connectTimeout: 10_000 } as const;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

/** A process of its own that holds a lock, see blocked-holder.ts. */
class Holder {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: AsyncIterator<string>;

  constructor(task: HolderTerms['task']) {
    const terms: HolderTerms = { urls: fleet.urls, options: OPTIONS, task };
    this.#child = spawn(process.execPath, ['--import', import.meta.resolve('tsx'), PROGRAM], {
      env: { ...process.env, HOLDER_TERMS: JSON.stringify(terms) },
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
    onTestFinished(() => {
      this.#child.kill('SIGKILL');
    });
  }

  async heard(): Promise<unknown> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the holder ended without a word');
    return JSON.parse(line.value);
  }

  /** Stops it, does something meanwhile, and has it go on. */
  async suspendedDuring(work: () => Promise<void>): Promise<void> {
    this.#child.kill('SIGSTOP');
    await work();
    this.#child.kill('SIGCONT');
    this.#child.stdin.write('!');
  }
}

async function untilKeysExpire(): Promise<void> {
  await eventually('its keys have expired', async () => (await keysOn(fleet, 'lock:held*')).length === 0);
}

describe('a process stopped past the validity of its lock', () => {
  test('is told the truth by the first check after it goes on, before any timer has run', async () => {
    const holder = new Holder({ kind: 'look' });
    expect(await holder.heard()).toBe('held');

    await holder.suspendedDuring(untilKeysExpire);

    const { before, after, afterUnread, turns } = (await holder.heard()) as LookReport;
    expect(before).toMatchObject({ aborted: false, assertion: null });
    expect(before.remainingValidity).toBeGreaterThan(0);
    const lost = { aborted: true, reason: 'LockLostError', assertion: 'LockLostError', remainingValidity: 0 };
    expect(after).toEqual(lost);
    expect(afterUnread).toEqual(lost);
    expect(turns).toEqual([]);
  });

  test('and one that was not stopped for that long still holds it', async () => {
    const holder = new Holder({ kind: 'look' });
    expect(await holder.heard()).toBe('held');

    await holder.suspendedDuring(() => sleep(50));

    const { after, turns } = (await holder.heard()) as LookReport;
    expect(after).toMatchObject({ aborted: false, reason: null, assertion: null });
    expect(turns).toEqual([]);
  });
});

describe('a process stopped between its check and its write', () => {
  let store: Fleet;
  let redis: Redis;
  beforeAll(async () => {
    store = await Fleet.start(1);
    redis = new Redis(store.urls[0] ?? '');
  });
  afterAll(async () => {
    redis.disconnect();
    await store.stop();
  });

  test('has its late write refused by the guard, and the newer value stays', async () => {
    const { late, second, value } = await pausedHolderStory('guarded', true);

    expect(late.outcome).toBe('stale');
    expect(late.token).toBeLessThan(second);
    expect(value).toBe(`[${second}]`);
  });

  test('without the guard overwrites the newer value, which is lost', async () => {
    const { late, second, value } = await pausedHolderStory('unguarded', false);

    expect(late.outcome).toBe('written');
    expect(value).toBe(`[${late.token}]`);
    expect(value).not.toContain(`[${second}]`);
  });

  /** The first holder reads, checks and is stopped; a second one holds the lock, reads and writes; the first goes on. */
  async function pausedHolderStory(key: string, guarded: boolean) {
    const holder = new Holder({ kind: 'append', store: store.urls[0] ?? '', key, guarded });
    expect(await holder.heard()).toBe('checked');
    let second = 0;
    await holder.suspendedDuring(async () => {
      await using redlock = new Redlock(fleet.urls, PATIENT);
      await using lock = await redlock.acquire('held');
      second = lock.token ?? 0;
      const guard = redisGuard(redis);
      const seen = (guarded ? await guard.read(key, second) : await redis.get(key)) ?? '';
      lock.assertHeld();
      if (guarded) await guard.write(key, second, `${seen}[${second}]`);
      else await redis.set(key, `${seen}[${second}]`);
    });
    const late = (await holder.heard()) as AppendReport;
    return { late, second, value: await redis.get(key) };
  }
});
