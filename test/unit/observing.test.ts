import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { codeIn, tableUnder } from '../support/markdown.ts';
import { logLocks } from './observing/snippets/log.ts';
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

describe('the snippets of docs/observing.md', () => {
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
