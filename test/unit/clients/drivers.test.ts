import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { Redlock } from '../../../src/index.ts';
import type { Client } from '../../../src/wire/client.ts';
import { serverAt } from '../../../src/wire/clients/driver.ts';
import { DRIVER_NAMES } from '../../../src/wire/clients/drivers.ts';
import { LazyClient } from '../../../src/wire/clients/lazy-client.ts';
import { thrownBy } from '../../support/thrown-by.ts';
import { World } from '../world.ts';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

let library: string;
beforeAll(async () => {
  library = await mkdtemp(join(tmpdir(), 'quorlock-drivers-'));
  await build({
    entryPoints: [join(REPOSITORY, 'src/index.ts')],
    outfile: join(library, 'library.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: [...DRIVER_NAMES],
  });
  await cp(join(REPOSITORY, 'src/wire/lua'), join(library, 'lua'), { recursive: true });
});
afterAll(() => rm(library, { recursive: true }));

/** What a program prints that has the library and these packages, under these names, and nothing else. */
async function printedWith(packages: Readonly<Record<string, string>>, program: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'quorlock-program-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await cp(library, directory, { recursive: true });
  for (const [name, path] of Object.entries(packages)) {
    await mkdir(dirname(join(directory, 'node_modules', name)), { recursive: true });
    await symlink(path, join(directory, 'node_modules', name));
  }
  await writeFile(join(directory, 'program.mjs'), program);
  const { stdout } = await promisify(execFile)(process.execPath, ['program.mjs'], { cwd: directory });
  return stdout;
}

function installed(name: string): string {
  return join(REPOSITORY, 'node_modules', name);
}

/** Prints why the node of a Redlock with these options does not vote. */
function asking(options = '', call = "tryAcquire('page')"): string {
  return `
    import { Redlock } from './library.mjs';
    const redlock = new Redlock(['redis://:secret@127.0.0.1:1'], { ${options} });
    try {
      await redlock.${call};
    } catch (error) {
      console.log(error.code, error.message);
    }
    await redlock.close();
  `;
}

describe('a program that gives URLs', () => {
  it('and has no driver is told what to install, by the first call', async () => {
    expect(await printedWith({}, asking())).toMatch(
      /^QUORLOCK_NO_QUORUM .*disconnected \(a URL needs a driver, and none is installed: npm install ioredis, or npm install redis\)/,
    );
  });

  it('is told so at once, however long the call would wait', async () => {
    const call = "acquire('page', { waitTime: Infinity })";
    expect(await printedWith({}, asking('', call))).toMatch(/^QUORLOCK_NO_QUORUM .*a URL needs a driver/);
  });

  it('and chooses a driver that it does not have is told to install that one', async () => {
    const packages = { ioredis: installed('ioredis') };
    expect(await printedWith(packages, asking("driver: 'iovalkey'"))).toMatch(
      /the option driver is iovalkey, which is not installed: npm install iovalkey/,
    );
  });

  it.each(['ioredis', 'redis', 'iovalkey', '@valkey/valkey-glide'])(
    'and has %s only gets that',
    async (name) => {
      expect(await printedWith({ [name]: installed(name) }, asking())).toMatch(
        /connect ECONNREFUSED|Connection refused/,
      );
    },
  );

  it('and has a driver that is no good is told why', async () => {
    const packages = { ioredis: installed('cluster-key-slot') };
    expect(await printedWith(packages, asking())).toMatch(/ioredis can't be loaded: it is too old/);
  });

  it('and may import the library without one', async () => {
    const program = "import { Redlock } from './library.mjs'; console.log(typeof Redlock);";
    expect(await printedWith({}, program)).toBe('function\n');
  });
});

describe('the option driver', () => {
  it.each([
    ['nothing', RangeError, '"nothing"'],
    [5, TypeError, '5'],
  ])('of %j is refused', (driver, error, got) => {
    expect(thrownBy(() => new Redlock(['redis://one'], { driver: driver as never }))).toEqual(
      new error(`driver must be one of "ioredis", "redis", "iovalkey", "@valkey/valkey-glide": got ${got}`),
    );
  });
});

describe('the server of a URL', () => {
  it.each([
    ['redis://one', { host: 'one', port: 6379, tls: false, db: 0, family: 0 }],
    ['REDISS://one:7000/5', { host: 'one', port: 7000, tls: true, db: 5 }],
    ['redis://[::1]?family=6&db=3', { host: '::1', db: 3, family: 6 }],
    ['redis://one/2?db=3', { db: 2 }],
    ['redis://:p%40ss@one', { username: undefined, password: 'p@ss' }],
    ['redis://user:pass@one?username=other&password=other', { username: 'user', password: 'pass' }],
    ['redis://one?username=user&password=pass', { username: 'user', password: 'pass' }],
  ])('%s is as the URL says', (url, server) => {
    expect(serverAt(new URL(url))).toMatchObject(server);
  });
});

describe('a client whose driver is being loaded', () => {
  function loading() {
    const world = new World(1, { latency: { least: 1, most: 1 } });
    const made: Client[] = [];
    let succeed: (connect: () => Client) => void = () => undefined;
    let fail: (why: Error) => void = () => undefined;
    const driver = new Promise<() => Client>((resolve, reject) => {
      succeed = resolve;
      fail = reject;
    });
    const client = new LazyClient('one:6379', driver);
    const states: string[] = [];
    client.onStateChange(() => states.push(client.state));
    const load = () =>
      succeed(() => {
        made.push(world.client(0));
        return world.client(0);
      });
    return { world, client, states, made, load, fail };
  }

  it('is connecting, and refuses commands; then it is what the driver makes', async () => {
    const { world, client, states, load } = loading();
    expect([client.state, client.address, client.isCluster]).toEqual(['connecting', 'one:6379', false]);
    for (const asked of [client.evalsha('', [], []), client.eval('', [], [])]) {
      await expect(asked).rejects.toThrow('its driver is being loaded');
    }
    expect(client.reconnect()).toBe(false);
    load();
    await world.clock.advance(10);
    expect([client.state, client.stateReason, states.at(-1)]).toEqual(['ready', '', 'ready']);
    await expect(world.clock.runUntil(client.evalsha('unknown', [], []))).rejects.toThrow(/^NOSCRIPT/);
    await expect(world.clock.runUntil(client.eval('return 1', [], []))).rejects.toThrow();
    expect(client.reconnect()).toBe(true);
    expect(states.at(-1)).toBe('down');
    client.close();
    expect(client.state).toBe('ended');
  });

  it('subscribes once it is loaded, but for what was closed before', async () => {
    const { world, client, load } = loading();
    const heard: string[] = [];
    const events = (name: string) => ({
      subscribed: () => heard.push(`${name} subscribed`),
      heard: () => undefined,
      lost: () => heard.push(`${name} lost`),
    });
    const kept = client.subscribe('kept', events('kept'));
    client.subscribe('dropped', events('dropped'))?.close();
    load();
    await world.clock.advance(10);
    client.subscribe('late', events('late'));
    await world.clock.advance(10);
    kept?.close();
    client.reconnect();
    expect(heard).toEqual(['kept subscribed', 'late subscribed', 'late lost']);
  });

  it('that is closed meanwhile never connects', async () => {
    const { client, states, made, load } = loading();
    client.close();
    client.close();
    load();
    await settled();
    expect([client.state, client.stateReason]).toEqual(['ended', 'the client was ended']);
    expect([states, made]).toEqual([['ended'], []]);
  });

  it('that can not be loaded is ended, and says why', async () => {
    const { client, states, fail } = loading();
    fail(new Error('there is none'));
    await settled();
    expect([client.state, client.stateReason, states]).toEqual(['ended', 'there is none', ['ended']]);
    await expect(client.evalsha('', [], [])).rejects.toThrow('there is none');
  });
});

/** Resolves when all that follows from what has happened has happened. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
