import { constants } from 'node:os';
import type { Command } from 'commander';
import { SystemClock, type Timer } from '../base/clock.ts';
import { type Lock, LockHeldError, type Redlock, type UsingOptions, WaitTimeoutError } from '../index.ts';
import { MOST_SLOTS } from '../wire/operation.ts';
import { Deployment } from './deployment.ts';
import { duration, durationOption, endlessDuration, ttlDuration, wholeNumberWithin } from './duration.ts';
import { BY_SIGNAL, CommandError, EXIT, UsageError } from './exit.ts';
import { type NodeOptions, withNodeOptions, withoutPasswords } from './node-options.ts';
import { deadlineIn, msUntil } from './orders.ts';
import { findProgram } from './programs.ts';
import { complain, nameOf, span } from './terminal.ts';
import { type Outcome, Watched } from './watched.ts';

interface RunOptions extends NodeOptions {
  readonly ttl?: number;
  /** False: `--no-wait`. */
  readonly wait: number | false;
  readonly maxHold: number;
  readonly minHold: number;
  readonly killAfter?: number;
  readonly shared?: boolean;
  readonly permits?: number;
  readonly conflictExitCode: number;
  readonly keepPassword?: boolean;
  readonly raiseMaxTtl?: boolean;
}

/** The ttl of a lock that a command runs under, unless the deployment's programs have shorter ones. */
const TTL_MS = 30_000;

/** The command is killed when this share of the ttl is left of the validity, at the most this number of milliseconds. */
const MARGIN_OF_TTL = 1 / 10;
const MARGIN_AT_MOST_MS = 1_000;

/** `--kill-after` is at most this share of the ttl: with the margin it is less than the half at which the lock is extended. */
const KILL_AFTER_OF_TTL = 1 / 3;

/** By default it is this share of it, at the most this number of milliseconds. */
const KILL_AFTER_DEFAULT_OF_TTL = 1 / 5;
const KILL_AFTER_DEFAULT_MS = 5_000;

/** How often the watcher is told of an extension at the most, and its own work is checked. */
const TELL_EVERY_MS = 50;

/** Signals that are the command's business. */
const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

const EXIT_CODES = `
Exit codes:
  the command's own, or 128 and the number of the signal that ended it
  64   the arguments make no sense
  69   no quorum: too few nodes vote
  75   another holder has the lock (-E chooses another code)
  76   the lock was about to be lost, and the command was ended
  124  the command ran for longer than --max-hold, and was ended
  126  the command is not executable
  127  there is no such command

The command gets QUORLOCK_TOKEN (the fencing token), QUORLOCK_RESOURCE and
QUORLOCK_HELD=1. Durations are seconds, or have a unit: 500ms, 10s, 5m, 2h, 1d.`;

/** Adds `quorlock run`. */
export function addRun(program: Command, ended: (exitCode: number) => void): void {
  const command = program
    .command('run')
    .summary('run a command under a lock')
    .description('Runs a command while it holds a lock, and ends it before the lock can be lost.')
    .argument('<resource>', 'what to lock')
    .argument('<command...>', 'the command and its arguments, after --; no shell reads them')
    .option('--ttl <duration>', 'how long the lock lives without its holder (default: 30s)', ttlDuration)
    .addOption(
      durationOption(
        '--wait <duration>',
        'how long to wait for the lock; inf: for ever',
        10_000,
        endlessDuration,
      ),
    )
    .option('--no-wait', 'do not wait')
    .addOption(
      durationOption(
        '--max-hold <duration>',
        'how long the command may run',
        Number.POSITIVE_INFINITY,
        endlessDuration,
      ),
    )
    .addOption(
      durationOption(
        '--min-hold <duration>',
        'hold the lock for so long, even if the command ends sooner',
        0,
      ),
    )
    .option(
      '--kill-after <duration>',
      'from SIGTERM to SIGKILL (default: 5s, or a fifth of the ttl)',
      duration,
    )
    .option('--shared', 'a read lock: commands with read locks run together')
    .option(
      '--permits <number>',
      'a semaphore: this number of commands run together',
      wholeNumberWithin({ least: 1, most: MOST_SLOTS }),
    )
    .option(
      '-E, --conflict-exit-code <number>',
      'the exit code if the lock is held',
      wholeNumberWithin({ most: 255 }),
      EXIT.held,
    )
    .option('--keep-password', "leave the nodes' passwords in the command's environment")
    .option('--raise-max-ttl', "let --ttl be longer than the programs' maxTtl, which it raises for good")
    .showHelpAfterError('(the command and its own options stand after --; --help tells more)')
    .addHelpText('after', EXIT_CODES);
  withNodeOptions(command).action(async (resource: string, words: readonly string[], options: RunOptions) => {
    ended(await run(resource, words, options));
  });
}

async function run(resource: string, words: readonly string[], options: RunOptions): Promise<number> {
  checkOptions(options);
  const [name = '', ...args] = words;
  const program = findProgram(name);
  if (program.kind === 'missing') throw new CommandError(`${name}: command not found`, EXIT.notFound);
  if (program.kind === 'not-executable')
    throw new CommandError(`${name}: not executable`, EXIT.notExecutable);
  const watched = new Watched(options.keepPassword === true ? process.env : withoutPasswords(process.env));
  const signals = new Signals();
  try {
    await using deployment = await Deployment.open(options);
    const wait = await untilMaxTtlIsKnown(deployment, options.wait || 0, signals.stopped);
    const ttl = options.ttl ?? Math.min(TTL_MS, deployment.maxTtl ?? TTL_MS);
    if (options.raiseMaxTtl !== true) checkMaxTtl(ttl, deployment);
    const redlock = deployment.redlock({
      quarantine: 'auto',
      maxTtl: Math.max(ttl, deployment.maxTtl ?? TTL_MS),
    });
    const session = new Session(resource, { file: name, args }, { ...options, ttl, wait }, watched, signals);
    return await session.under(redlock);
  } finally {
    signals.close();
    watched.close();
  }
}

function checkOptions({ ttl = TTL_MS, killAfter = 0, shared, permits }: RunOptions): void {
  if (process.platform === 'win32') {
    throw new UsageError('run needs process groups and signals, which Windows does not have');
  }
  if (shared === true && permits !== undefined)
    throw new UsageError('--shared and --permits exclude each other');
  const most = Math.floor(ttl * KILL_AFTER_OF_TTL);
  if (killAfter > most) {
    throw new UsageError(
      `--kill-after must be at most a third of the ttl, ${most} ms: got ${killAfter} ms. Raise --ttl, or lower it`,
    );
  }
}

/** Waits for a node that tells what a ttl may be, and returns how much of the time to wait is left, in milliseconds. */
async function untilMaxTtlIsKnown(
  deployment: Deployment,
  wait: number,
  stopped: AbortSignal,
): Promise<number> {
  const clock = new SystemClock();
  const since = clock.monotonic();
  await deployment.untilMaxTtlIsKnown(wait, stopped);
  stopped.throwIfAborted();
  return Math.max(0, wait - (clock.monotonic() - since));
}

/** A longer ttl would lengthen the quarantines of all programs for good. */
function checkMaxTtl(ttl: number, { maxTtl, looks }: Deployment): void {
  const isUnknown = maxTtl === undefined && looks.some(({ failure }) => failure !== undefined);
  // Then too few nodes vote, which the attempt tells with what each says.
  if (isUnknown || ttl <= (maxTtl ?? TTL_MS)) return;
  const bound = maxTtl === undefined ? `${TTL_MS} ms on new nodes` : `the nodes' maxTtl, ${maxTtl} ms`;
  throw new UsageError(
    `--ttl must be at most ${bound}: got ${ttl} ms. A shorter one does for a long command, as the lock is ` +
      'extended while it runs. To have all quarantines last longer from now on, say --raise-max-ttl, or run ' +
      '"quorlock init --max-ttl" when no lock is held',
  );
}

/** Signals to this process: while it waits for the lock they end the wait, and then they go to the command. */
class Signals {
  readonly #stop = new AbortController();
  readonly #listeners = new Map<NodeJS.Signals, () => void>();
  #receive: (signal: NodeJS.Signals) => void = (signal) => this.#interrupt(signal);

  constructor() {
    for (const signal of PASSED_ON) this.#listen(signal, () => this.#receive(signal));
  }

  /** Aborts at a signal that comes while there is no command. */
  get stopped(): AbortSignal {
    return this.#stop.signal;
  }

  /**
   * Passes signals on from now on.
   *
   * @param resumed called when this process goes on after it was stopped
   */
  passTo(watched: Watched, resumed: () => void): void {
    this.#receive = (signal) => watched.signal(signal);
    // Ctrl-Z: the command stops first, and goes on only if the lock is still held.
    this.#listen('SIGTSTP', () => {
      watched.signal('SIGSTOP');
      process.kill(process.pid, 'SIGSTOP');
    });
    this.#listen('SIGCONT', () => {
      resumed();
      watched.signal('SIGCONT');
    });
  }

  /** The command is gone: a signal ends this process again. */
  passNoMore(): void {
    this.#receive = (signal) => this.#interrupt(signal);
  }

  close(): void {
    for (const [signal, listener] of this.#listeners) process.off(signal, listener);
  }

  #interrupt(signal: NodeJS.Signals): void {
    // By itself it ends no process.
    if (signal !== 'SIGWINCH') this.#stop.abort(new Interrupted(signal));
  }

  #listen(signal: NodeJS.Signals, listener: () => void): void {
    this.#listeners.set(signal, listener);
    process.on(signal, listener);
  }
}

/** A signal came while there was no command to pass it on to. */
class Interrupted extends CommandError {
  constructor(signal: NodeJS.Signals) {
    super('', BY_SIGNAL + (constants.signals[signal] ?? 0));
  }
}

/** One command under one lock. */
class Session {
  readonly #resource: string;
  readonly #program: { readonly file: string; readonly args: readonly string[] };
  readonly #options: RunOptions & { readonly ttl: number };
  readonly #watched: Watched;
  readonly #signals: Signals;
  readonly #clock = new SystemClock();
  readonly #marginMs: number;
  readonly #killAfterMs: number;
  /** When the validity ends, in milliseconds since the epoch. */
  #validUntil = 0;

  constructor(
    resource: string,
    program: { readonly file: string; readonly args: readonly string[] },
    options: RunOptions & { readonly ttl: number },
    watched: Watched,
    signals: Signals,
  ) {
    const { ttl, killAfter } = options;
    this.#resource = resource;
    this.#program = program;
    this.#options = options;
    this.#watched = watched;
    this.#signals = signals;
    this.#marginMs = Math.min(ttl * MARGIN_OF_TTL, MARGIN_AT_MOST_MS);
    this.#killAfterMs = killAfter ?? Math.min(ttl * KILL_AFTER_DEFAULT_OF_TTL, KILL_AFTER_DEFAULT_MS);
  }

  /** Gets the lock, runs the command, and returns the exit code. */
  async under(redlock: Redlock): Promise<number> {
    const { ttl, wait, shared, permits, conflictExitCode } = this.#options;
    const options: UsingOptions = { ttl, waitTime: wait || 0, signal: this.#signals.stopped };
    const routine = (lock: Lock) => this.#hold(lock);
    try {
      if (permits !== undefined)
        return await redlock.semaphore(this.#resource, permits).using(options, routine);
      if (shared === true) return await redlock.readWrite(this.#resource).usingRead(options, routine);
      return await redlock.using(this.#resource, options, routine);
    } catch (error) {
      if (!(error instanceof LockHeldError) && !(error instanceof WaitTimeoutError)) throw error;
      const left = span(error.holderRemainingTtl ?? 0);
      throw new CommandError(
        `${nameOf(this.#resource)} is held by ${nameOf(error.holder ?? 'others')}, ${left} left`,
        conflictExitCode,
      );
    }
  }

  async #hold(lock: Lock): Promise<number> {
    const since = this.#clock.monotonic();
    const validUntil = timeOf(this.#clock.wall() + lock.remainingValidity());
    this.#say('acquired', { token: lock.token, validUntil });
    const outcome = await this.#command(lock);
    const exitCode = this.#codeOf(outcome, this.#clock.monotonic() - since);
    const goneAtMs = outcome.kind === 'gone' ? outcome.atMs : this.#clock.wall();
    this.#say('ended', { exitCode, goneAt: timeOf(goneAtMs), validUntil: timeOf(this.#validUntil) });
    const restMs = this.#options.minHold - (this.#clock.monotonic() - since);
    if (restMs > 0 && !lock.signal.aborted) await this.#keep(lock, restMs);
    return exitCode;
  }

  /** Runs the command, and has it end before the validity of the lock does. */
  async #command(lock: Lock): Promise<Outcome> {
    let told = deadlineIn(lock.remainingValidity() - this.#marginMs);
    this.#validUntil = this.#clock.wall() + lock.remainingValidity();
    const tell = () => {
      const leftMs = lock.remainingValidity();
      // It moves when the lock is extended; and to this moment when the lock is lost sooner.
      const isLostSooner = leftMs <= 0 && msUntil(told) > 0;
      const until = leftMs > 0 ? deadlineIn(leftMs - this.#marginMs) : isLostSooner ? deadlineIn(0) : told;
      if (Math.abs(until.host - told.host) > 1) {
        told = until;
        if (leftMs > 0) this.#validUntil = this.#clock.wall() + leftMs;
        this.#watched.mayRunUntil(until);
      }
      this.#watched.check(this.#marginMs / 4);
    };
    // Before the command starts: it may run by the time at which this process goes on.
    this.#signals.passTo(this.#watched, tell);
    this.#watched.start({
      ...this.#program,
      environment: {
        QUORLOCK_TOKEN: String(lock.token),
        QUORLOCK_RESOURCE: this.#resource,
        QUORLOCK_HELD: '1',
      },
      killAfterMs: this.#killAfterMs,
      until: told,
    });
    lock.signal.addEventListener('abort', tell);
    let timer: Timer;
    const again = () => {
      tell();
      timer = this.#clock.after(TELL_EVERY_MS, again);
    };
    timer = this.#clock.after(TELL_EVERY_MS, again);
    const tooLong = this.#clock.after(this.#options.maxHold, () => this.#watched.stop());
    try {
      return await this.#watched.outcome;
    } finally {
      this.#signals.passNoMore();
      lock.signal.removeEventListener('abort', tell);
      timer.cancel();
      tooLong.cancel();
    }
  }

  #codeOf(outcome: Outcome, ranForMs: number): number {
    switch (outcome.kind) {
      case 'failed':
        complain(`quorlock: ${this.#program.file}: ${outcome.message}`);
        return outcome.code === 'ENOENT' ? EXIT.notFound : EXIT.notExecutable;
      case 'unwatched':
        complain(
          'quorlock: the process that watches the command ended or hung, and so the command was killed',
        );
        return outcome.isLate ? EXIT.lost : EXIT.internal;
      case 'survived':
        complain('quorlock: the command can not be killed, and runs on without the lock');
        return EXIT.lost;
      case 'gone': {
        const { code, signal, wasStopped } = outcome;
        if (!wasStopped) return code ?? BY_SIGNAL + (signal === null ? 0 : (constants.signals[signal] ?? 0));
        if (ranForMs >= this.#options.maxHold) {
          complain(`quorlock: the command ran for longer than --max-hold, and was ended`);
          return EXIT.tooLong;
        }
        complain(
          `quorlock: the lock on ${JSON.stringify(this.#resource)} could not be kept, and so the command was ended`,
        );
        return EXIT.lost;
      }
    }
  }

  /** Keeps the lock for some time, unless a signal comes. */
  #keep(lock: Lock, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ms, resolve);
      for (const signal of [lock.signal, this.#signals.stopped]) {
        signal.addEventListener('abort', () => {
          timer.cancel();
          resolve();
        });
      }
    });
  }

  /** With `--json`, a line on stderr for each event: stdout is the command's. */
  #say(event: string, details: object): void {
    if (this.#options.json !== true) return;
    const time = timeOf(this.#clock.wall());
    complain(JSON.stringify({ event, time, resource: this.#resource, ...details }));
  }
}

function timeOf(wallMs: number): string {
  return new Date(wallMs).toISOString();
}
