import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Cluster } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { findServerBinary } from '../../scripts/fleet/binary.ts';
import { Fleet, type FleetNode, type FleetOptions } from '../../scripts/fleet/fleet.ts';
import { claimPort, releasePort } from '../../scripts/fleet/ports.ts';
import { eventually, isRunning } from '../../scripts/fleet/processes.ts';
import { sendCommand } from '../../scripts/fleet/resp.ts';

const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

const fleets: Fleet[] = [];
let temporary: string;

async function startFleet(nodeCount: number, options?: FleetOptions): Promise<Fleet> {
  const fleet = await Fleet.start(nodeCount, options);
  fleets.push(fleet);
  return fleet;
}

async function startNode(options?: FleetOptions): Promise<FleetNode> {
  const [node] = (await startFleet(1, options)).nodes;
  if (node === undefined) throw new Error('a fleet of one has no node');
  return node;
}

beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), 'quorlock-fleet-test-'));
  vi.stubEnv('TMPDIR', temporary);
});

afterEach(async () => {
  await Promise.all(fleets.splice(0).map((fleet) => fleet.stop()));
  vi.unstubAllEnvs();
  const leftovers = readdirSync(temporary).filter((name) => name.startsWith('quorlock-'));
  rmSync(temporary, { recursive: true });
  expect(leftovers).toEqual([]);
});

describe('five independent masters', () => {
  test('all answer a PING on ports of their own, and none of these is 6379', async () => {
    const fleet = await startFleet(5);

    const replies = await Promise.all(fleet.nodes.map((node) => node.command('PING')));

    expect(replies).toEqual(['PONG', 'PONG', 'PONG', 'PONG', 'PONG']);
    expect(new Set(fleet.nodes.map((node) => node.port)).size).toBe(5);
    expect(fleet.nodes.map((node) => node.port)).not.toContain(6379);
    expect(fleet.urls).toEqual(fleet.nodes.map((node) => `redis://127.0.0.1:${node.port}`));
    expect(fleet.nodes.map((node) => node.state)).toEqual(['up', 'up', 'up', 'up', 'up']);
  });

  test('share no data: a key set on one is on no other', async () => {
    const fleet = await startFleet(5);

    await fleet.nodes[2]?.command('SET', 'resource', 'lock value');

    const sizes = await Promise.all(fleet.nodes.map((node) => node.command('DBSIZE')));
    expect(sizes).toEqual([0, 0, 1, 0, 0]);
  });

  test('take further directives as they stand on the command line', async () => {
    const node = await startNode({ directives: ['--maxmemory', '7mb'] });

    expect(await node.command('CONFIG', 'GET', 'maxmemory')).toEqual(['maxmemory', '7340032']);
  });

  test('that cannot start say why, in the words of their log, and leave nothing behind', async () => {
    const start = Fleet.start(2, { directives: ['--no-such-directive', 'yes'] });

    await expect(start).rejects.toThrow(/ended before it was ready[\s\S]*no-such-directive/);
  });
});

describe('a killed node', () => {
  test('refuses connections, is down, and its process has gone', async () => {
    const node = await startNode();
    const { pid } = node;

    await node.kill();

    await expect(node.command('PING')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    expect(node.state).toBe('down');
    expect(node.pid).toBeUndefined();
    expect(pid !== undefined && isRunning(pid)).toBe(false);
  });

  test('keeps its port while it is down: no other process is given it', async () => {
    const node = await startNode();
    await node.kill();
    // Chance leads the other process straight to it.
    const program = `
      const { claimPort } = await import('./scripts/fleet/ports.ts');
      const drawn = [(${node.port} - 10_400 + 0.5) / 10_000];
      const { random } = Math;
      Math.random = () => drawn.pop() ?? random();
      console.log(await claimPort());`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: PROJECT_ROOT });
    expect(Number(stdout)).toBeGreaterThan(0);
    expect(Number(stdout)).not.toBe(node.port);
    await node.restart();
    expect(node.state).toBe('up');
  });

  test('leaves a port that no other server is given soon: clients of it may go on dialling', async () => {
    const node = await startNode();
    await Promise.all(fleets.splice(0).map((fleet) => fleet.stop()));
    const drawn = vi.spyOn(Math, 'random').mockReturnValueOnce((node.port - 10_400 + 0.5) / 10_000);
    const next = await claimPort();
    drawn.mockRestore();
    releasePort(next);
    expect(next).not.toBe(node.port);
  });

  test('comes back on its port without its memory when nothing was persisted', async () => {
    const node = await startNode();
    const { port, pid } = node;
    await node.command('SET', 'resource', 'lock value');

    await node.kill();
    await node.restart();

    expect(await node.command('DBSIZE')).toBe(0);
    expect(node.port).toBe(port);
    expect(node.pid).not.toBe(pid);
    expect(node.state).toBe('up');
  });

  test('comes back with its memory when it has an append-only file', async () => {
    const node = await startNode({ appendOnly: true });
    await node.command('SET', 'resource', 'lock value');

    await node.kill();
    await node.restart();

    expect(await node.command('GET', 'resource')).toBe('lock value');
  });

  test('comes back empty when its disk was wiped, append-only file or not', async () => {
    const node = await startNode({ appendOnly: true });
    await node.command('SET', 'resource', 'lock value');

    await node.restartEmpty();

    expect(await node.command('DBSIZE')).toBe(0);
  });

  test('is noticed to be down when it ended by itself', async () => {
    const node = await startNode();

    await node.command('SHUTDOWN', 'NOSAVE').catch(() => undefined);

    await eventually('the node is down', () => node.state === 'down');
    expect(() => node.pause()).toThrow('node 0 is down');
  });

  test('restarted twice at once complains instead of running two servers', async () => {
    const node = await startNode();

    const [first, second] = await Promise.allSettled([node.restart(), node.restart()]);

    expect(first.status).toBe('fulfilled');
    expect(second.status).toBe('rejected');
    expect(await node.command('PING')).toBe('PONG');
  });
});

describe('a paused node', () => {
  test('answers nothing while paused, and everything after it is resumed', async () => {
    const node = await startNode();

    node.pause();

    expect(node.state).toBe('paused');
    const asked = node.command('PING');
    await expect(sendCommand(node.port, ['PING'], 200)).rejects.toThrow('did not answer PING within 200 ms');
    node.resume();
    expect(node.state).toBe('up');
    expect(await asked).toBe('PONG');
  });

  test('can be killed and restarted without being resumed', async () => {
    const node = await startNode();
    node.pause();

    await node.kill();
    expect(node.state).toBe('down');
    await node.restart();

    expect(await node.command('PING')).toBe('PONG');
  });
});

describe('stopping a fleet', () => {
  test('leaves no process and no directory, whether nodes are up, paused or down', async () => {
    const fleet = await startFleet(3);
    const pids = pidsOf(fleet);
    await fleet.nodes[0]?.kill();
    fleet.nodes[1]?.pause();
    expect(existsSync(fleet.directory)).toBe(true);

    await Promise.all([fleet.stop(), fleet.stop()]);
    await fleet.stop();

    expect(pids.filter(isRunning)).toEqual([]);
    expect(existsSync(fleet.directory)).toBe(false);
    expect(fleet.nodes.map((node) => node.state)).toEqual(['down', 'down', 'down']);
  });

  test('is what `await using` does at the end of its block', async () => {
    let pids: number[] = [];
    {
      await using fleet = await Fleet.start(1);
      pids = pidsOf(fleet);
      expect(pids.filter(isRunning)).toEqual(pids);
    }
    expect(pids.filter(isRunning)).toEqual([]);
  });

  test('while a node restarts ends the new process too', async () => {
    const fleet = await startFleet(1);
    const [node] = fleet.nodes;
    const restart = node?.restart();

    const [outcome] = await Promise.allSettled([restart, fleet.stop()]);

    expect(outcome.status).toBe('rejected');
    expect(node?.pid).toBeUndefined();
    await expect(node?.restart()).rejects.toThrow('has been stopped');
  });
});

describe('cluster mode', () => {
  test('makes each node a cluster of its own that an ioredis Cluster can use, also after it lost its disk', async () => {
    const fleet = await startFleet(2, { cluster: true });
    await fleet.nodes[1]?.restartEmpty();

    for (const node of fleet.nodes) {
      const cluster = new Cluster([{ host: '127.0.0.1', port: node.port }]);
      try {
        await cluster.set('resource', `held on ${node.index}`);
        expect(await cluster.get('resource')).toBe(`held on ${node.index}`);
      } finally {
        cluster.disconnect();
      }
    }
  });
});

describe('a process that owns a fleet leaves no server behind', () => {
  test.each([
    ['returns without stopping it', 'process.exit(3)', undefined, 3, null],
    ['dies of an uncaught error', 'throw new Error("boom")', undefined, 1, null],
    ['dies of SIGTERM', '', 'SIGTERM', null, 'SIGTERM'],
    ['dies of SIGINT', '', 'SIGINT', null, 'SIGINT'],
    ['dies of SIGKILL', '', 'SIGKILL', null, 'SIGKILL'],
    [
      'has a SIGTERM handler of its own, which decides',
      'process.once("SIGTERM", () => process.exit(7))',
      'SIGTERM',
      7,
      null,
    ],
  ] as const)('when it %s', async (_how, code, signal, exitCode, exitSignal) => {
    const child = spawnFleetOwner(code);
    const exited = once(child, 'exit');
    const { pids, directory } = await reportOf(child);

    if (signal !== undefined) child.kill(signal);

    expect(await exited).toEqual([exitCode, exitSignal]);
    await eventually('all servers have gone', () => !pids.some(isRunning));
    await eventually('their directory is removed', () => !existsSync(directory));
  });
});

describe('finding the server', () => {
  test('takes QUORLOCK_REDIS_SERVER before anything on the PATH, and says so when it is no program', () => {
    const binary = findServerBinary();

    expect(findServerBinary({ QUORLOCK_REDIS_SERVER: binary, PATH: '' })).toBe(binary);
    expect(() => findServerBinary({ QUORLOCK_REDIS_SERVER: '/no/such/server' })).toThrow(
      'QUORLOCK_REDIS_SERVER is "/no/such/server", which is not an executable file',
    );
  });
});

function pidsOf(fleet: Fleet): number[] {
  return fleet.nodes.flatMap(({ pid }) => (pid === undefined ? [] : [pid]));
}

/** A Node process that starts a fleet, reports it on a line, and then does as `code` says. */
function spawnFleetOwner(code: string): ChildProcess {
  const program = `
    const { Fleet } = await import('./scripts/fleet/fleet.ts');
    const { nodes, directory } = await Fleet.start(2);
    nodes[1].pause();
    const report = JSON.stringify({ pids: nodes.map((node) => node.pid), directory });
    await new Promise((written) => process.stdout.write(report + '\\n', written));
    ${code}
  `;
  const args = ['--import', 'tsx', '--input-type=module', '--eval', program];
  return spawn(process.execPath, args, { cwd: PROJECT_ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
}

async function reportOf(child: ChildProcess): Promise<{ pids: number[]; directory: string }> {
  if (child.stdout === null) throw new Error('the child has no stdout');
  let text = '';
  for await (const chunk of child.stdout) {
    text += chunk;
    if (text.endsWith('\n')) break;
  }
  return JSON.parse(text);
}
