import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import * as face from '../../src/compat/redlock.ts';
import * as quorlock from '../../src/index.ts';
import { startDeployment } from '../support/deployment.ts';
import { shownOn } from '../support/snippets.ts';

const PAGE = readFileSync(new URL('../../docs/migrating.md', import.meta.url), 'utf8');
const BENCH = new URL('../../bench/package.json', import.meta.url);
const requirePeer = createRequire(BENCH);

/** The code of each section, in its order. */
const SNIPPETS = PAGE.split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const [title = ''] = section.split('\n');
    return shownOn(section).map((code, index) => ({ title, code, index }));
  });

/** The package that a program of a section asks for. */
function load(title: string, name: string): unknown {
  if (name === 'quorlock') return quorlock;
  if (name === 'quorlock/redlock') return face;
  return requirePeer(name === 'redlock' && title === 'node-redlock 4' ? 'redlock-4' : name);
}

/** Makes a program a function, which gets what it imports. */
function runnable(code: string): string {
  return code
    .replaceAll(/^import (\w+) from '(.+)';$/gm, "const { default: $1 } = require('$2');")
    .replaceAll(/^import (\{.+\}) from '(.+)';$/gm, "const $1 = require('$2');");
}

const AsyncFunction = (async () => undefined).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<unknown>;

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

// The old libraries are installed by `npm run bench` alone.
describe.skipIf(!existsSync(new URL('node_modules/redlock-4', BENCH)))('docs/migrating.md', () => {
  it('shows a program before and one after for every library', () => {
    const titles = SNIPPETS.map(({ title }) => title);
    expect(titles).toEqual([
      ...Array(3).fill('node-redlock 5'),
      ...['node-redlock 4', '@sesamecare-oss/redlock', 'redlock-universal', 'redis-semaphore'].flatMap(
        (title) => [title, title],
      ),
    ]);
  });

  it.each(SNIPPETS)('has a program that runs: $title, $index', async ({ title, code }) => {
    const clients = fleet.urls.map((url) => new Redis(url));
    onTestFinished(() => {
      for (const client of clients) client.disconnect();
    });
    const key = title === 'redis-semaphore' ? 'mutex:account' : 'account';
    const held = () => clients[0]?.exists(key);
    let isDone = false;
    const work = async () => {
      await eventually('the lock is there', async () => (await held()) === 1);
      isDone = true;
    };
    const program = new AsyncFunction('require', 'clients', 'work', runnable(code));
    await program((name: string) => load(title, name), clients, work);
    expect(isDone).toBe(true);
    await eventually('the lock is gone', async () => (await held()) === 0);
  });
});
