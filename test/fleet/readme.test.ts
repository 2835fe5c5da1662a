import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import { LockLostError, Redlock, type RedlockWarning } from '../../src/index.ts';
import { WrongWallClock } from '../support/clocks.ts';
import { PATIENT, startDeployment, untilAllVote } from '../support/deployment.ts';
import { runProgram } from '../support/programs.ts';
import { README_URLS, runnable, snippet } from '../support/snippets.ts';
import { transfer } from '../unit/docs/snippets/acquire.ts';
import { open } from '../unit/docs/snippets/clients.ts';
import { addToCart } from '../unit/docs/snippets/fencing.ts';
import { whoHolds } from '../unit/docs/snippets/inspect.ts';
import { prices } from '../unit/docs/snippets/read-write.ts';
import { render } from '../unit/docs/snippets/semaphore.ts';
import { hourly } from '../unit/docs/snippets/try-acquire.ts';
import { reindex } from '../unit/docs/snippets/using.ts';
import { howLong } from '../unit/docs/snippets/waiting.ts';
import { append, appendAll } from '../unit/docs/snippets/within.ts';

/** Some snippets have a ttl of 5 s. */
const SETTINGS = { ...PATIENT, nodeTimeout: 4_000 } as const;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(README_URLS.length);
});
afterAll(() => fleet.stop());

function openRedlock(): Redlock {
  const redlock = new Redlock(fleet.urls, SETTINGS);
  onTestFinished(() => redlock.close());
  return redlock;
}

describe('the snippets of README.md and of docs', () => {
  it('are a first program that prints what the page says', async () => {
    const program = await snippet(new URL('../unit/docs/snippets/first-program.ts', import.meta.url));
    const { exitCode, output, errors } = await runProgram(runnable(program, fleet.urls), {});
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: '' });
    expect(output).toMatch(/^locked, with the fencing token \d+$/);
  });

  it('lock over clients of their own, without a warning', async () => {
    const warn = vi.spyOn(console, 'warn').mockReturnValue();
    onTestFinished(() => warn.mockRestore());
    const { redlock, clients } = open(fleet.urls);
    await Promise.all(clients.map((client) => once(client, 'ready')));
    const lock = await redlock.acquire('through clients');
    expect((await lock.release()).freed).toBe(true);
    await redlock.close();
    expect(await Promise.all(clients.map((client) => client.quit()))).toEqual(clients.map(() => 'OK'));
    expect(warn).not.toHaveBeenCalled();
  });

  it('hold two accounts at once, and say so when the lock was lost', async () => {
    const clock = new WrongWallClock();
    await using redlock = new Redlock(fleet.urls, { ...SETTINGS, clock });
    await transfer(redlock, async () => {
      expect(await redlock.tryAcquire('account:7')).toBeNull();
      expect(await redlock.tryAcquire('account:9')).toBeNull();
    });
    expect((await redlock.inspect('account:7')).state).toBe('free');
    const lost = transfer(redlock, async () => {
      clock.offsetMs = 11_000;
    });
    await expect(lost).rejects.toThrow(LockLostError);
  });

  it('do an hourly job once', async () => {
    const redlock = openRedlock();
    const second = async () => {
      expect((await redlock.inspect('hourly')).remainingTtl).toBeGreaterThan(20_000);
    };
    let other: string | undefined;
    const first = async () => {
      other = await hourly(openRedlock(), second, second);
    };
    expect(await hourly(redlock, first, second)).toBe('done');
    expect(other).toBe('another program does it');
  });

  it('keep a lock over many steps', async () => {
    const server = createServer((_, response) => response.end('four'));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => server.close().closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect(await reindex(openRedlock(), [url, url, url])).toBe(12);
  });

  it('add lines under one lock', async () => {
    const redlock = openRedlock();
    const log: string[] = [];
    await Promise.all([appendAll(redlock, log, ['a', 'a', 'a']), appendAll(redlock, log, ['b', 'b', 'b'])]);
    expect(await append(redlock, log, 'c')).toBe(7);
    expect(['aaabbbc', 'bbbaaac']).toContain(log.join(''));
  });

  it('tell who holds a lock', async () => {
    const redlock = openRedlock();
    await untilAllVote(redlock);
    expect(await whoHolds(redlock, 'page')).toMatch(/^free: (127\.0\.0\.1:\d+ says free(, )?){5}$/);
    await using _lock = await redlock.acquire('page');
    expect(await whoHolds(redlock, 'page')).toMatch(
      new RegExp(`^${hostname()}:${process.pid} holds it for \\d+ ms more$`),
    );
  });

  it('tell who waits', async () => {
    const redlock = openRedlock();
    await using lock = await redlock.acquire('page');
    expect(await howLong(redlock, 'page')).toBe('no process is in the queue, and 0 wait in this one');
    const waiting = openRedlock().acquire('page');
    await eventually('it waits', async () => (await redlock.waiting('page')).processes.length > 0);
    expect(await howLong(redlock, 'page')).toMatch(/^1 wait, the first since \d{4}-/);
    await lock.release();
    await (await waiting).release();
  });

  it('read together and write alone', async () => {
    const redlock = openRedlock();
    const { read, write, writeAndReport } = prices(redlock, new Map([['tea', 3]]));
    expect(await Promise.all([read('tea'), read('tea'), write('tea', 4)])).toEqual([3, 3, expect.any(Map)]);
    expect(await writeAndReport('milk', 1)).toBe('tea 4, milk 1');
    expect((await redlock.inspect('prices')).state).toBe('free');
  });

  it('print on three printers', async () => {
    const redlock = openRedlock();
    expect(await render(redlock, ['a', 'bb', 'ccc', 'dddd', 'eeeee'])).toEqual([1, 2, 3, 4, 5]);
    (await redlock.semaphore('printers', 3).acquire({ waitTime: 0 })).assertHeld();
  });

  it('guard what the lock protects', async () => {
    const store = new Redis(fleet.urls[0] ?? '');
    onTestFinished(() => store.disconnect());
    const redlock = openRedlock();
    await Promise.all(['pen', 'ink'].map((item) => addToCart(redlock, store, item)));
    expect(JSON.parse((await store.get('cart:7')) ?? '').toSorted()).toEqual(['ink', 'pen']);
  });
});

describe('what docs/servers.md says of permissions', () => {
  it('is enough of permissions, and none too many', async () => {
    const page = await readFile(new URL('../../docs/servers.md', import.meta.url), 'utf8');
    const rules = (/^~lock:.*$/m.exec(page)?.[0] ?? '').split(' ');
    const commands = rules.filter((rule) => rule.startsWith('+'));
    expect(commands.length).toBeGreaterThan(9);
    // What is denied is denied on a busy machine, too, where something else may come too late.
    let all = await deniedWith(rules);
    await eventually('they are enough', async () => {
      if (all.works || all.denied.length > 0) return true;
      all = await deniedWith(rules);
      return false;
    });
    expect(all).toEqual({ works: true, denied: [] });
    // Each on a server of its own, at once: most of their time they wait for what is not permitted.
    const without = commands.map(async (command) => {
      const { works, denied } = await deniedWith(rules.filter((rule) => rule !== command));
      return works && denied.length === 0 ? [command] : [];
    });
    expect((await Promise.all(without)).flat()).toEqual([]);
  });
});

/** Has a waiter give up, and another one get the lock. */
async function waitFor(holder: Redlock, waiter: Redlock): Promise<void> {
  const held = await holder.acquire('page');
  // Its first connection takes its time, and so does a server on a busy machine.
  await waiter.inspect('page');
  await expect(waiter.acquire('page', { waitTime: 3_000 })).rejects.toMatchObject({
    code: 'QUORLOCK_WAIT_TIMEOUT',
  });
  const waiting = waiter.acquire('page');
  // Without a permission it may never be called; then the poll below says so.
  waiting.catch(() => undefined);
  await vi.waitUntil(async () => (await holder.waiting('page')).processes.length > 0, { timeout: 10_000 });
  await held.release();
  await (await waiting).release();
}

/** Has two read together and one of them longer, and one more take a permit. */
async function shareWith(one: Redlock, other: Redlock): Promise<boolean> {
  const readers = await Promise.all([one, other].map((each) => each.readWrite('page').acquireRead()));
  await readers[0]?.extend(20_000);
  const permit = await one.semaphore('page', 2).acquire();
  const reports = await Promise.all([...readers, permit].map((lock) => lock.release()));
  return reports.every(({ freed }) => freed);
}

/** Uses everything that touches a server, as a user with these rules. What is it denied? */
async function deniedWith(rules: readonly string[]): Promise<{ works: boolean; denied: unknown[] }> {
  await using own = await Fleet.start(1);
  const [node] = own.nodes;
  if (node === undefined) throw new Error('no node');
  await node.command('ACL', 'SETUSER', 'locks', 'on', '>secret', '-@all', ...rules);
  // The key of another type, for which a node names the type.
  await node.command('LPUSH', 'lock:list', 'not a lock');
  const warnings: RedlockWarning[] = [];
  const [redlock, other] = [0, 1].map(
    () =>
      new Redlock([`redis://locks:secret@127.0.0.1:${node.port}`], {
        ...PATIENT,
        // A call would wait for the permission.
        onOutage: 'reject',
        onWarning: (warning) => warnings.push(warning),
      }),
  ) as [Redlock, Redlock];
  let works = true;
  try {
    const lock = await redlock.acquire(['one', 'two']);
    await lock.extend(20_000);
    await redlock.inspect('one');
    await redlock.tryAcquire('one');
    works = (await lock.release()).freed;
    const both = await Promise.all(['one', 'two'].map((resource) => redlock.acquire(resource)));
    // Together, in one call.
    await Promise.all(both.map((each) => each.release()));
    await waitFor(redlock, other);
    works = works && (await shareWith(redlock, other));
    await expect(redlock.tryAcquire('list')).rejects.toMatchObject({ code: 'QUORLOCK_NOT_A_LOCK' });
  } catch {
    works = false;
  } finally {
    await Promise.all([redlock.close(), other.close()]);
  }
  const log = (await node.command('ACL', 'LOG')) as unknown as unknown[];
  return { works: works && warnings.length === 0, denied: Array.isArray(log) ? log : [log] };
}
