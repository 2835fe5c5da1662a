import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { eventually, processesWith } from '../../scripts/fleet/processes.ts';

const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Run {
  readonly child: ChildProcess;
  /** Everything it has printed so far. */
  output(): string;
  readonly ended: Promise<unknown>;
}

// Each is nine processes with much to do.
vi.setConfig({ maxConcurrency: 2 });

/** A place for what one test starts, where nothing is left in the end. */
class Stage implements AsyncDisposable {
  readonly #temporary = mkdtempSync(join(tmpdir(), 'quorlock-demo-test-'));

  start(...args: string[]): Run {
    const child = spawn(process.execPath, ['--import', 'tsx', 'scripts/demo.ts', ...args], {
      cwd: PROJECT_ROOT,
      // Every process that the demo starts, at whatever remove, inherits this and can be told by it.
      env: { ...process.env, TMPDIR: this.#temporary },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    const take = (chunk: string) => {
      text += chunk;
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    return { child, output: () => text, ended: once(child, 'close') };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const isOver = () => processesWith(this.#temporary).length === 0;
    await eventually('nothing that the demo started runs any more', isOver);
    const leftovers = readdirSync(this.#temporary).filter((name) => name.startsWith('quorlock-'));
    rmSync(this.#temporary, { recursive: true });
    expect(leftovers).toEqual([]);
  }
}

async function runToEnd(
  ...args: string[]
): Promise<{ readonly status: number | null; readonly text: string }> {
  await using stage = new Stage();
  const { child, output, ended } = stage.start(...args);
  await ended;
  return { status: child.exitCode, text: output() };
}

/** The number at the beginning of a row's value, with the whole output in the message if there is none. */
function rowOf(text: string, what: string): number {
  const value = text.match(new RegExp(`│ ${what} +│ +(\\d+)`))?.[1];
  if (value === undefined) throw new Error(`no row "${what}" in:\n${text}`);
  return Number(value);
}

describe.concurrent('the demo', () => {
  it('with the lock: nothing lost, nothing overlaps, exit 0, no control characters in a pipe', async () => {
    const { status, text } = await runToEnd('--seconds', '5');

    expect(text).toContain('The lock held');
    expect(rowOf(text, 'acquisitions')).toBeGreaterThan(0);
    expect(rowOf(text, 'increments of the shared counter')).toBeGreaterThan(0);
    expect(rowOf(text, 'faults injected')).toBeGreaterThan(1);
    expect(rowOf(text, 'lost updates')).toBe(0);
    expect(rowOf(text, 'overlaps')).toBe(0);
    expect(rowOf(text, 'tokens out of order')).toBe(0);
    expect(text).toMatch(/ s {2}node \d was killed\n/);
    expect(text).toMatch(/│ wait for the lock, median +│ +[\d.]+ ms │/);
    expect(text).toMatch(/│ 99 of 100 waits are shorter than +│ +[\d.]+ ms │/);
    expect(text).not.toContain('\u001b');
    expect(status).toBe(0);
  });

  it('with --no-lock: its checks see the lost updates and the overlaps, exit 1', async () => {
    const { status, text } = await runToEnd('--seconds', '2', '--no-lock');

    expect(text).toContain('Without a lock');
    expect(rowOf(text, 'lost updates')).toBeGreaterThan(0);
    expect(rowOf(text, 'overlaps')).toBeGreaterThan(0);
    expect(status).toBe(1);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('ends in good order on %s', async (signal, status) => {
    await using stage = new Stage();
    const { child, output, ended } = stage.start('--seconds', '60');
    await eventually('a node was paused', () => /node \d was paused/.test(output()));

    child.kill(signal);
    await ended;

    expect(output()).toContain(`Interrupted by ${signal}`);
    expect(child.exitCode).toBe(status);
  });

  it('leaves nothing behind when it is killed', async () => {
    await using stage = new Stage();
    const { child, output, ended } = stage.start('--seconds', '60');
    await eventually('a node was killed', () => /node \d was killed/.test(output()));

    child.kill('SIGKILL');
    await ended;
  });

  it('explains itself with --help', async () => {
    const { status, text } = await runToEnd('--help');

    expect(text).toContain('--seconds N');
    expect(text).toContain('--no-lock');
    expect(status).toBe(0);
  });

  it.each([
    [['--secnods', '5'], "Unknown option '--secnods'"],
    [['--seconds', '0'], '--seconds must be a number from 1 to 3600: got "0"'],
  ])('refuses %j, with exit 2', async (args, message) => {
    const { status, text } = await runToEnd(...args);

    expect(text).toContain(message);
    expect(text).toContain('--help');
    expect(status).toBe(2);
  });
});
