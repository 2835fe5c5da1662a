import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Fleet } from '../../scripts/fleet/fleet.ts';
import { eventually } from '../../scripts/fleet/processes.ts';
import DefaultRedlock, { ExecutionError, Lock, ResourceLockedError } from '../../src/compat/redlock.ts';
import { PATIENT, startDeployment } from '../support/deployment.ts';
import type { MigrationReport, MigrationTerms } from '../support/migrating-process.ts';

const PROGRAM = fileURLToPath(new URL('../support/migrating-process.ts', import.meta.url));
const PACKAGES = new URL('../../bench/node_modules/', import.meta.url);
const NEW = 'quorlock/redlock';

/** The programs of the README have locks of 5 s. */
const SETTINGS = { ...PATIENT, nodeTimeout: 4_000 } as const;

/** Each process rests between two locks: a library that polls finds the lock free then. */
const PAUSE_MS = 30;

const OLD = [
  { library: 'redlock-4', folder: 'redlock-4' },
  { library: 'redlock-5', folder: 'redlock' },
  { library: 'sesamecare', folder: '@sesamecare-oss/redlock' },
  { library: 'universal', folder: 'redlock-universal' },
];

let fleet: Fleet;
beforeAll(async () => {
  fleet = await startDeployment(3);
});
afterAll(() => fleet.stop());

/** A process of the fleet that is migrated. */
class Member {
  acquired = 0;
  overlaps = 0;
  readonly #child: ChildProcess;

  constructor(terms: MigrationTerms) {
    this.#child = fork(PROGRAM, [], { execArgv: ['--import', import.meta.resolve('tsx')] });
    onTestFinished(() => void this.#child.kill('SIGKILL'));
    this.#child.on('message', ({ acquired, overlaps }: MigrationReport) => {
      this.acquired = acquired;
      this.overlaps = overlaps;
    });
    this.#child.send(terms);
  }

  /** Passes when it has had `count` more locks. */
  async has(more: number): Promise<void> {
    const wanted = this.acquired + more;
    await eventually('a process has had its locks', () => this.acquired >= wanted);
  }

  async end(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.send('end');
    await ended;
  }
}

describe('a fleet that is migrated process by process', () => {
  // The old libraries are installed by `npm run bench` alone.
  const installed = OLD.filter(({ folder }) => existsSync(new URL(folder, PACKAGES)));

  it.skipIf(installed.length === 0).each(installed.length === 0 ? OLD : installed)(
    'from $library excludes old and new at every moment',
    async ({ library }) => {
      const terms = { urls: fleet.urls, resource: `migrated from ${library}`, pauseMs: PAUSE_MS };
      const olds = [1, 2, 3].map(() => new Member({ ...terms, library }));
      const news: Member[] = [];
      await Promise.all(olds.map((member) => member.has(2)));
      for (const old of olds) {
        const next = new Member({ ...terms, library: NEW });
        news.push(next);
        await Promise.all([next.has(3), old.has(1)]);
        await old.end();
      }
      await Promise.all(news.map((member) => member.has(3)));
      await Promise.all(news.map((member) => member.end()));
      expect([...olds, ...news].map(({ overlaps }) => overlaps)).toEqual([0, 0, 0, 0, 0, 0]);
    },
  );
});

describe('the README of node-redlock', () => {
  function open() {
    const clients = fleet.urls.map((url) => new Redis(url));
    const redlock = new DefaultRedlock(clients, {
      driftFactor: 0.01,
      retryCount: 3,
      retryDelay: 20,
      retryJitter: 20,
      automaticExtensionThreshold: 500,
      quorlock: SETTINGS,
    });
    onTestFinished(() => redlock.quit());
    return { clients, redlock };
  }

  it('runs as it is, line by line', async () => {
    const { clients, redlock } = open();
    redlock.on('error', (error) => {
      if (error instanceof ResourceLockedError) return;
      throw error;
    });
    await redlock.using(['{readme}sender', '{readme}recipient'], 5000, async (signal) => {
      if (signal.aborted) throw signal.error;
      const found = await Promise.all(clients.map((client) => client.exists('{readme}sender')));
      expect(found.filter((count) => count === 1).length).toBeGreaterThan(1);
    });
    let lock = await redlock.acquire(['readme'], 5000);
    try {
      expect(lock).toBeInstanceOf(Lock);
      const error = await redlock.acquire(['readme'], 5000).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(ExecutionError);
      expect((error as ExecutionError).attempts).toHaveLength(4);
      lock = await lock.extend(5000);
    } finally {
      await lock.release();
    }
    expect(lock.expiration).toBe(0);
  });

  it('locks in another database, as the fork of it does', async () => {
    const client = new Redis(fleet.urls[0] ?? '');
    const redlock = new DefaultRedlock([client], { db: 2, quorlock: SETTINGS });
    onTestFinished(() => redlock.quit());
    const lock = await redlock.acquire(['in two'], 5_000);
    expect(await client.get('in two')).toBeNull();
    await client.select(2);
    expect(await client.get('in two')).toBe(lock.value);
    await lock.release();
  });
});
