import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn, tableUnder } from '../support/markdown.ts';

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, root), 'utf8');

let page: string;
let source: string;
beforeAll(async () => {
  [page, source] = await Promise.all([read('docs/observing.md'), read('src/base/diagnostics.ts')]);
});

/** The members of an interface, as its source has them. */
function membersOf(name: string): readonly string[] {
  const [, body = ''] = new RegExp(`interface ${name}\\b[^{]*\\{(.*?)^\\}`, 'ms').exec(source) ?? [];
  return [...body.matchAll(/^ {2}(?:readonly )?'?([\w:-]+?)'?\??:\s/gm)].map(([, member = '']) => member);
}

describe('docs/observing.md', () => {
  it('has every channel', () => {
    const rows = tableUnder(page, '## The channels').map(([channel = '']) => codeIn(channel)[0]);
    const channels = membersOf('QuorlockChannels');
    expect(channels.length).toBeGreaterThan(5);
    expect(rows.toSorted()).toEqual(channels.toSorted());
  });

  it('has every field of every message', () => {
    const rows = tableUnder(page, '## The messages').flatMap(([fields = '']) => codeIn(fields));
    const names = [...source.matchAll(/^(?:export )?interface (\w+Message)\b/gm)].map(
      ([, name = '']) => name,
    );
    const fields = new Set([...names.flatMap(membersOf), 'code', 'message']);
    expect(fields.size).toBeGreaterThan(15);
    expect(rows.toSorted()).toEqual([...fields].toSorted());
  });
});

describe('docs/observing.md, of metrics', () => {
  const columnOf = (column: number) =>
    tableUnder(page, '## Metrics and traces').map((row) => codeIn(row[column] ?? '')[0] ?? '');

  it('has every option', async () => {
    const [, body = ''] =
      /interface InstrumentOptions \{(.*?)^\}/ms.exec(await read('src/otel/instrument.ts')) ?? [];
    const options = [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name = '']) => name);
    expect(options.length).toBe(3);
    expect(columnOf(0)).toEqual(options);
  });
});

describe('the snippets of docs/observing.md', () => {
  /** What a program prints that has them. */
  let printed: {
    readonly metrics: string;
    readonly lines: readonly string[];
    readonly tokens: { readonly token: number; readonly told: number; readonly isOver: boolean };
  };
  beforeAll(async () => {
    const program = fileURLToPath(new URL('observing/program.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program]);
    printed = JSON.parse(stdout);
  });

  it('serve metrics', () => {
    expect(printed.metrics).toMatch(/^quorlock_acquire_duration_count\{.*quorlock_lock_name="order".*\} 1$/m);
  });

  it('log what is not locked, and what is lost', () => {
    expect(printed.lines).toEqual([
      expect.stringMatching(/^r lost after \d+(?:\.\d+)? ms: the lock on "r" is lost/),
      expect.stringMatching(/^s not locked, after \d+(?:\.\d+)? ms and 1 attempts$/),
    ]);
  });

  it('tell a routine what it runs under', () => {
    const { token, told, isOver } = printed.tokens;
    expect(token).toBeGreaterThan(0);
    expect({ told, isOver }).toEqual({ told: token, isOver: true });
  });
});
