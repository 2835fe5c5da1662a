import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually, isRunning } from '../../../scripts/fleet/processes.ts';
import { Deployment } from '../../../src/cli/deployment.ts';
import { headline, look } from '../../../src/cli/inspect.ts';
import { type Lock, LockLostError, Redlock } from '../../../src/index.ts';
import { CALLS_AT_ONCE, Quorlock, RunningCommand } from '../../support/command.ts';
import { nodeAt, PATIENT, startDeployment } from '../../support/deployment.ts';

vi.setConfig({ maxConcurrency: CALLS_AT_ONCE });
const it = test.concurrent;

let quorlock: Quorlock;
let fleet: Fleet;
beforeAll(async () => {
  quorlock = await Quorlock.make();
  fleet = await startDeployment(3);
});
afterAll(async () => {
  await fleet?.stop();
  quorlock?.[Symbol.dispose]();
});

const run = (...args: string[]) => quorlock.runWithQuorum(fleet.urls, args);

/** A line of what the kernel tells of a process. */
function statusOf(pid: number, name: string): string {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(text)?.[1] ?? '';
}

/** Whether a process has not taken a signal yet that it was sent. */
function hasPending(pid: number, signal: number): boolean {
  return (BigInt(`0x${statusOf(pid, 'ShdPnd')}`) & (1n << BigInt(signal - 1))) !== 0n;
}

/** The processes with one of these in their command lines. */
function processesWith(...words: readonly string[]): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => {
      if (!/^\d+$/.test(name)) return false;
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, 'latin1');
        return words.some((word) => line.includes(word));
      } catch {
        // It has ended meanwhile.
        return false;
      }
    })
    .map(Number);
}

describe('quorlock inspect', () => {
  it('tells the holder, its token, and who waits', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, owner: 'web-3:4711' });
    await using other = new Redlock(fleet.urls, { ...PATIENT, owner: 'web-4:12' });
    await using held = await redlock.acquire('inspected', { ttl: 30_000 });
    const waiting = other.acquire('inspected', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await redlock.waiting('inspected')).processes.length === 1);
    const text = await run('inspect', 'inspected');
    expect(text).toMatchObject({ exitCode: 0, errors: '' });
    expect(text.output).toMatch(/^inspected is held by web-3:4711, /);
    expect(text.output).toMatch(/token at most {2}\d+\n/);
    expect(text.output).toMatch(/ waiting {8}web-4:12, for /);
    const { inspection, queue } = JSON.parse((await run('inspect', 'inspected', '--json')).output);
    expect(inspection).toMatchObject({ state: 'held', value: held.value });
    expect(queue.processes).toHaveLength(1);
    await held.release();
    await (await waiting).release();
  });

  it('says free where a majority does, and 69 where too few nodes answer', async () => {
    expect(await run('inspect', 'free')).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(/^free is free\n/),
    });
    const dead = ['redis://127.0.0.1:1', 'redis://127.0.0.1:2', ...fleet.urls.slice(0, 1)];
    const { exitCode, output } = await quorlock.run(dead, ['inspect', 'free']);
    expect({ exitCode, says: output.split('\n')[0] }).toEqual({
      exitCode: 69,
      says: 'free: too few nodes answered to tell',
    });
  });

  it('tells who the readers are', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, owner: 'reader-7' });
    await using _read = await redlock.readWrite('inspected by readers').acquireRead({ ttl: 30_000 });
    const { output } = await run('inspect', 'inspected by readers');
    expect(output).toMatch(/ reader {9}reader-7, .* left, at [23] nodes\n/);
  });

  it('tells which permits of a semaphore are taken, and who waits for one', async () => {
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, owner: 'crawler-1' });
    await using other = new Redlock(fleet.urls, { ...PATIENT, owner: 'crawler-2' });
    const ttl = 30_000;
    const first = await redlock.semaphore('crawls', 2).acquire({ ttl });
    const second = await other.semaphore('crawls', 2).acquire({ ttl });
    const waiting = other.semaphore('crawls', 2).acquire({ ttl, waitTime: Number.POSITIVE_INFINITY });
    // A majority is enough: a node that was late with a permit would grant it to the waiter, who then waits at the others.
    await eventually('it waits at a majority', async () => {
      const { semaphore } = JSON.parse((await run('inspect', 'crawls', '--json')).output);
      return semaphore?.queue.processes[0]?.nodes >= 2 && semaphore.permits.length === 2;
    });
    const { exitCode, output } = await run('inspect', 'crawls');
    expect(exitCode).toBe(0);
    expect(output).toMatch(/^crawls is free; 2 permits of the semaphore of that name are taken\n/);
    const [a, b] = [first, second].sort((x, y) => (slotOf(x) < slotOf(y) ? -1 : 1));
    expect([a, b].map((lock) => lock && slotOf(lock))).toEqual([0, 1]);
    expect(output).toMatch(/\n {2}permit 0 {7}crawler-[12], [\d.]+ s left\n {2}permit 1 {7}crawler-[12], /);
    expect(output).toMatch(/\n {2}for a permit {3}crawler-2, for /);
    expect(output).toMatch(/ free; 2 permits taken\n/);
    await first.release();
    await (await waiting).release();
    await second.release();
  });

  it('does not take a semaphore for free where too few nodes tell which permits are taken', async () => {
    await using own = await startDeployment(3);
    await using deployment = await Deployment.open({ nodes: own.urls.join(), keyPrefix: 'lock:' });
    const redlock = deployment.redlock({ nodeTimeout: PATIENT.nodeTimeout });
    await using _permit = await redlock.semaphore('pool', 2).acquire({ ttl: 30_000 });
    await eventually(
      'a majority tells',
      async () => (await look(deployment, redlock, 'pool')).permitsAreKnown,
    );
    for (const node of own.nodes) await node.command('ACL', 'SETUSER', 'default', '-mget');
    const sight = await look(deployment, redlock, 'pool');
    expect(sight).toMatchObject({ semaphore: undefined, permitsAreKnown: false });
    expect(headline(sight)).toBe('pool is free; too few nodes answered to tell of permits by that name');
  });

  it('writes nothing to new nodes', async () => {
    await using own = await Fleet.start(3);
    expect((await quorlock.runWithQuorum(own.urls, ['inspect', 'a'])).output).toMatch(/^a is free\n/);
    expect(await nodeAt(own, 0).command('DBSIZE')).toBe(0);
  });
});

/** The permit that a lock is. */
const slotOf = (lock: Lock) => lock.toJSON().permit?.slot ?? -1;

describe('quorlock list', () => {
  it('lists locks, read locks and permits that match a pattern', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using _lock = await redlock.acquire('listed/a', { ttl: 30_000 });
    await using _read = await redlock.readWrite('listed/{b}').acquireRead({ ttl: 30_000 });
    await using _permit = await redlock.semaphore('listed/c', 1).acquire({ ttl: 30_000 });
    await using _other = await redlock.acquire('other', { ttl: 30_000 });
    // A majority is enough: a node that was late has no part of the lock until that is extended.
    await eventually('a majority has them', async () => {
      const { locks } = JSON.parse((await run('list', 'listed/*', '--json')).output);
      return locks.length === 3 && locks.every(({ nodes }: { readonly nodes: number }) => nodes >= 2);
    });
    const { exitCode, output } = await run('list', 'listed/*');
    expect(exitCode).toBe(0);
    const rows = output
      .trim()
      .split('\n')
      .map((row) => row.split(/ {2,}/));
    expect(rows.map(([name, , nodes]) => [name, nodes])).toEqual([
      ['resource', 'nodes'],
      ['listed/a', expect.stringMatching(/^[23] of 3$/)],
      ['listed/c (permit 0)', expect.stringMatching(/^[23] of 3$/)],
      ['listed/{b}', expect.stringMatching(/^[23] of 3$/)],
    ]);
    expect(rows[3]?.[3]).toBe('readers');
  });

  it('refuses to list none', async () => {
    expect(await run('list', '--limit', '0')).toMatchObject({
      exitCode: 64,
      errors: expect.stringMatching(
        /--limit <number>' argument '0' is invalid\. It must be from 1 to 500000\./,
      ),
    });
  });

  it('says so when there is none, when it is cut, and when too few nodes answer', async () => {
    expect((await run('list', 'none/*')).output).toBe('No lock is held.\n');
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using _locks = await redlock.acquire(['cut/1', 'cut/2', 'cut/3'], { ttl: 30_000 });
    expect((await run('list', 'cut/*', '--limit', '1')).errors).toMatch(
      /may have more locks\. Raise\s+--limit/,
    );
    const dead = ['redis://127.0.0.1:1', 'redis://127.0.0.1:2', ...fleet.urls.slice(0, 1)];
    expect(await quorlock.run(dead, ['list', 'none/*'])).toMatchObject({
      exitCode: 69,
      output: '',
      errors: expect.stringMatching(/^quorlock: too few nodes answered to tell which locks are held\n/),
    });
  });
});

describe('quorlock watch', () => {
  it('prints a line for each change, until it is ended', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const watch = quorlock.start(fleet.urls, ['watch', 'watched', '--interval', '100ms']);
    await watch.printed(/ watched is free; 0 waiting\n/);
    const held = await redlock.acquire('watched', { ttl: 30_000 });
    await watch.printed(/ watched is held by \S+.*; 0 waiting\n/);
    await held.release();
    await eventually('it is free again', () => (watch.output.match(/is free/g) ?? []).length === 2);
    watch.signal('SIGINT');
    expect(await watch.ended).toMatchObject({ exitCode: 0, errors: '' });
  });

  it('prints a line when permits are taken', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const watch = quorlock.start(fleet.urls, ['watch', 'watched permits', '--interval', '100ms']);
    await watch.printed(/ watched permits is free; 0 waiting\n/);
    const semaphore = redlock.semaphore('watched permits', 3);
    const held = await semaphore.acquire({ ttl: 30_000 });
    await watch.printed(/ is free; 1 permit of the semaphore of that name is taken; 0 waiting\n/);
    await semaphore.acquire({ ttl: 30_000 });
    await watch.printed(/; 2 permits of the semaphore of that name are taken; 0 waiting\n/);
    await held.release();
    watch.signal('SIGINT');
    await watch.ended;
  });

  it('tells of permits as soon as nodes are back that were away when it began', async () => {
    await using own = await startDeployment(3);
    const away = [0, 1, 2].map((index) => nodeAt(own, index));
    for (const node of away) node.pause();
    const watch = quorlock.start(own.urls, ['watch', 'back', '--interval', '100ms']);
    await watch.printed(/too few nodes answered to tell; 0 waiting\n/);
    for (const node of away) node.resume();
    await using redlock = new Redlock(own.urls, PATIENT);
    await redlock.semaphore('back', 3).acquire({ ttl: 30_000 });
    await watch.printed(/; 1 permit of the semaphore of that name is taken; 0 waiting\n/);
    watch.signal('SIGINT');
    await watch.ended;
  });
});

describe('quorlock release --force', () => {
  it('takes a lock from its holder, whose extension is refused, and gives the next one a higher token', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    const broken = await redlock.acquire('broken', { ttl: 30_000 });
    const waiting = other.acquire('broken', { waitTime: Number.POSITIVE_INFINITY });
    await eventually('it waits', async () => (await redlock.waiting('broken')).processes.length === 1);
    const { exitCode, output } = await run('release', '--force', '--yes', '--json', 'broken');
    expect(exitCode).toBe(0);
    const { token } = JSON.parse(output);
    const next = await waiting;
    expect(token).toBeGreaterThan(broken.token);
    expect(next.token).toBeGreaterThan(token);
    await expect(broken.extend()).rejects.toThrow(LockLostError);
    await next.release();
  });

  it('refuses a holder that extends where its key is gone already', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const broken = await redlock.acquire('broken too', { ttl: 30_000 });
    expect((await run('release', '--force', '--yes', 'broken too')).exitCode).toBe(0);
    await expect(broken.extend()).rejects.toThrow(LockLostError);
    expect((await redlock.inspect('broken too')).state).toBe('free');
  });

  it('takes a lock from readers', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const read = await redlock.readWrite('read').acquireRead({ ttl: 30_000 });
    expect((await run('release', '--force', '-y', 'read')).exitCode).toBe(0);
    await expect(read.extend()).rejects.toThrow(LockLostError);
    await (await redlock.acquire('read')).release();
  });

  it('takes one permit of a semaphore, or all, and gives them to its waiters', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using other = new Redlock(fleet.urls, PATIENT);
    const semaphore = redlock.semaphore('pool', 3);
    const held = await Promise.all([1, 2, 3].map(() => semaphore.acquire({ ttl: 30_000 })));
    const [first, ...rest] = held.sort((a, b) => slotOf(a) - slotOf(b));
    const wait = () =>
      other.semaphore('pool', 3).acquire({ ttl: 30_000, waitTime: Number.POSITIVE_INFINITY });
    const next = wait();
    await eventually('it waits', async () => (await semaphore.waiting()).processes.length === 1);

    const which = await run('release', '--force', '--yes', 'pool');
    expect(which).toMatchObject({ exitCode: 64, output: '' });
    expect(which.errors).toMatch(/^quorlock: pool is a semaphore\. Say which permit .* --permit all\n$/);
    expect(await run('release', '--force', '--permit', '7', 'pool')).toMatchObject({
      exitCode: 0,
      output: 'permit 7 of pool is free\n',
    });

    const one = await run('release', '--force', '--yes', '--permit', '0', 'pool');
    expect(one.exitCode).toBe(0);
    expect(one.output).toMatch(/^permit 0 of pool is taken from its holder\./);
    await expect(first?.extend()).rejects.toThrow(LockLostError);
    expect(slotOf(await next)).toBe(0);

    const more = [wait(), wait(), wait()];
    await eventually('they wait', async () => (await semaphore.waiting()).processes.length > 0);
    const all = await run('release', '--force', '--yes', '--permit', 'all', '--json', 'pool');
    expect(all.exitCode).toBe(0);
    expect(JSON.parse(all.output).broken.map(({ permit }: { permit: number }) => permit)).toEqual([0, 1, 2]);
    for (const each of [await next, ...rest]) await expect(each.extend()).rejects.toThrow(LockLostError);
    for (const each of await Promise.all(more)) await each.release();
  });

  it('asks, and without a terminal to ask at says what to say', async () => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using held = await redlock.acquire('asked', { ttl: 30_000 });
    const { exitCode, errors } = await run('release', '--force', 'asked');
    expect(exitCode).toBe(64);
    expect(errors).toMatch(
      /^quorlock: asked is held by .* Break it\? There is no terminal to ask at: say --yes/,
    );
    await held.extend();
    expect(await run('release', 'asked')).toMatchObject({
      exitCode: 64,
      errors: expect.stringContaining("required option '--force'"),
    });
  });

  it.each([
    ['no', 'n\n'],
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('changes nothing when the answer at a terminal is %s', async (_, answer) => {
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using held = await redlock.acquire(`refused ${answer.codePointAt(0)}`, { ttl: 30_000 });
    const [resource = ''] = held.resources;
    const words = quorlock.words(['release', '--force', `'${resource}'`]).join(' ');
    const env = { ...process.env, QUORLOCK_NODES: fleet.urls.join(',') };
    const command = new RunningCommand(spawn('script', ['-qec', words, '/dev/null'], { env }));
    await command.printed(/Break it\? \[y\/N\] /);
    command.child.stdin?.write(answer);
    const { exitCode, output } = await command.ended;
    expect({ exitCode, last: output.trim().split(/\r?\n/).at(-1) }).toEqual({
      exitCode: 64,
      last: 'quorlock: nothing was changed: it was not confirmed',
    });
    await held.extend();
  });

  it('leaves a lock that is free as it is', async () => {
    expect(await run('release', '--force', '-y', 'nothing')).toMatchObject({
      exitCode: 0,
      output: 'nothing is free\n',
    });
  });
});

describe('quorlock init', () => {
  it('has all nodes vote, also those that were emptied; asks where programs have used them', async () => {
    await using own = await startDeployment(3);
    await nodeAt(own, 0).command('FLUSHALL');
    expect((await quorlock.runWithQuorum(own.urls, ['init'])).exitCode).toBe(64);
    expect(await quorlock.runWithQuorum(own.urls, ['init', '--yes'])).toMatchObject({
      exitCode: 0,
      errors: '',
    });
    expect(await nodeAt(own, 0).command('GET', 'quorlock:node')).toMatch(/^active .* 3 30000$/);
  });

  it('does not ask where none has', async () => {
    await using own = await Fleet.start(3);
    const { exitCode, output } = await quorlock.runWithQuorum(own.urls, ['init', '--max-ttl', '5s']);
    expect({ exitCode, output }).toEqual({
      exitCode: 0,
      output: 'All 3 nodes vote. The longest ttl is 5000 ms.\n',
    });
  });
});

describe('quorlock servers', () => {
  it.each<NodeJS.Signals>(['SIGINT', 'SIGTERM'])(
    'starts masters that grant locks, and stops them at %s',
    async (signal) => {
      const servers = quorlock.start([], ['servers', '--count', '3', '--json']);
      const { nodes, processes } = JSON.parse(await servers.printed(/^(\{.*\})\n/));
      expect(nodes).toHaveLength(3);
      await using redlock = new Redlock(nodes, PATIENT);
      await (await redlock.acquire('a')).release();
      await redlock.close();
      const { exitCode } = await quorlock.run(nodes, ['doctor', '--clocks', '0']);
      expect(exitCode).toBe(0);
      servers.signal(signal);
      expect((await servers.ended).exitCode).toBe(0);
      expect(processes.filter(isRunning)).toEqual([]);
    },
  );

  it('starts one again that was killed, with its data', async () => {
    const servers = quorlock.start([], ['servers', '--count', '3', '--json']);
    const { nodes, processes } = JSON.parse(await servers.printed(/^(\{.*\})\n/));
    await using redlock = new Redlock(nodes, PATIENT);
    await (await redlock.acquire('a')).release();
    process.kill(processes[0], 'SIGKILL');
    await eventually('it is in quarantine', async () => {
      const [node] = (await redlock.status()).nodes;
      return node?.state === 'quarantined';
    });
    expect(servers.errors).toMatch(/^the server on port \d+ ended by itself, and is started again\n/m);
    await redlock.close();
    servers.signal('SIGINT');
    expect((await servers.ended).exitCode).toBe(0);
  });

  it('that is ended while it starts one again ends that one, too', async ({ onTestFinished }) => {
    const gate = await mkdtemp(join(tmpdir(), 'quorlock-gate-'));
    onTestFinished(() => rm(gate, { recursive: true, force: true }));
    const at = (name: string) => join(gate, name);
    const program = (name: string, ...lines: readonly string[]) =>
      writeFile(at(name), ['#!/bin/sh', ...lines].join('\n'), { mode: 0o755 });
    // Before it starts a server, the command tries whether setpriv works. This one stops there once it is armed, and
    // lets no server end with its parent.
    const wait = `: > "${at('tried')}"; while [ -d "${gate}" ] && [ ! -e "${at('open')}" ]; do sleep 0.01; done`;
    await program(
      'setpriv',
      'shift 3',
      `if [ "$1" = true -a -e "${at('armed')}" ]; then ${wait}; fi`,
      'exec "$@"',
    );
    const { PATH = '' } = process.env;
    const env = { PATH: `${gate}:${PATH}` };
    const servers = quorlock.start([], ['servers', '--count', '2', '--json'], { env });
    const { nodes, processes } = JSON.parse(await servers.printed(/^(\{.*\})\n/));
    await writeFile(at('armed'), '');
    process.kill(processes[0], 'SIGKILL');
    await eventually('the command starts it again', () => existsSync(at('tried')));
    // The other one is ended first, and does not end before it goes on.
    const other = processes[1];
    process.kill(other, 'SIGSTOP');
    await eventually('the other one stands still', () => statusOf(other, 'State').startsWith('T'));
    servers.signal('SIGINT');
    const isAsked = () => !isRunning(other) || hasPending(other, constants.signals.SIGTERM);
    await eventually('the command asks the other one to end', isAsked);
    await writeFile(at('open'), '');
    await eventually('the trial is over', () => processesWith(gate).length === 0);
    if (isRunning(other)) process.kill(other, 'SIGCONT');
    expect((await servers.ended).exitCode).toBe(0);
    // Which the kernel names by the script first, and then as the server names itself.
    const left = processesWith(gate, ...nodes.map((node: string) => new URL(node).host));
    for (const pid of left) process.kill(pid, 'SIGKILL');
    expect(left).toEqual([]);
  });

  it('prints what to set', async () => {
    const servers = quorlock.start([], ['servers', '--count', '1']);
    expect(await servers.printed(/^export QUORLOCK_NODES=(.*)\n/)).toMatch(/^redis:\/\/127\.0\.0\.1:\d+$/);
    servers.signal('SIGINT');
    await servers.ended;
  });

  it('says so when a port is taken, and leaves nothing running', async () => {
    const { port } = nodeAt(fleet, 0);
    const { exitCode, errors } = await quorlock.run([], ['servers', '--ports', `${port}`]);
    expect(exitCode).toBe(69);
    expect(errors).toMatch(
      new RegExp(`^quorlock: the server on port ${port} did not start: .*(in use|aborting)`),
    );
  });

  it('refuses a number that is not that of the ports', async () => {
    expect(await run('servers', '--count', '3', '--ports', '1,2')).toMatchObject({
      exitCode: 64,
      errors: 'quorlock: --count must be left out, or the number of --ports, 2: got 3\n',
    });
  });

  it('says what to install when there is no server program', async () => {
    const { exitCode, errors } = await run('servers', '--server', 'no-such-server');
    expect({ exitCode, errors }).toEqual({
      exitCode: 64,
      errors: 'quorlock: --server: no-such-server is no program\n',
    });
  });
});

describe('secrets', () => {
  const [PASSWORD, URL_PASSWORD] = ['planted-pass%word', 'planted-in-url'];
  let folder: string;
  let locked: Fleet;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'quorlock-secret-'));
    writeFileSync(join(folder, 'password'), `${PASSWORD}\n`);
    locked = await startDeployment(3, { appendOnly: true });
    for (const node of locked.nodes) await node.command('CONFIG', 'SET', 'requirepass', PASSWORD);
  });
  afterAll(async () => {
    await locked?.stop();
    if (folder !== undefined) rmSync(folder, { recursive: true });
  });

  it('come from the environment or a file, and are printed by no subcommand', async () => {
    const byFile = ['--password-file', join(folder, 'password')];
    const inUrls = locked.urls.map((url) => url.replace('//', `//:${encodeURIComponent(PASSWORD)}@`));
    const ways = [
      { nodes: locked.urls, args: byFile, env: {} },
      { nodes: locked.urls, args: [], env: { QUORLOCK_PASSWORD: PASSWORD } },
      { nodes: inUrls, args: [], env: {} },
      { nodes: locked.urls, args: [], env: { QUORLOCK_PASSWORD: 'planted-wrong' } },
      { nodes: locked.urls.map((url) => url.replace('//', `//user:${URL_PASSWORD}@`)), args: [], env: {} },
      { nodes: locked.urls.map((url) => url.replace('//', '//:planted pass/word@')), args: [], env: {} },
    ];
    const calls = [
      ['doctor', '--clocks', '0'],
      ['inspect', 'a'],
      ['list'],
      ['run', 'a', '--no-wait', '--', 'true'],
      ['release', '--force', '-y', 'a'],
      ['init', '-y'],
    ];
    const callAll = async ({ nodes, args, env }: (typeof ways)[number], index: number) => {
      for (const [place, [command = '', ...rest]] of calls.entries()) {
        // Each command in text and as JSON, and each way.
        const json = (index + place) % 2 === 0 ? ['--json'] : [];
        const words = [command, ...args, ...json, ...rest];
        const end = await quorlock[index < 3 ? 'runWithQuorum' : 'run'](nodes, words, { env });
        expect(`${end.output}${end.errors}`, `${command} ${index}`).not.toMatch(/planted/);
        if (index < 3) expect(end.exitCode, `${command} ${index}: ${end.errors}`).toBe(0);
      }
    };
    // Those that get in have the lock one after the other. The wrong ones wait for nodes that refuse them, at once.
    const wrong = Promise.all(ways.slice(3).map((way, place) => callAll(way, place + 3)));
    wrong.catch(() => undefined);
    for (const [index, way] of ways.slice(0, 3).entries()) await callAll(way, index);
    await wrong;
  }, 240_000);

  it.each([
    ['the right one', PASSWORD, /is free/],
    ['a wrong one', 'planted-wrong', /too few nodes answered/],
  ])('are not printed by watch: %s', async (_, password, pattern) => {
    const env = { QUORLOCK_PASSWORD: password };
    const watch = quorlock.start(locked.urls, ['watch', 'a', '--interval', '100ms'], { env });
    await watch.printed(pattern);
    watch.signal('SIGINT');
    const { output, errors } = await watch.ended;
    expect(output + errors).not.toMatch(/planted/);
  });

  it('are refused among the arguments, without being repeated', async () => {
    for (const url of [
      `redis://:${URL_PASSWORD}@127.0.0.1:1`,
      `redis://127.0.0.1:1?password=${URL_PASSWORD}`,
    ]) {
      for (const command of [['doctor'], ['list'], ['run', 'a', '--', 'true']]) {
        const [name = '', ...rest] = command;
        const { exitCode, output, errors } = await run(name, '--nodes', url, ...rest);
        expect({ exitCode, output }).toEqual({ exitCode: 64, output: '' });
        expect(errors).toMatch(
          /^quorlock: --nodes\[0\] has a password, .*QUORLOCK_PASSWORD or --password-file/,
        );
        expect(errors).not.toContain(URL_PASSWORD);
      }
    }
  });

  it('a file that is not there is named', async () => {
    const { exitCode, errors } = await run('list', '--password-file', '/no/such/file');
    expect({ exitCode, errors }).toEqual({
      exitCode: 64,
      errors: `quorlock: --password-file: "/no/such/file" can't be read (ENOENT)\n`,
    });
  });

  it('no nodes at all is told how to name them', async () => {
    const { exitCode, errors } = await quorlock.run([], ['doctor']);
    expect(exitCode).toBe(64);
    expect(errors).toMatch(/QUORLOCK_NODES.*"quorlock servers"/);
  });
});
