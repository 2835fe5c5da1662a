import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, openSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { watchStalls } from '../../../scripts/faults/fleet/stalls.ts';
import { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually, isRunning } from '../../../scripts/fleet/processes.ts';
import { Redlock } from '../../../src/index.ts';
import { CALLS_AT_ONCE, parentOf, Quorlock, type RunningCommand } from '../../support/command.ts';
import { nodeAt, PATIENT, startDeployment } from '../../support/deployment.ts';
import { expectHeldOnAll } from '../../support/lock-keys.ts';
import { isShort } from '../../support/tier.ts';

vi.setConfig({ maxConcurrency: CALLS_AT_ONCE });
const it = test.concurrent;

let quorlock: Quorlock;
let fleet: Fleet;
let folder: string;
beforeAll(async () => {
  quorlock = await Quorlock.make();
  fleet = await startDeployment(3);
  folder = mkdtempSync(join(tmpdir(), 'quorlock-run-'));
});
afterAll(async () => {
  await fleet?.stop();
  quorlock?.[Symbol.dispose]();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});

const run = (...args: string[]) => quorlock.runWithQuorum(fleet.urls, ['run', ...args]);
const start = (...args: string[]) => quorlock.start(fleet.urls, ['run', ...args]);

/** Says its pid, and then runs until it is ended. */
const SLEEP = ['sh', '-c', 'echo pid=$$; exec sleep 600'];

/** As above, and takes no notice of SIGTERM. Its child does not, either. */
const STUBBORN = ['sh', '-c', 'trap "" TERM; echo pid=$$; while :; do sleep 0.1; done'];

async function pidOf(running: RunningCommand): Promise<number> {
  return Number(await running.printed(/pid=(\d+)\n/));
}

const gone = (pid: number) => eventually(`${pid} is gone`, () => !isRunning(pid));

const unique = () => `resource ${randomInt(2 ** 40)}`;

/** The longest time in which this process did not come to run: one that no processor serves can't keep its time. */
class Stalls implements AsyncDisposable {
  longestMs = 0;
  readonly #stop = new AbortController();
  readonly #watching = watchStalls(({ from, to }) => {
    this.longestMs = Math.max(this.longestMs, to - from);
  }, this.#stop.signal);

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#watching;
  }
}

describe('quorlock run', () => {
  it('tells the command its token and its resource, and ends with its exit code', async () => {
    const resource = unique();
    const script = 'echo "$QUORLOCK_TOKEN/$QUORLOCK_RESOURCE/$QUORLOCK_HELD"; exit 7';
    const { exitCode, output, errors } = await run(resource, '--', 'sh', '-c', script);
    expect({ exitCode, errors }).toEqual({ exitCode: 7, errors: '' });
    expect(output).toMatch(new RegExp(`^[1-9]\\d+/${resource}/1\n$`));
  });

  it('holds the lock while the command runs, and releases it at the end', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const running = start(resource, '--', ...SLEEP);
    const pid = await pidOf(running);
    expect(await redlock.tryAcquire(resource)).toBeNull();
    process.kill(pid, 'SIGKILL');
    expect((await running.ended).exitCode).toBe(128 + 9);
    await (await redlock.acquire(resource)).release();
  });

  it('hands a shell nothing: arguments arrive as they are', async () => {
    const odd = ['a b', '$HOME', '"', "'", '*', '--help', ''];
    const { output } = await run(
      unique(),
      '--',
      process.execPath,
      '-p',
      'JSON.stringify(process.argv.slice(1))',
      '--',
      ...odd,
    );
    expect(JSON.parse(output)).toEqual(odd);
  });

  it('extends the lock for as long as the command runs', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const running = start(resource, '--ttl', '5s', '--', ...SLEEP);
    await pidOf(running);
    const { value, remainingTtl = 0 } = await redlock.inspect(resource);
    let last = remainingTtl;
    await eventually('the lock is extended', async () => {
      const { remainingTtl: left = 0 } = await redlock.inspect(resource);
      const isExtended = left > last + 200;
      last = left;
      return isExtended;
    });
    expect((await redlock.inspect(resource)).value).toBe(value);
  });

  it.each<[string, string[], number, RegExp]>([
    ['no command', ['a'], 64, /missing required argument 'command'/],
    ['a duration that is none', ['a', '--ttl', 'soon', '--', 'true'], 64, /--ttl/],
    ['a ttl that no lock can have', ['a', '--ttl', '1ms', '--', 'true'], 64, /ttl must be/],
    [
      '--kill-after that leaves no time for extensions',
      ['a', '--ttl', '3s', '--kill-after', '2s', '--', 'true'],
      64,
      /at most a third of the ttl, 1000 ms: got 2000 ms/,
    ],
    [
      'both kinds of sharing',
      ['a', '--shared', '--permits', '2', '--', 'true'],
      64,
      /--shared and --permits/,
    ],
    ['an option that does not exist', ['a', '--forever', '--', 'true'], 64, /unknown option '--forever'/],
    [
      'a program that does not exist',
      ['a', '--', 'no-such-program'],
      127,
      /no-such-program: command not found/,
    ],
    ['a file that is no program', ['a', '--', './package.json'], 126, /package\.json: not executable/],
  ])('refuses %s', async (_, args, code, message) => {
    const { exitCode, errors, output } = await run(...args);
    expect(errors).toMatch(message);
    expect({ exitCode, output }).toEqual({ exitCode: code, output: '' });
  });

  it('says 75 if the lock is held, or what -E says, and does not run the command', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, { ...PATIENT, owner: 'web-3:4711' });
    await using held = await redlock.acquire(resource, { ttl: 30_000 });
    // On a busy machine each of them may take ten seconds, and hear of a majority of the nodes too late.
    await eventually('it says who holds the lock', async () => {
      await expectHeldOnAll(fleet, held);
      const { exitCode, output, errors } = await run(resource, '--no-wait', '--', 'echo', 'ran');
      expect(output).toBe('');
      const says = /^quorlock: resource \d+ is held by web-3:4711, [\d.]+ s left\n$/;
      return exitCode === 75 && says.test(errors);
    });
    await held.extend();
    expect((await run(resource, '--no-wait', '-E', '9', '--', 'true')).exitCode).toBe(9);
    await held.extend();
    expect((await run(resource, '--wait', '3s', '--', 'true')).exitCode).toBe(75);
  });

  it('tells where the options of the command stand', async () => {
    const { exitCode, errors } = await quorlock.run([], ['run', 'a', 'make-report', '--all']);
    expect(exitCode).toBe(64);
    expect(errors).toMatch(/unknown option '--all'\n.*the command and its own options stand after --/);
  });

  it('refuses a ttl that would lengthen the quarantines of all programs, unless it is to', async () => {
    await using own = await startDeployment(3);
    const maxTtls = () =>
      Promise.all(
        own.nodes.map(async (node) =>
          String(await node.command('GET', 'quorlock:node'))
            .split(' ')
            .at(-1),
        ),
      );
    const args = ['run', 'a', '--ttl', '2m'];
    const refused = await quorlock.runWithQuorum(own.urls, [...args, '--', 'echo', 'ran']);
    expect(refused).toMatchObject({ exitCode: 64, output: '' });
    expect(refused.errors).toMatch(
      /^quorlock: --ttl must be at most the nodes' maxTtl, 30000 ms: got 120000 ms\. .*--raise-max-ttl/,
    );
    expect(await maxTtls()).toEqual(['30000', '30000', '30000']);
    const raised = await quorlock.runWithQuorum(own.urls, [...args, '--raise-max-ttl', '--', 'echo', 'ran']);
    expect(raised).toMatchObject({ exitCode: 0, output: 'ran\n', errors: '' });
    await eventually('all nodes know of it', async () =>
      (await maxTtls()).every((each) => each === '120000'),
    );
  });

  it('refuses on new nodes a ttl above that of programs by default', async () => {
    await using own = await Fleet.start(1);
    const { exitCode, errors } = await quorlock.runWithQuorum(own.urls, [
      'run',
      'a',
      '--ttl',
      '31s',
      '--',
      'true',
    ]);
    expect(errors).toMatch(/^quorlock: --ttl must be at most 30000 ms on new nodes: got 31000 ms/);
    expect(exitCode).toBe(64);
    expect(await nodeAt(own, 0).command('DBSIZE')).toBe(0);
  });

  it('waits for a node that tells the maxTtl, and does not raise it by its own ttl', async ({
    onTestFinished,
  }) => {
    await using own = await startDeployment(1, { maxTtl: 5_000 });
    const { port } = nodeAt(own, 0);
    let connections = 0;
    // The first connections are lost at once.
    const gate = createServer((socket) => {
      connections += 1;
      if (connections <= 3) return void socket.destroy();
      const server = connect(port, '127.0.0.1');
      pipeline(socket, server, socket, () => undefined);
    });
    onTestFinished(() => void gate.close());
    gate.listen(0, '127.0.0.1');
    await once(gate, 'listening');
    const url = `redis://127.0.0.1:${(gate.address() as AddressInfo).port}`;
    const end = await quorlock.run([url], ['run', 'a', '--wait', 'inf', '--', 'echo', 'ran']);
    expect(end).toMatchObject({ exitCode: 0, output: 'ran\n' });
    expect(connections).toBeGreaterThan(3);
    expect(await nodeAt(own, 0).command('GET', 'quorlock:node')).toMatch(/ 5000$/);
  });

  it("keeps the nodes' passwords from the command, unless it is to have them", async () => {
    await using own = await startDeployment(1);
    await nodeAt(own, 0).command('CONFIG', 'SET', 'requirepass', 'planted-password');
    const [url = ''] = own.urls;
    const script = 'env; tr "\\0" "\\n" < /proc/$PPID/environ';
    const args = (...more: string[]) => ['run', unique(), ...more, '--', 'sh', '-c', script];
    const withPassword = url.replace('//', '//:planted-password@');
    const ways = [
      { nodes: [url], env: { QUORLOCK_PASSWORD: 'planted-password' } },
      { nodes: [withPassword], env: {} },
      { nodes: [`${url}?password=planted-password`], env: {} },
    ];
    for (const { nodes, env } of ways) {
      const { exitCode, output } = await quorlock.runWithQuorum(nodes, args(), { env });
      expect(exitCode).toBe(0);
      expect(output).toMatch(/^QUORLOCK_HELD=1$/m);
      expect(output).toMatch(/^QUORLOCK_NODES=redis:/m);
      expect(output).not.toContain('planted');
      const kept = await quorlock.runWithQuorum(nodes, args('--keep-password'), { env });
      expect(kept.output).toContain('planted-password');
    }
    // What is no list of URLs may have a password anywhere.
    const env = {
      QUORLOCK_NODES: 'redis://:planted pass/word@127.0.0.1',
      QUORLOCK_PASSWORD: 'planted-password',
    };
    const { exitCode, output } = await quorlock.runWithQuorum([], args('--nodes', url), { env });
    expect(exitCode).toBe(0);
    expect(output).not.toMatch(/planted|QUORLOCK_NODES/);
  });

  it('waits for the lock', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const held = await redlock.acquire(resource, { ttl: 30_000 });
    const running = start(resource, '--wait', 'inf', '--', 'echo', 'ran');
    await eventually('it waits', async () => (await redlock.waiting(resource)).processes.length === 1);
    expect(running.output).toBe('');
    await held.release();
    expect(await running.ended).toMatchObject({ exitCode: 0, output: 'ran\n' });
  });

  it('says 69 without a quorum', async () => {
    const dead = ['redis://127.0.0.1:1', 'redis://127.0.0.1:2', 'redis://127.0.0.1:3'];
    const { exitCode, errors } = await quorlock.run(dead, ['run', 'a', '--no-wait', '--', 'true']);
    expect(errors).toMatch(/^quorlock: no quorum for "a"/);
    expect(exitCode).toBe(69);
  });

  it('lets readers in together, and no writer beside them', async () => {
    const resource = unique();
    await pidOf(start(resource, '--shared', '--', ...SLEEP));
    expect((await run(resource, '--shared', '--no-wait', '--', 'true')).exitCode).toBe(0);
    expect((await run(resource, '--no-wait', '--', 'true')).exitCode).toBe(75);
  });

  it('lets as many in as there are permits', async () => {
    const resource = unique();
    const args = [resource, '--permits', '2', '--no-wait', '--'];
    await pidOf(start(...args, ...SLEEP));
    await pidOf(start(...args, ...SLEEP));
    expect((await run(...args, 'true')).exitCode).toBe(75);
  });

  it('ends a command that runs for longer than --max-hold', async () => {
    const running = start(unique(), '--max-hold', '3s', '--kill-after', '100ms', '--', ...STUBBORN);
    const pid = await pidOf(running);
    const { exitCode, errors } = await running.ended;
    expect(errors).toBe('quorlock: the command ran for longer than --max-hold, and was ended\n');
    expect({ exitCode, isRunning: isRunning(pid) }).toEqual({ exitCode: 124, isRunning: false });
  });

  it('does not lose a signal, or the end of --max-hold, that comes before the command is started', async () => {
    const started = join(folder, 'started');
    const script = `echo started > '${started}'; exec sleep 600`;
    expect((await run(unique(), '--max-hold', '0', '--', 'sh', '-c', script)).exitCode).toBe(124);
    const running = start(unique(), '--json', '--', 'sh', '-c', 'exec sleep 600');
    await running.told('acquired');
    running.signal('SIGTERM');
    expect((await running.ended).exitCode).toBe(143);
  });

  it('holds the lock for --min-hold when the command ends sooner, unless a signal comes', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const running = start(resource, '--json', '--min-hold', '1h', '--', 'sh', '-c', 'exit 3');
    await running.told('ended');
    expect(await redlock.tryAcquire(resource)).toBeNull();
    running.signal('SIGTERM');
    expect((await running.ended).exitCode).toBe(3);
    await (await redlock.acquire(resource)).release();
  });

  it('leaves what the command has left in the background alone', async () => {
    const { exitCode, output } = await run(unique(), '--', 'sh', '-c', 'sleep 600 >/dev/null 2>&1 & echo $!');
    const pid = Number(output);
    expect({ exitCode, isRunning: isRunning(pid) }).toEqual({ exitCode: 0, isRunning: true });
    process.kill(pid, 'SIGKILL');
  });
});

describe('what goes through quorlock run', () => {
  it('100 MB of any bytes by stdin and stdout, through files and through pipes', async () => {
    const bytes = randomBytes(100 * 2 ** 20);
    const hashOf = (data: Buffer) => createHash('sha256').update(data).digest('hex');
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    writeFileSync(from, bytes);
    const files = { stdio: [openSync(from, 'r'), openSync(to, 'w'), 'inherit'] } as const;
    const args = ['run', unique(), '--', 'cat'];
    expect((await quorlock.run(fleet.urls, args, { stdio: [...files.stdio] })).exitCode).toBe(0);
    expect(hashOf(readFileSync(to))).toBe(hashOf(bytes));

    const piped = spawn('sh', ['-c', `cat '${from}' | "$@" | sha256sum`, 'sh', ...quorlock.words(args)], {
      env: { ...process.env, QUORLOCK_NODES: fleet.urls.join(',') },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    piped.stdout.on('data', (chunk) => {
      text += chunk;
    });
    await once(piped, 'close');
    expect(text).toBe(`${hashOf(bytes)}  -\n`);
  });

  it('pipes stay as they are: none is made non-blocking', async () => {
    const flags = join(folder, 'flags');
    const args = ['run', unique(), '--json', '--ttl', '12s', '--'];
    // The flags are looked at when an extension and a line on stderr have come between.
    const shell = `sleep 7; grep -h flags /proc/self/fdinfo/0 /proc/self/fdinfo/1 /proc/self/fdinfo/2 > '${flags}'`;
    const piped = spawn(
      'sh',
      ['-c', 'cat /dev/null | "$@" 2>&1 | cat', 'sh', ...quorlock.words([...args, 'sh', '-c', shell])],
      {
        env: { ...process.env, QUORLOCK_NODES: fleet.urls.join(',') },
        stdio: 'ignore',
      },
    );
    await once(piped, 'close');
    const O_NONBLOCK = 0o4000;
    const found = [...readFileSync(flags, 'utf8').matchAll(/flags:\s+(\d+)/g)].map(([, octal = '']) =>
      Number.parseInt(octal, 8),
    );
    expect(found.length).toBe(3);
    expect(found.filter((each) => (each & O_NONBLOCK) !== 0)).toEqual([]);
  });
});

describe('signals', () => {
  it.each<[NodeJS.Signals, number]>([
    ['SIGTERM', 143],
    ['SIGINT', 130],
    ['SIGHUP', 129],
    ['SIGQUIT', 131],
    ['SIGUSR1', 138],
    ['SIGUSR2', 140],
  ])('%s goes to the command, whose end it is', async (signal, code) => {
    const resource = unique();
    const running = start(resource, '--', ...SLEEP);
    const pid = await pidOf(running);
    running.signal(signal);
    expect(await running.ended).toMatchObject({ exitCode: code, errors: '' });
    expect(isRunning(pid)).toBe(false);
  });

  it('a command that handles SIGTERM ends as it likes', async () => {
    const running = start(
      unique(),
      '--',
      'sh',
      '-c',
      'trap "exit 5" TERM; echo pid=$$; while :; do sleep 0.05; done',
    );
    await pidOf(running);
    running.signal('SIGTERM');
    expect((await running.ended).exitCode).toBe(5);
  });

  it('a signal ends the wait for the lock', async () => {
    const resource = unique();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using _held = await redlock.acquire(resource, { ttl: 30_000 });
    const running = start(resource, '--wait', 'inf', '--', 'echo', 'ran');
    await eventually('it waits', async () => (await redlock.waiting(resource)).processes.length === 1);
    running.signal('SIGINT');
    expect(await running.ended).toMatchObject({ exitCode: 130, output: '', errors: '' });
    await eventually(
      'it waits no more',
      async () => (await redlock.waiting(resource)).processes.length === 0,
    );
  });

  it('SIGTSTP stops the command and then quorlock run, and both go on with SIGCONT', async () => {
    const running = start(unique(), '--', ...SLEEP);
    const pid = await pidOf(running);
    running.signal('SIGTSTP');
    await eventually('both are stopped', () => stateOf(pid) === 'T' && stateOf(running.pid) === 'T');
    running.signal('SIGCONT');
    await eventually('both go on', () => stateOf(pid) !== 'T' && stateOf(running.pid) !== 'T');
    running.signal('SIGTERM');
    expect((await running.ended).exitCode).toBe(143);
  });
});

/** R, S, T and so on; empty: there is no such process. */
function stateOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3);
  } catch {
    return '';
  }
}

describe('the command is gone', () => {
  /** A command with a child of its own, one in another group, and one in another session. */
  const TREE = [
    'sh',
    '-c',
    `trap "" TERM; echo pid=$$; sleep 600 & echo child=$!; setsid sh -c 'trap "" TERM; echo other=$$; sleep 600; :' & while :; do sleep 0.1; done`,
  ];

  async function pidsOf(running: RunningCommand): Promise<readonly number[]> {
    const names = ['pid', 'child', 'other'];
    return Promise.all(
      names.map(async (name) => Number(await running.printed(new RegExp(`${name}=(\\d+)\n`)))),
    );
  }

  it('when quorlock run is killed, and so are the processes that it has started', async () => {
    const resource = unique();
    const running = start(resource, '--', ...TREE);
    const pids = await pidsOf(running);
    const watcher = parentOf(pids[0] ?? 0);
    running.signal('SIGKILL');
    for (const pid of pids) await gone(pid);
    await gone(watcher);
  });

  it('the same where there is no setpriv', async () => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    for (const name of ['sh', 'sleep', 'setsid']) symlinkSync(`/usr/bin/${name}`, join(bin, name));
    const running = quorlock.start(fleet.urls, ['run', unique(), '--', ...TREE], { env: { PATH: bin } });
    const pids = await pidsOf(running);
    running.signal('SIGKILL');
    for (const pid of pids) await gone(pid);
  });

  it('when quorlock run is killed before the command has started', async () => {
    const marks = join(folder, 'marks');
    writeFileSync(marks, '');
    const running = start(unique(), '--json', '--', 'sh', '-c', `echo $$ >> '${marks}'; exec sleep 600`);
    await running.told('acquired');
    running.signal('SIGKILL');
    await running.ended;
    await eventually('no command runs', () =>
      readFileSync(marks, 'utf8')
        .split('\n')
        .every((pid) => pid === '' || !isRunning(Number(pid))),
    );
  });

  it('when its watcher is killed, and quorlock run says 70', async () => {
    const running = start(unique(), '--', ...STUBBORN);
    const pid = await pidOf(running);
    process.kill(parentOf(pid), 'SIGKILL');
    const { exitCode, errors } = await running.ended;
    expect(errors).toContain('the process that watches the command ended or hung');
    expect({ exitCode, isRunning: isRunning(pid) }).toEqual({ exitCode: 70, isRunning: false });
  });

  it('when both are killed at once: the kernel kills it', async () => {
    const running = start(unique(), '--', ...STUBBORN);
    const pid = await pidOf(running);
    const watcher = parentOf(pid);
    // Stopped, neither can do anything for it.
    process.kill(watcher, 'SIGSTOP');
    running.signal('SIGSTOP');
    process.kill(watcher, 'SIGKILL');
    running.signal('SIGKILL');
    await gone(pid);
  });

  it('at once when the lock has been taken from it', async () => {
    const resource = unique();
    const running = start(resource, '--ttl', '3s', '--', ...STUBBORN);
    const pid = await pidOf(running);
    expect(
      (await quorlock.runWithQuorum(fleet.urls, ['release', '--force', '--yes', resource])).exitCode,
    ).toBe(0);
    expect((await running.ended).exitCode).toBe(76);
    expect(isRunning(pid)).toBe(false);
  });
});

// Not beside the others: on a machine that they keep busy, those that are to end the command come too late.
describe('a command whose lock is not extended any more is gone', () => {
  it('before the validity ends when quorlock run is stopped', async () => {
    const running = start(unique(), '--json', '--ttl', '10s', '--kill-after', '500ms', '--', ...STUBBORN);
    const pid = await pidOf(running);
    await using stalls = new Stalls();
    running.signal('SIGSTOP');
    await gone(pid);
    const goneAtMs = Date.now();
    running.signal('SIGCONT');
    const { exitCode } = await running.ended;
    const { validUntil = '' } = await running.told('ended');
    expect(exitCode).toBe(76);
    expect(goneAtMs).toBeLessThan(Date.parse(validUntil) + stalls.longestMs);
  });

  it('before the validity ends when its watcher is stopped and no quorum is left', async ({
    onTestFinished,
  }) => {
    await using own = await startDeployment(3);
    const args = ['run', 'a', '--json', '--ttl', '10s', '--kill-after', '500ms', '--', ...STUBBORN];
    const running = quorlock.start(own.urls, args);
    const pid = await pidOf(running);
    const watcher = parentOf(pid);
    onTestFinished(() => {
      if (isRunning(watcher)) process.kill(watcher, 'SIGKILL');
    });
    process.kill(watcher, 'SIGSTOP');
    await using stalls = new Stalls();
    for (const node of own.nodes.slice(0, 2)) await node.kill();
    expect((await running.ended).exitCode).toBe(76);
    const { goneAt = '', validUntil = '' } = await running.told('ended');
    expect(Date.parse(goneAt)).toBeLessThan(Date.parse(validUntil) + stalls.longestMs);
    expect(isRunning(pid)).toBe(false);
  });

  const RUNS = isShort ? 8 : 20;

  it(`before the validity ends when no quorum is left: ${RUNS} runs`, async () => {
    await using own = await startDeployment(3);
    const beats = (index: number) => join(folder, `beats-${index}`);
    const runs = Array.from({ length: RUNS }, (_, index) => {
      // It says that it runs ten times a second, and starts no process for that: twenty of them would keep a machine busy.
      const loop = `while :; do echo $EPOCHREALTIME >> '${beats(index)}'; read -rt 0.1 <&9; done`;
      const script = `trap "" TERM; exec 9<> <(:); echo pid=$$; ${loop}`;
      const args = [
        'run',
        `a ${index}`,
        '--json',
        '--ttl',
        '10s',
        '--kill-after',
        '1s',
        '--',
        'bash',
        '-c',
        script,
      ];
      return quorlock.start(own.urls, args);
    });
    const pids = await Promise.all(runs.map(pidOf));
    for (const [index, node] of own.nodes.slice(0, 2).entries()) {
      if (index === 0) await node.kill();
      else node.pause();
    }
    const margins: number[] = [];
    await using stalls = new Stalls();
    for (const [index, running] of runs.entries()) {
      expect((await running.ended).exitCode).toBe(76);
      const { goneAt = '', validUntil = '' } = await running.told('ended');
      const [last = 0] = readFileSync(beats(index), 'utf8').trim().split('\n').slice(-1).map(Number);
      expect(last * 1_000).toBeLessThan(Date.parse(validUntil) + stalls.longestMs);
      margins.push(Date.parse(validUntil) - Date.parse(goneAt));
      expect(isRunning(pids[index] ?? 0)).toBe(false);
    }
    console.log(`gone before the validity ended, by ms: ${margins.sort((a, b) => a - b).join(' ')}`);
    expect(Math.min(...margins)).toBeGreaterThan(-stalls.longestMs);
  });
});
