import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { onProcessEnd } from '../fleet/last-resort.ts';

const run = promisify(execFile);

/** The longest that npm may take to install a project, and a program to run, in milliseconds. */
const INSTALL_MS = 300_000;
const RUN_MS = 120_000;

/** A program's folder outside of the repository, with the packed package in it. */
export class Project implements Disposable {
  readonly folder: string;
  readonly #environment: NodeJS.ProcessEnv;
  readonly #disarm: () => void;

  /**
   * @param files by path; package.json is `{ "private": true }` unless it is among them
   * @param variables of the environment, besides this process's own
   */
  constructor(files: Readonly<Record<string, string>>, variables: Readonly<Record<string, string>>) {
    this.folder = mkdtempSync(join(tmpdir(), 'quorlock-environment-'));
    this.#environment = { ...process.env, ...variables };
    this.#disarm = onProcessEnd(() => this.#remove());
    for (const [path, text] of Object.entries({ 'package.json': '{ "private": true }', ...files })) {
      const file = join(this.folder, path);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
  }

  /** @param packages as npm takes them: names with versions, aliases, files */
  async install(packages: readonly string[]): Promise<void> {
    const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error', ...packages];
    await run('npm', args, { cwd: this.folder, timeout: INSTALL_MS });
  }

  /** The path of something in its folder. */
  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /**
   * Runs a program in its folder.
   *
   * @returns what it printed
   * @throws {Error} it failed, or took too long; the message has what it printed
   */
  async run(program: string, ...args: readonly string[]): Promise<string> {
    try {
      const options = { cwd: this.folder, env: this.#environment, timeout: RUN_MS };
      return (await run(program, args, options)).stdout;
    } catch (error) {
      const { stdout, stderr, killed } = error as { stdout: string; stderr: string; killed: boolean };
      const why = killed ? `was stopped after ${RUN_MS} ms` : 'failed';
      throw new Error(`${[program, ...args].join(' ')} ${why}\n${stdout}\n${stderr}`);
    }
  }

  [Symbol.dispose](): void {
    this.#disarm();
    this.#remove();
  }

  #remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
