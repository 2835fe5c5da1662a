import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { eventually, processesWith } from '../../scripts/fleet/processes.ts';

const PROJECT_ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A row of a table, by the names of its columns. */
export type Row = Readonly<Record<string, string>>;

/** A running example, as `npm run example` starts it. */
interface Run {
  readonly child: ChildProcess;
  /** The states of its processes, as /proc names them: T is a stopped one. Empty where there is no /proc. */
  states(): readonly string[];
  /** Everything it has printed so far. */
  output(): string;
  /** Resolves with its exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts an example. At its end the test fails if it has left a process or a file behind. */
export function start(name: string): Run {
  const temporary = mkdtempSync(join(tmpdir(), 'quorlock-example-test-'));
  const child = spawn(process.execPath, ['--import', 'tsx', 'examples/run.ts', name], {
    cwd: PROJECT_ROOT,
    // Every process that it starts, at whatever remove, inherits this and can be told by it.
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await eventually('nothing that it started runs any more', () => processesWith(temporary).length === 0);
    const leftovers = readdirSync(temporary).filter((file) => file.startsWith('quorlock-'));
    rmSync(temporary, { recursive: true });
    expect(leftovers).toEqual([]);
  });
  let text = '';
  const take = (chunk: string) => {
    text += chunk;
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  return {
    child,
    states: () => processesWith(temporary).map(stateOf),
    output: () => text,
    ended: once(child, 'close').then(([code]) => code),
  };
}

/** Runs an example to its end. Resolves with the rows of all its tables, by what stands in their first cell. */
export async function rowsOf(name: string): Promise<(first: string) => Row> {
  const { output, ended } = start(name);
  const code = await ended;
  expect(code, output()).toBe(0);
  const rows = tablesIn(output()).flat();
  return (first) => {
    const row = rows.find((each) => Object.values(each)[0] === first);
    if (row === undefined) throw new Error(`no row "${first}" in:\n${output()}`);
    return row;
  };
}

/** The tables in a text, row by row. */
export function tablesIn(text: string): readonly (readonly Row[])[] {
  return text.split('┌').flatMap((part) => {
    const [head, ...rows] = part
      .split('\n')
      .filter((line) => line.startsWith('│'))
      .map((line) =>
        line
          .split('│')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      );
    if (head === undefined) return [];
    return [rows.map((cells) => Object.fromEntries(head.map((name, index) => [name, cells[index] ?? ''])))];
  });
}

function stateOf(pid: string): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The state follows the command's name, which stands in parentheses and may hold anything.
    return stat.charAt(stat.lastIndexOf(')') + 2);
  } catch {
    return 'X';
  }
}
