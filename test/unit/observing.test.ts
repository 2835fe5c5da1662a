import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn, tableUnder } from '../support/markdown.ts';
import { logLocks } from './observing/snippets/log.ts';
import { serveMetrics } from './observing/snippets/metrics.ts';
import { current } from './observing/snippets/store.ts';
import { World } from './world.ts';

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
  it('serve metrics', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const server = serveMetrics(redlock).listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const acquiring = redlock.acquire('order:1');
      await world.clock.advance(100);
      await acquiring;
      await Promise.all([redlock.close(), world.clock.advance(1_000)]);
      const { port } = server.address() as AddressInfo;
      const scraped = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
      expect(scraped).toMatch(/^quorlock_acquire_duration_count\{.*quorlock_lock_name="order".*\} 1$/m);
    } finally {
      server.close();
    }
  });

  it('log what is not locked, and what is lost', async () => {
    const world = new World(3);
    const redlock = world.redlock();
    const lines: string[] = [];
    logLocks((line) => lines.push(line));
    const acquiring = redlock.acquire('r', { ttl: 1_000 });
    await world.clock.advance(2_000);
    await acquiring;
    world.holdElsewhere('lock:s', 60_000);
    const waiting = redlock.tryAcquire('s');
    await world.clock.advance(100);
    expect(await waiting).toBe(null);
    expect(lines).toEqual([
      expect.stringMatching(/^r lost after \d+(?:\.\d+)? ms: the lock on "r" is lost/),
      expect.stringMatching(/^s not locked, after \d+(?:\.\d+)? ms and 1 attempts$/),
    ]);
  });

  it('tell a routine what it runs under', async () => {
    const world = new World(3);
    const using = world.redlock().using('r', async (lock) => [lock.token, current.getStore()?.token]);
    await world.clock.advance(100);
    const [token, told] = await using;
    expect(told).toBe(token);
    expect(current.getStore()).toBe(undefined);
  });
});
