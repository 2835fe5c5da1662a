import { execFile } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const SOURCE = fileURLToPath(new URL('wall-clock.c', import.meta.url));
const CACHE_DIRECTORY = fileURLToPath(new URL('../../node_modules/.cache/quorlock', import.meta.url));
const COMPILERS = ['cc', 'gcc', 'clang'];

const run = promisify(execFile);

export interface WallClockSetting {
  /** How far off the wall clock is set. A change is a step by the difference, forward or backward. */
  readonly offsetMs: number;
  /** How fast it runs from now on; 1 is true. Time gained or lost so far stays gained or lost. */
  readonly rate: number;
}

/**
 * The wall clock of the processes started with its `environment()`, to be set wrong while they run. Their
 * monotonic clock stays true. Each process starts from the true time plus the offset in force.
 */
export class WallClock {
  readonly #file: string;
  readonly #library: string;
  #written: Promise<void> = Promise.resolve();

  private constructor(file: string, library: string) {
    this.#file = file;
    this.#library = library;
  }

  /** `file` will hold the setting; the caller owns it and removes it. */
  static async create(file: string): Promise<WallClock> {
    compiled ??= compileOnce();
    const clock = new WallClock(file, await compiled);
    await clock.set({ offsetMs: 0, rate: 1 });
    return clock;
  }

  /** Variables a process (a server, or Node itself) has to be started with to live on this clock. */
  environment(): Record<string, string> {
    const { LD_PRELOAD: others } = process.env;
    return {
      LD_PRELOAD: others ? `${this.#library}:${others}` : this.#library,
      QUORLOCK_WALL_CLOCK: this.#file,
    };
  }

  async set({ offsetMs, rate }: WallClockSetting): Promise<void> {
    if (!Number.isSafeInteger(offsetMs)) throw new RangeError(`offsetMs must be an integer, not ${offsetMs}`);
    if (!(rate > 0 && rate <= 1000))
      throw new RangeError(`rate must be above 0 and at most 1000, not ${rate}`);
    // Settings that come at once are written one after the other, and the last one counts.
    const before = this.#written.catch(() => undefined);
    this.#written = before.then(() => this.#write(`${offsetMs} ${rate}\n`));
    await this.#written;
  }

  async #write(line: string): Promise<void> {
    // Renamed into place, so that no reader meets half a line.
    const next = `${this.#file}.next`;
    await writeFile(next, line);
    await rename(next, this.#file);
  }
}

let compiled: Promise<string> | undefined;

/** The shared library, built the first time its source is met; the name carries the source's hash. */
async function compileOnce(): Promise<string> {
  if (process.platform !== 'linux') {
    throw new Error(
      `the wall clock shim relies on LD_PRELOAD and runs on Linux only, not on ${process.platform}`,
    );
  }
  const hash = createHash('sha256')
    .update(await readFile(SOURCE))
    .digest('hex')
    .slice(0, 16);
  const library = join(CACHE_DIRECTORY, `wall-clock-${process.arch}-${hash}.so`);
  if (await exists(library)) return library;
  await mkdir(CACHE_DIRECTORY, { recursive: true });
  // Several processes may get here at once; each builds its own and the last rename wins, all being equal.
  const draft = `${library}.${randomUUID()}`;
  try {
    await compile(draft);
    await rename(draft, library);
  } finally {
    await rm(draft, { force: true });
  }
  return library;
}

async function compile(output: string): Promise<void> {
  const { CC: chosen } = process.env;
  const compilers = chosen ? [chosen] : COMPILERS;
  for (const compiler of compilers) {
    try {
      await run(compiler, ['-O2', '-Wall', '-shared', '-fPIC', '-o', output, SOURCE]);
      return;
    } catch (error) {
      if (!isMissingProgram(error))
        throw new Error(`${compiler} could not build ${SOURCE}`, { cause: error });
    }
  }
  throw new Error(
    `the wall clock shim needs a C compiler (tried ${compilers.join(', ')}): install one, for example with "apt-get install gcc libc6-dev", or set CC`,
  );
}

function isMissingProgram(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
