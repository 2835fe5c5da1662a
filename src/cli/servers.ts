import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { SystemClock } from '../base/clock.ts';
import { plural } from '../base/describe.ts';
import { wholeNumberWithin } from './duration.ts';
import { CommandError, EXIT, UsageError } from './exit.ts';
import { pause } from './pause.ts';
import { findInstalled, findProgram, withParent } from './programs.ts';
import { complain, print } from './terminal.ts';

interface ServersOptions {
  readonly count?: number;
  readonly ports?: string;
  readonly server?: string;
  readonly json?: boolean;
}

const READY_WITHIN_MS = 10_000;
const ASK_EVERY_MS = 20;
const END_WITHIN_MS = 5_000;

const NO_SERVER =
  'no redis-server or valkey-server is installed. Install one: apt-get install redis-server, apk add valkey, dnf install ' +
  'valkey, or brew install redis; or give its path by --server';

const EXIT_CODES = `
They keep their data in a temporary folder, which is removed at the end, and
listen on 127.0.0.1 without a password: for a try, not for production. One that
is killed starts anew, and has its data.

Exit codes:
  0    they were ended by Ctrl-C or SIGTERM
  64   the arguments make no sense
  69   no server program is installed, or a server did not start`;

/** Adds `quorlock servers`. */
export function addServers(program: Command, ended: (exitCode: number) => void): void {
  program
    .command('servers')
    .summary('start some masters on this machine, for a try')
    .description(
      'Starts independent masters on this machine, says how to reach them, and stops them at the end.',
    )
    .option('--count <number>', 'how many (default: 5)', wholeNumberWithin({ least: 1, most: 100 }))
    .option('--ports <ports>', 'their ports, as 7001,7002,7003 (default: free ones)')
    .option('--server <path>', 'the server program (default: redis-server or valkey-server)')
    .option('--json', 'print JSON')
    .addHelpText('after', EXIT_CODES)
    .action(async (options: ServersOptions) => ended(await serve(options)));
}

async function serve({ count, ports, server, json }: ServersOptions): Promise<number> {
  const binary = serverProgram(server);
  const chosen = ports === undefined ? await freePorts(count ?? 5) : portsOf(ports, count);
  const stopped = stopSignal();
  const folder = await mkdtemp(join(tmpdir(), 'quorlock-servers-'));
  const servers: Server[] = [];
  const start = (port: number) => Server.start(binary, port, join(folder, String(port)));
  let isOver = false;
  /** As a supervisor does it: a node that was killed comes back, and is in quarantine. */
  const keepRunning = async (port: number, index: number) => {
    for (;;) {
      await servers[index]?.ended;
      if (isOver || stopped.aborted) return;
      complain(`the server on port ${port} ended by itself, and is started again`);
      const server = await start(port);
      servers[index] = server;
      // It began while the others were ended.
      if (isOver) return await server.stop();
      await server.ready(stopped);
    }
  };
  let keeping: readonly Promise<void>[] = [];
  try {
    for (const port of chosen) servers.push(await start(port));
    await Promise.all(servers.map((each) => each.ready(stopped)));
    if (!stopped.aborted) {
      const nodes = chosen.map((port) => `redis://127.0.0.1:${port}`);
      if (json === true) print(JSON.stringify({ nodes, processes: servers.map(({ pid }) => pid) }));
      else {
        print(`export QUORLOCK_NODES=${nodes.join(',')}`);
        complain(
          `${plural(nodes.length, 'master')} on this machine until Ctrl-C. Set that where programs run.`,
        );
      }
    }
    keeping = chosen.map(keepRunning);
    await Promise.race([Promise.all(keeping), aborted(stopped)]);
    return EXIT.ok;
  } finally {
    isOver = true;
    await Promise.all(servers.map((each) => each.stop()));
    await Promise.allSettled(keeping);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function serverProgram(given: string | undefined): string {
  if (given !== undefined) {
    const found = findProgram(given);
    if (found.kind === 'program') return found.path;
    throw new UsageError(`--server: ${given} is no program`);
  }
  const found = findInstalled('redis-server') ?? findInstalled('valkey-server');
  if (found === undefined) throw new CommandError(NO_SERVER, EXIT.noQuorum);
  return found;
}

function portsOf(text: string, count: number | undefined): readonly number[] {
  const ports = text.split(',').map(Number);
  const bad = ports.find((port) => !Number.isInteger(port) || port < 1 || port > 65_535);
  if (bad !== undefined || new Set(ports).size < ports.length) {
    throw new UsageError(
      `--ports must be different numbers from 1 to 65535 with commas between them: got ${JSON.stringify(text)}`,
    );
  }
  if (count !== undefined && count !== ports.length) {
    throw new UsageError(`--count must be left out, or the number of --ports, ${ports.length}: got ${count}`);
  }
  return ports;
}

/** Ports that are free at once, and so differ. */
async function freePorts(count: number): Promise<readonly number[]> {
  const listeners = await Promise.all(
    Array.from({ length: count }, async () => {
      const listener = createServer().listen({ host: '127.0.0.1', port: 0 });
      await once(listener, 'listening');
      return listener;
    }),
  );
  const ports = listeners.map((listener) => (listener.address() as { readonly port: number }).port);
  await Promise.all(listeners.map((listener) => once(listener.close(), 'close')));
  return ports;
}

function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined));
  });
}

/** One master. It is a process group of its own: Ctrl-C goes to this process, which stops it. */
class Server {
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #log: string;
  readonly #clock = new SystemClock();
  readonly ended: Promise<void>;

  private constructor(child: ChildProcess, port: number, log: string) {
    this.#child = child;
    this.#port = port;
    this.#log = log;
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
  }

  static async start(binary: string, port: number, folder: string): Promise<Server> {
    await mkdir(folder, { recursive: true });
    const log = join(folder, 'log');
    // A marker and counters that outlive the server, as in production.
    const kept = ['--appendonly', 'yes', '--appendfsync', 'everysec', '--save', ''];
    const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--logfile', log, ...kept];
    const [first = binary, ...rest] = [...(await withParent('TERM')), binary, ...args];
    return new Server(spawn(first, rest, { detached: true, stdio: 'ignore' }), port, log);
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get #isRunning(): boolean {
    const { pid, exitCode, signalCode } = this.#child;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  /** Resolves when it answers. */
  async ready(stopped: AbortSignal): Promise<void> {
    const since = this.#clock.monotonic();
    while (!stopped.aborted && !(await answers(this.#port, this.pid))) {
      if (!this.#isRunning || this.#clock.monotonic() - since > READY_WITHIN_MS) {
        const log = await readFile(this.#log, 'utf8').catch(() => '');
        const [last = 'it says nothing'] = log.trim().split('\n').slice(-1);
        throw new CommandError(`the server on port ${this.#port} did not start: ${last}`, EXIT.noQuorum);
      }
      await pause(ASK_EVERY_MS, stopped);
    }
  }

  async stop(): Promise<void> {
    if (!this.#isRunning) return;
    this.#child.kill('SIGTERM');
    const timer = this.#clock.after(END_WITHIN_MS, () => this.#child.kill('SIGKILL'));
    await this.ended;
    timer.cancel();
  }
}

/** Whether a server on this machine answers, and is this process: another one may have the port. */
function answers(port: number, pid: number | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    let text = '';
    const timer = new SystemClock().after(1_000, () => look(true));
    const look = (isOver: boolean) => {
      const isOurs = text.includes(`\r\nprocess_id:${pid}\r\n`);
      if (!isOurs && !isOver) return;
      timer.cancel();
      socket.destroy();
      resolve(isOurs);
    };
    socket.once('error', () => look(true));
    socket.once('close', () => look(true));
    socket.on('data', (bytes) => {
      text += bytes.toString();
      look(text.includes('\r\n\r\n') || text.startsWith('-'));
    });
    socket.write('INFO server\r\n');
  });
}
