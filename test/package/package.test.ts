import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { access, cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { redisGuard } from '../../src/fencing/index.ts';
import type { Simulation as SourceSimulation } from '../../src/testing/index.ts';
import * as scripts from '../../src/wire/scripts.ts';
import { startDeployment } from '../support/deployment.ts';
import { README_URLS, shownOn } from '../support/snippets.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');

/** Shows that a bundle has everything it needs: it loads both kinds of scripts, asks a node, and ends by itself. */
const BUNDLED = `
  import { Redlock } from 'quorlock';
  import { redisGuard } from 'quorlock/fencing';
  async function main() {
    await redisGuard({ eval: async (script) => [script.includes('register') ? 'ok' : 'no script'] }).register('a', 1);
    const redlock = new Redlock(['redis://127.0.0.1:1'], { connectTimeout: 100 });
    const outcome = await redlock.acquire('a', { waitTime: 0 }).catch(({ code }) => code);
    await redlock.close();
    console.log(outcome);
  }
  main();
`;

/** As Node.js is by default before 20.19, in Jest and on AWS Lambda. */
const NO_REQUIRED_MODULES = '--no-experimental-require-module';

/** The most that it may take on a disk: it is installed with every deployment of a program. */
const MOST_BYTES = 500_000;

/** What a user gets: the packed package, unpacked into a project that has nothing else but its peer. */
let project: string;

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'quorlock-package-'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', project], { cwd: root });
  const [{ filename }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [{ filename: string }];
  const modules = join(project, 'node_modules');
  await mkdir(join(modules, 'quorlock'), { recursive: true });
  await mkdir(join(modules, '@types'), { recursive: true });
  await run('tar', [
    '-xzf',
    join(project, filename),
    '-C',
    join(modules, 'quorlock'),
    '--strip-components=1',
  ]);
  await symlink(join(root, 'node_modules/ioredis'), join(modules, 'ioredis'));
  await symlink(join(root, 'node_modules/@types/node'), join(modules, '@types/node'));
  await writeFile(join(project, 'package.json'), '{ "type": "module" }');
}, 120_000);

afterAll(() => rm(project, { recursive: true, force: true }));

describe('the package as it is published', () => {
  it('is imported and required, where Node.js can not require ES modules too', async () => {
    const list = 'console.log(typeof quorlock.Redlock, typeof fencing.redisGuard, typeof testing.Simulation)';
    const asModule = `import * as quorlock from 'quorlock'; import * as fencing from 'quorlock/fencing'; import * as testing from 'quorlock/testing'; ${list}`;
    const asScript = `const quorlock = require('quorlock'), fencing = require('quorlock/fencing'), testing = require('quorlock/testing'); ${list}`;
    for (const args of [
      ['--input-type=module', '--eval', asModule],
      ['--input-type=commonjs', '--eval', asScript],
    ]) {
      const { stdout } = await run(process.execPath, [NO_REQUIRED_MODULES, ...args], { cwd: project });
      expect(stdout.trim()).toBe('function function function');
    }
  });

  it('has the face of node-redlock by its names and as its default, the same both ways', async () => {
    const program = `
      import assert from 'node:assert/strict';
      import { createRequire } from 'node:module';
      import Redlock, * as imported from 'quorlock/redlock';
      const required = createRequire(import.meta.url)('quorlock/redlock');
      const { default: RequiredRedlock } = required;
      assert.equal(Redlock, RequiredRedlock);
      const names = ['ExecutionError', 'Lock', 'Redlock', 'ResourceLockedError', 'default'];
      assert.deepEqual(Object.keys(imported).sort(), names);
      for (const name of names) assert.equal(imported[name], required[name], name);
    `;
    const args = [NO_REQUIRED_MODULES, '--input-type=module', '--eval', program];
    await run(process.execPath, args, { cwd: project });
  });

  it('is there once, however often it is imported and required', async () => {
    const program = `
      import assert from 'node:assert/strict';
      import { createRequire } from 'node:module';
      import * as imported from 'quorlock';
      import * as importedFencing from 'quorlock/fencing';
      import * as importedTesting from 'quorlock/testing';
      const require = createRequire(import.meta.url);
      const required = require('quorlock');
      const requiredFencing = require('quorlock/fencing');
      const requiredTesting = require('quorlock/testing');
      for (const [one, other] of [[imported, required], [importedFencing, requiredFencing], [importedTesting, requiredTesting]]) {
        assert.deepEqual(Object.keys(one).sort(), Object.keys(other).sort());
        for (const name of Object.keys(one)) assert.equal(one[name], other[name], name);
      }
      const simulation = new requiredTesting.Simulation();
      const [first, second] = [simulation.machine().redlock(), simulation.machine().redlock()];
      assert(first instanceof imported.Redlock && first instanceof required.Redlock);
      const lock = await simulation.until(first.acquire('a'));
      const held = await simulation.until(second.acquire('a', { waitTime: 0 }).catch((error) => error));
      assert(held instanceof imported.LockHeldError && held instanceof required.QuorlockError);
      const register = requiredFencing.memoryRegister();
      await register.register('a', lock.token);
      await assert.rejects(register.register('a', lock.token - 1), importedFencing.StaleTokenError);
    `;
    const args = [NO_REQUIRED_MODULES, '--input-type=module', '--eval', program];
    await run(process.execPath, args, { cwd: project });
  });

  it.each<[what: string, options: BuildOptions, file: string]>([
    ['an ES module beside ioredis', { format: 'esm', external: ['ioredis'] }, 'beside.mjs'],
    ['a CommonJS module beside ioredis', { format: 'cjs', external: ['ioredis'] }, 'beside.cjs'],
    ['a CommonJS module with ioredis', { format: 'cjs' }, 'alone.cjs'],
  ])('is bundled as %s', async (_, options, file) => {
    const outfile = join(project, file);
    const stdin = { contents: BUNDLED, resolveDir: project };
    const { warnings } = await build({ ...options, stdin, outfile, bundle: true, platform: 'node' });
    expect(warnings).toEqual([]);
    const { stdout } = await run(process.execPath, [outfile], { cwd: project });
    expect(stdout.trim()).toBe('QUORLOCK_NO_QUORUM');
  });

  it('keeps the names of its errors in a bundle that a minifier made', async () => {
    const contents = `
      import { inspect } from 'node:util';
      import { ClosedError, LockHeldError, QuorlockError, Redlock } from 'quorlock';
      import { StaleTokenError } from 'quorlock/fencing';
      async function main() {
        const redlock = new Redlock(['redis://127.0.0.1:1'], { connectTimeout: 100 });
        const missing = await redlock.acquire('a', { waitTime: 0 }).catch((error) => error);
        await redlock.close();
        const errors = [missing, new LockHeldError({ resources: [] }), new StaleTokenError('a', 1)];
        const names = errors.flatMap((error) => [
          error.name, error.constructor.name, inspect(error).split(':')[0], error.stack.split(':')[0], JSON.parse(JSON.stringify(error)).name,
        ]);
        console.log([...new Set(names), QuorlockError.name, ClosedError.name].join());
      }
      main();
    `;
    const outfile = join(project, 'minified.cjs');
    const options: BuildOptions = { bundle: true, minify: true, platform: 'node', format: 'cjs', outfile };
    for (const target of ['node20', 'es2020']) {
      await build({ ...options, target, stdin: { contents, resolveDir: project } });
      const { stdout } = await run(process.execPath, [outfile], { cwd: project });
      expect(stdout.trim()).toBe('NoQuorumError,LockHeldError,StaleTokenError,QuorlockError,ClosedError');
    }
  });

  it('sends the very scripts that the sources have, but for their indentation', async () => {
    const load = createRequire(join(project, 'package.json'));
    const { Simulation }: { Simulation: typeof SourceSimulation } = load('quorlock/testing');
    // A simulated node knows the scripts that its package sends, and no others.
    const [node] = new Simulation().nodes;
    for (const { source } of Object.values(scripts)) node?.load(source.replaceAll(/^ +/gm, ''));
    const { redisGuard: built }: { redisGuard: typeof redisGuard } = load('quorlock/fencing');
    expect(await guardScript(built)).toBe(await guardScript(redisGuard));
  });

  it('has a command, which runs a command of its own under a lock', async () => {
    const cli = join(project, 'node_modules/quorlock/dist/cli.cjs');
    const { version, bin } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(bin).toEqual({ quorlock: './dist/cli.cjs' });
    expect(await readFile(cli, 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
    expect((await run(process.execPath, [cli, '--version'])).stdout).toBe(`${version}\n`);
    await using fleet = await startDeployment(3);
    const env = { ...process.env, QUORLOCK_NODES: fleet.urls.join(',') };
    const words = [cli, 'run', 'a', '--', 'sh', '-c', 'echo "$QUORLOCK_RESOURCE"; exit 7'];
    const ended = await run(process.execPath, words, { env }).catch((error: unknown) => error);
    expect(ended).toMatchObject({ code: 7, stdout: 'a\n', stderr: '' });
  });

  it('has a command that says what to install where no driver is', async () => {
    const bare = await mkdtemp(join(tmpdir(), 'quorlock-bare-'));
    onTestFinished(() => rm(bare, { recursive: true }));
    await cp(join(project, 'node_modules/quorlock'), join(bare, 'node_modules/quorlock'), {
      recursive: true,
    });
    const cli = join(bare, 'node_modules/quorlock/dist/cli.cjs');
    const env = { ...process.env, QUORLOCK_NODES: 'redis://127.0.0.1:1', NODE_PATH: '' };
    for (const words of [['doctor'], ['list'], ['run', 'a', '--', 'true']]) {
      const ended = await run(process.execPath, [cli, ...words], { env }).catch((error: unknown) => error);
      expect(ended).toMatchObject({
        code: 69,
        stdout: '',
        stderr: expect.stringMatching(/^quorlock: a URL needs a driver, .*npm install ioredis/),
      });
    }
  });

  it('has types that a strict consumer compiles against, without skipping any', async () => {
    await writeFile(
      join(project, 'consumer.ts'),
      [
        "import { Redis } from 'ioredis';",
        "import { type Lock, Redlock, WaitTimeoutError } from 'quorlock';",
        "import { fencingHeaders } from 'quorlock/fencing';",
        "const redlock = new Redlock([new Redis({ lazyConnect: true }), 'redis://127.0.0.1:1'], { ttl: 1_000 });",
        'export const work = (lock: Lock): Record<string, string> => fencingHeaders(lock);',
        "export const result: Promise<number> = redlock.using('a', {}, async (lock) => lock.token);",
        'export const isTimeout = (error: unknown): boolean => error instanceof WaitTimeoutError;',
        '// @ts-expect-error a resource is a string',
        'redlock.acquire(1);',
        '// @ts-expect-error there is no such option',
        "redlock.acquire('a', { retryCount: 1 });",
      ].join('\n'),
    );
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023'];
    const lib = ['--lib', 'es2023,esnext.disposable', '--types', 'node'];
    const { stdout } = await run(process.execPath, [compiler, ...options, ...lib, 'consumer.ts'], {
      cwd: project,
    }).catch((error: { stdout: string }) => error);
    // Complaints about what others publish are not ours.
    const ours = stdout.split('\n').filter((line) => /quorlock|consumer/.test(line));
    expect(ours).toEqual([]);
  });

  it('has pages whose links lead to what the repository has', async () => {
    const folder = join(project, 'node_modules/quorlock');
    const pages = (await readdir(folder, { recursive: true })).filter((path) => path.endsWith('.md'));
    expect(pages).toEqual(['README.md']);
    const dangling: string[] = [];
    for (const page of pages) {
      const text = await readFile(join(folder, page), 'utf8');
      for (const [, link = ''] of text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)) {
        await access(join(root, dirname(page), link)).catch(() => dangling.push(`${page}: ${link}`));
      }
    }
    expect(dangling).toEqual([]);
  });

  it('has nothing in it that a program does not need', async () => {
    const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root });
    const [{ files, unpackedSize }] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [Packed];
    const paths = files.map(({ path }) => path);
    expect(
      paths.filter((path) => !/^dist\/(?:chunks\/)?[\w-]+(?:\.d)?\.[cm][jt]s$/.test(path)).toSorted(),
    ).toEqual(['LICENSE', 'README.md', 'dist/LICENSES.txt', 'package.json']);
    expect(unpackedSize).toBeLessThanOrEqual(MOST_BYTES);
    const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    expect(dependencies ?? {}).toEqual({});
  });
});

describe('docs/testing.md', () => {
  const VM_MODULES = '--experimental-vm-modules';
  const PATIENCE_MS = 120_000;
  let fleet: Fleet;
  let shown: readonly string[];
  beforeAll(async () => {
    fleet = await startDeployment(3);
    shown = shownOn(await readFile(join(root, 'docs/testing.md'), 'utf8'));
    for (const name of ['vitest', 'jest-environment-jsdom', '@jest']) {
      await symlink(join(root, 'node_modules', name), join(project, 'node_modules', name));
    }
    // A busy machine takes longer than the five seconds that the runners give a test.
    const config = { transform: {}, testTimeout: PATIENCE_MS };
    await writeFile(join(project, 'jest.config.json'), JSON.stringify(config));
  });
  afterAll(() => fleet.stop());

  const program = (name: string) => join(root, 'node_modules', name);

  /** Runs a test file; rejects with what was printed if it fails. */
  async function runIn(runner: 'vitest' | 'jest', code: string, environment = 'node'): Promise<void> {
    const file = `${runner}-${randomUUID()}.test.js`;
    const here = README_URLS.reduce(
      (text, url, index) => text.replaceAll(url, fleet.urls[index] ?? url),
      code,
    );
    await writeFile(join(project, file), here);
    const args =
      runner === 'vitest'
        ? [program('vitest/vitest.mjs'), 'run', `--testTimeout=${PATIENCE_MS}`, '--root', project, file]
        : [
            VM_MODULES,
            program('jest/bin/jest.js'),
            '--rootDir',
            project,
            '--env',
            environment,
            '--detectOpenHandles',
            file,
          ];
    await run(process.execPath, args, { cwd: project });
  }

  it('shows a test for Vitest that passes', async () => {
    const [code = ''] = shown.filter((each) => each.includes("from 'vitest'"));
    expect(code).not.toBe('');
    await runIn('vitest', code);
  });

  it('shows a test for Jest that passes', async () => {
    const [code = ''] = shown.filter((each) => each.includes("from '@jest/globals'"));
    expect(code).not.toBe('');
    await runIn('jest', code);
  });

  const USE = `
    const nodes = ${JSON.stringify(README_URLS.slice(0, 3))};
    // Of a busy machine, whose nodes are slow.
    const patient = { ttl: 30_000, nodeTimeout: 20_000, connectTimeout: 20_000 };
    const use = async (redlock) => {
      const lock = await redlock.acquire('orders', { waitTime: 0 });
      lock.assertHeld();
      await lock.release();
    };`;

  it('is right that Jest fakes nextTick: a Redlock that is connected goes on, another can not connect', async () => {
    await runIn(
      'jest',
      `import { afterEach, expect, jest, test } from '@jest/globals';
      import { Redlock } from 'quorlock';
      ${USE}
      afterEach(() => jest.useRealTimers());
      test('connected', async () => {
        const redlock = new Redlock(nodes, patient);
        await use(redlock);
        jest.useFakeTimers();
        await use(redlock);
        jest.advanceTimersByTime(3_600_000);
        await use(redlock);
        jest.useRealTimers();
        await use(redlock);
        await redlock.close();
      });
      test('not connected', async () => {
        jest.useFakeTimers();
        const redlock = new Redlock(nodes, { connectTimeout: 300 });
        await expect(use(redlock)).rejects.toMatchObject({ code: 'QUORLOCK_NO_QUORUM' });
        jest.useRealTimers();
        await redlock.close();
      });`,
    );
  });

  it('is right about fake timers before the import: fake time that passes ends locks, and is told of', async () => {
    await runIn(
      'jest',
      `import { expect, jest, test } from '@jest/globals';
      ${USE}
      test('after them', async () => {
        jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
        const { Redlock } = await import('quorlock');
        const warnings = [];
        const redlock = new Redlock(nodes, { ...patient, onWarning: ({ code }) => warnings.push(code) });
        const lock = await redlock.acquire('before');
        jest.advanceTimersByTime(3_600_000);
        expect(lock.remainingValidity()).toBe(0);
        expect(warnings).toEqual(['QUORLOCK_OWN_CLOCK']);
        await use(redlock);
        jest.useRealTimers();
        await redlock.close();
      });`,
    );
  });

  it('is right about jsdom: locks are granted and lost there, and nothing is left open', async () => {
    await runIn(
      'jest',
      `import { expect, test } from '@jest/globals';
      import { Redlock } from 'quorlock';
      import { Simulation } from 'quorlock/testing';
      ${USE}
      test('locks', async () => {
        expect([typeof setImmediate, typeof setTimeout(() => undefined, 1)]).toEqual(['undefined', 'number']);
        const redlock = new Redlock(nodes.map((node) => new URL(node)), { ...patient, nodeTimeout: 2_000 });
        await use(redlock);
        const lock = await redlock.acquire('short', { ttl: 2_500 });
        await new Promise((resolve) => lock.signal.addEventListener('abort', resolve));
        expect(() => lock.assertHeld()).toThrow('validity');
        await redlock.using('kept', { ttl: 2_500 }, async (kept) => kept.signal.throwIfAborted());
        const permit = await redlock.semaphore('permits', 3).acquire();
        await permit.release();
        await redlock.close();
      });
      test('constructor', () => {
        expect(() => new Redlock([...nodes.slice(0, 2), 'nonsense'])).toThrow('nodes[2]');
      });
      test('simulation', async () => {
        const simulation = new Simulation();
        await simulation.until(simulation.machine().redlock().acquire('orders'));
      });`,
      'jsdom',
    );
  });
});

/** What npm says of a package that it packs. */
interface Packed {
  readonly files: readonly { readonly path: string }[];
  readonly unpackedSize: number;
}

/** What a guard sends. */
async function guardScript(make: typeof redisGuard): Promise<string> {
  const sent: string[] = [];
  const guard = make({
    eval: async (script) => {
      sent.push(script);
      return ['ok'];
    },
  });
  await guard.register('page', 1);
  return sent.join();
}
