import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { FakeServer } from '../../../scripts/fleet/fake-server.ts';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { TcpProxy } from '../../../scripts/fleet/proxy.ts';
import type { Finding } from '../../../src/cli/checks.ts';
import { Redlock } from '../../../src/index.ts';
import { CALLS_AT_ONCE, Quorlock } from '../../support/command.ts';
import { nodeAt, PATIENT, startDeployment } from '../../support/deployment.ts';

vi.setConfig({ maxConcurrency: CALLS_AT_ONCE });
const it = test.concurrent;

let quorlock: Quorlock;
beforeAll(async () => {
  quorlock = await Quorlock.make();
});
afterAll(() => quorlock?.[Symbol.dispose]());

/** What keeps its data as it should. */
const GOOD = { appendOnly: true } as const;

const start = (nodeCount = 3) => startDeployment(nodeCount, GOOD);

interface Report {
  readonly findings: readonly (Finding & { readonly link: string })[];
  readonly exitCode: number | null;
}

/** Does not look at how fast the clocks are, unless it is told to: that takes a second. */
async function doctor(nodes: readonly string[], ...args: string[]): Promise<Report> {
  const words = ['doctor', '--json', ...(args.includes('--clocks') ? [] : ['--clocks', '0']), ...args];
  const { exitCode, output, errors } = await quorlock.run(nodes, words);
  expect(errors).toBe('');
  return { exitCode, findings: JSON.parse(output).findings };
}

const checksOf = ({ findings }: Report) => [...new Set(findings.map(({ check }) => check))];

describe('quorlock doctor', () => {
  it.each([3, 5])('is silent about a good fleet of %s nodes', async (nodeCount) => {
    await using fleet = await start(nodeCount);
    expect(await doctor(fleet.urls, '--clocks', '1s')).toEqual({ exitCode: 0, findings: [] });
  });

  it('is silent about a new one, and leaves it new', async () => {
    await using fleet = await Fleet.start(3, GOOD);
    expect(await doctor(fleet.urls, '--clocks', '1s')).toEqual({ exitCode: 0, findings: [] });
    expect(await nodeAt(fleet, 0).command('DBSIZE')).toBe(0);
  });

  it('prints a table and paragraphs that fit 80 columns, the worst first', async () => {
    await using fleet = await start();
    await nodeAt(fleet, 0).kill();
    await nodeAt(fleet, 1).command('CONFIG', 'SET', 'appendfsync', 'no');
    await nodeAt(fleet, 2).command('FLUSHALL');
    const { exitCode, output } = await quorlock.run(fleet.urls, ['doctor', '--clocks', '0']);
    expect(exitCode).toBe(2);
    expect(output.split('\n').filter((line) => line.length > 80 && !/^ +https:\S+$/.test(line))).toEqual([]);
    expect(output).toMatch(/^node +state +version +round trip +clock +memory\n127\.0\.0\.1:\d+ +down\n/);
    expect(output).toMatch(/^127\.0\.0\.1:\d+ +emptied /m);
    expect([...output.matchAll(/^(ERROR|WARNING) (\S+)/gm)].map(([line]) => line)).toEqual([
      'ERROR unreachable',
      'ERROR marker',
      'WARNING persistence',
    ]);
    expect(output).toMatch(/\n2 errors, 1 warning\. There is no quorum\.\n$/);
  });

  it('waits until a node that has restarted votes, and takes part in that', async () => {
    await using fleet = await startDeployment(3, { ...GOOD, maxTtl: 3_000 });
    await nodeAt(fleet, 0).restart();
    const { exitCode, errors } = await quorlock.run(fleet.urls, ['doctor', '--wait', '--clocks', '0']);
    expect(exitCode).toBe(0);
    const { port } = nodeAt(fleet, 0);
    // It may be asked before it listens again.
    const lines = [
      `waiting for 127.0.0.1:${port} (no answer)`,
      `waiting for 127.0.0.1:${port} (in a quarantine of 5.1 s)`,
    ];
    expect(lines.slice(1)).toContain(errors.trim().split('\n').at(-1));
    for (const line of errors.trim().split('\n')) expect(lines).toContain(line);
  });

  it.each([
    ['--drift-factor', 'x', 'It must be a number'],
    ['--drift-factor', '5', 'It must be from 0 to 0.5'],
    ['--ttl', '0', 'It must be from 1ms to 365d'],
    ['--node-timeout', '10s', 'must be less than the --ttl'],
  ])('refuses what no program can have: %s %s', async (option, value, why) => {
    const { exitCode, output, errors } = await quorlock.run(
      ['redis://127.0.0.1:1'],
      ['doctor', option, value],
    );
    expect({ exitCode, output }).toEqual({ exitCode: 64, output: '' });
    for (const text of [option, why]) expect(errors).toContain(text);
  });

  it('counts no vote of a server that it refuses', async () => {
    await using fleet = await start(5);
    const { output } = await quorlock.run(fleet.urls.slice(0, 3), ['doctor', '--clocks', '0']);
    expect(output.match(/^\S+:\d+ +refused /gm)).toHaveLength(3);
    expect(output).toMatch(/There is no quorum\.\n$/);
  });

  it('tells a server that wants another password from one that is down', async () => {
    await using fleet = await start(3);
    await nodeAt(fleet, 0).command('CONFIG', 'SET', 'requirepass', 'secret');
    await nodeAt(fleet, 1).kill();
    const { output } = await quorlock.run(fleet.urls, ['doctor', '--clocks', '0']);
    const states = [...output.matchAll(/^127\.0\.0\.1:\d+ +(\w+)/gm)].map(([, state]) => state);
    expect(states).toEqual(['refused', 'down', 'votes']);
  });

  it('waits no longer than it is told to', async () => {
    await using fleet = await start();
    await nodeAt(fleet, 0).kill();
    expect((await quorlock.run(fleet.urls, ['doctor', '--wait', '100ms', '--clocks', '0'])).exitCode).toBe(2);
  });
});

/** What is looked at instead of the fleet, and with which further arguments. */
interface View {
  readonly nodes?: readonly string[];
  readonly args?: readonly string[];
}

interface Fault {
  readonly what: string;
  readonly check: Finding['check'];
  readonly exitCode: number;
  plant(fleet: Fleet): Promise<unknown>;
  view?(fleet: Fleet): View;
  readonly says?: RegExp;
}

const configure = (...settings: string[]) => ({
  plant: (fleet: Fleet) => nodeAt(fleet, 0).command('CONFIG', 'SET', ...settings),
});

const allow = (...rules: string[]) => ({
  plant: (fleet: Fleet) => nodeAt(fleet, 0).command('ACL', 'SETUSER', 'default', ...rules),
});

const nothing = async () => undefined;

const FAULTS: readonly Fault[] = [
  {
    what: 'a node that is down',
    check: 'unreachable',
    exitCode: 2,
    plant: (fleet) => nodeAt(fleet, 0).kill(),
    says: /ECONNREFUSED/,
  },
  {
    what: 'a node that hangs',
    check: 'unreachable',
    exitCode: 2,
    plant: async (fleet) => nodeAt(fleet, 0).pause(),
    says: /does not answer/,
  },
  {
    what: 'a password that is missing',
    check: 'password',
    exitCode: 2,
    ...configure('requirepass', 'a secret'),
    // It answers NOAUTH to the first command, and something else to one that is long.
    says: /^it wants another user or password than it is given/,
  },
  {
    what: 'a replica',
    check: 'replica',
    exitCode: 2,
    plant: (fleet) => nodeAt(fleet, 0).command('REPLICAOF', '127.0.0.1', nodeAt(fleet, 1).port),
    says: /slave of 127\.0\.0\.1:\d+/,
  },
  {
    what: 'one server under two addresses',
    check: 'twin',
    exitCode: 2,
    plant: nothing,
    view: ({ urls: [first = '', second = ''] }) => ({
      nodes: [first, second, first.replace('127.0.0.1', 'localhost')],
    }),
  },
  {
    what: 'a node that keeps nothing on disk',
    check: 'persistence',
    exitCode: 1,
    ...configure('appendonly', 'no'),
    says: /nothing on disk/,
  },
  {
    what: 'snapshots alone',
    check: 'persistence',
    exitCode: 1,
    ...configure('appendonly', 'no', 'save', '60 1'),
    says: /snapshots only/,
  },
  {
    what: 'fsync that is off',
    check: 'persistence',
    exitCode: 1,
    ...configure('appendfsync', 'no'),
    says: /appendfsync no/,
  },
  { what: 'a disk that fails', check: 'disk', exitCode: 2, plant: spoilDisk, says: /rdb_last_bgsave_status/ },
  {
    what: 'an eviction policy',
    check: 'eviction',
    exitCode: 2,
    ...configure('maxmemory', '100mb', 'maxmemory-policy', 'allkeys-lru'),
    says: /allkeys-lru/,
  },
  { what: 'memory that is nearly full', check: 'memory', exitCode: 1, plant: fillMemory },
  {
    what: 'an ACL that lacks a command',
    check: 'permissions',
    exitCode: 2,
    ...allow('-pexpire'),
    says: /\+pexpire/,
  },
  { what: 'an ACL that lacks notices', check: 'notices', exitCode: 1, ...allow('-publish') },
  {
    what: 'a node that was emptied',
    check: 'marker',
    exitCode: 2,
    plant: (fleet) => nodeAt(fleet, 0).command('FLUSHALL'),
    says: /it was emptied/,
  },
  {
    what: 'a node that has restarted',
    check: 'marker',
    exitCode: 2,
    plant: (fleet) => nodeAt(fleet, 0).restart(),
    says: /It restarted/,
  },
  {
    what: 'a node in quarantine',
    check: 'marker',
    exitCode: 2,
    plant: quarantineOne,
    says: /It is in quarantine, which lasts 32\.4 s/,
  },
  {
    what: 'another list',
    check: 'foreign',
    exitCode: 2,
    plant: nothing,
    view: ({ urls: [first = ''] }) => ({ nodes: [first] }),
    says: /one of 3 nodes, and the list has 1/,
  },
  {
    what: 'another maxTtl',
    check: 'max-ttl',
    exitCode: 1,
    plant: nothing,
    view: () => ({ args: ['--max-ttl', '60s'] }),
    says: /30000 ms, and 60000 ms was given/,
  },
];

async function fillMemory(fleet: Fleet): Promise<void> {
  const info = String(await nodeAt(fleet, 0).command('INFO', 'memory'));
  const [, used] = /^used_memory:(\d+)/m.exec(info) ?? [];
  await nodeAt(fleet, 0).command('CONFIG', 'SET', 'maxmemory', Math.round(Number(used) * 1.02));
}

async function spoilDisk(fleet: Fleet): Promise<void> {
  rmSync(join(fleet.directory, 'node-0'), { recursive: true });
  await nodeAt(fleet, 0).command('BGSAVE');
  await eventually('it has failed', async () =>
    String(await nodeAt(fleet, 0).command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'),
  );
}

async function quarantineOne(fleet: Fleet): Promise<void> {
  await nodeAt(fleet, 0).restart();
  await using _redlock = new Redlock(fleet.urls, PATIENT);
  await eventually('it is in quarantine', async () =>
    String(await nodeAt(fleet, 0).command('GET', 'quorlock:node')).startsWith('joining'),
  );
}

describe('quorlock doctor finds', () => {
  it.each(FAULTS)('$what', async ({ check, exitCode, plant, view, says = /./ }) => {
    await using fleet = await start();
    await plant(fleet);
    const { nodes = fleet.urls, args = [] } = view?.(fleet) ?? {};
    const report = await doctor(nodes, ...args);
    // A list of one has too few nodes as well.
    expect(checksOf(report).filter((each) => nodes.length > 2 || each !== 'count')).toEqual([check]);
    expect(report.exitCode).toBe(exitCode);
    const [found] = report.findings.filter((each) => each.check === check);
    expect(found?.what).toMatch(says);
    for (const text of [found?.risk, found?.remedy, found?.link]) expect(text).not.toBe('');
  });

  it.each([1, 2, 4])('a number of nodes that is too small or even: %s', async (nodeCount) => {
    await using fleet = await start(nodeCount);
    const report = await doctor(fleet.urls);
    expect(checksOf(report)).toEqual(['count']);
    expect(report.exitCode).toBe(1);
  });

  it('a server of a Redis Cluster', async () => {
    await using fleet = await start();
    await using cluster = await Fleet.start(1, { ...GOOD, cluster: true });
    const report = await doctor([...fleet.urls.slice(0, 2), ...cluster.urls]);
    expect(checksOf(report)).toEqual(['cluster']);
    expect(report.exitCode).toBe(2);
  });

  it('a server that is too old', async () => {
    await using fleet = await start();
    const lacks = ['SET', 'ERR syntax error'];
    const now = Date.now() * 1_000;
    await using old = await FakeServer.start(() => [
      now,
      'abc',
      'master',
      '',
      0,
      '0',
      'noeviction',
      'standalone',
      '5.0.6',
      lacks,
    ]);
    const report = await doctor([...fleet.urls.slice(0, 2), old.url]);
    expect(checksOf(report)).toEqual(['version']);
    expect(report.exitCode).toBe(2);
  });

  it('a clock that is off, and one that runs at a wrong rate', async () => {
    await using fleet = await startDeployment(3, { ...GOOD, wallClock: true });
    await nodeAt(fleet, 0).setWallClock({ offsetMs: 5_000, rate: 1 });
    const off = await doctor(fleet.urls);
    expect(checksOf(off)).toEqual(['clock']);
    expect(off.findings[0]?.what).toMatch(/^Its clock is 5\.\d s ahead of the others\.$/);
    expect(off.exitCode).toBe(1);

    // It must not be off by the time at which a busy machine has started the program.
    await nodeAt(fleet, 0).setWallClock({ offsetMs: 0, rate: 1.06 });
    const fast = await doctor(fleet.urls, '--clocks', '3s');
    expect(checksOf(fast)).toEqual(['rate']);
    expect(fast.findings[0]?.what).toMatch(/too fast/);
    expect(fast.exitCode).toBe(2);
  });

  it('a round trip that is near the time a node has, and one that is longer', async () => {
    await using fleet = await start();
    await using proxy = await TcpProxy.start(nodeAt(fleet, 0).port);
    // A busy machine may add a second to the near one.
    proxy.setDelayMs(600, 600);
    const nodes = [proxy.url, ...fleet.urls.slice(1)];
    const [near, late] = await Promise.all([
      doctor(nodes, '--node-timeout', '2200ms'),
      doctor(nodes, '--node-timeout', '800ms'),
    ]);
    expect(checksOf(near)).toEqual(['round-trip']);
    expect(near.exitCode).toBe(1);
    expect(checksOf(late)).toEqual(['round-trip']);
    expect(late.exitCode).toBe(2);
  });
});
