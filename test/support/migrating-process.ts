// A process that takes a lock again and again, with an old library or with quorlock/redlock; see
// test/fleet/migration.test.ts.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';
import { Redlock } from '../../src/compat/redlock.ts';

export interface MigrationTerms {
  /** The name of a peer in bench/peers; `quorlock/redlock` for the new one. */
  readonly library: string;
  readonly urls: readonly string[];
  readonly resource: string;
  /** How long it rests between two locks, in milliseconds. */
  readonly pauseMs: number;
}

export interface MigrationReport {
  readonly acquired: number;
  /** How often another process was inside while this one held the lock. */
  readonly overlaps: number;
}

interface Opened {
  /** Resolves with what releases the lock. */
  acquire(resource: string): Promise<() => Promise<unknown>>;
  close(): Promise<unknown>;
}

const PEERS = new URL('../../bench/peers/', import.meta.url);

async function open(library: string, urls: readonly string[]): Promise<Opened> {
  if (library !== 'quorlock/redlock') {
    const module = pathToFileURL(fileURLToPath(new URL(`${library}.ts`, PEERS))).href;
    const peer: { start(urls: readonly string[], settings: string): Promise<Opened> } = await import(module);
    return await peer.start(urls, 'shipped');
  }
  const clients = urls.map((url) => new Redis(url));
  const redlock = new Redlock(clients, { quorlock: { nodeTimeout: 2_000 } });
  return {
    acquire: async (resource) => {
      const lock = await redlock.acquire([resource], 10_000);
      return () => lock.release();
    },
    close: () => redlock.quit(),
  };
}

process.once('message', async ({ library, urls, resource, pauseMs }: MigrationTerms) => {
  const opened = await open(library, urls);
  const witness = new Redis(urls[0] ?? '');
  let isOver = false;
  process.once('message', () => {
    isOver = true;
  });
  let acquired = 0;
  let overlaps = 0;
  while (!isOver) {
    try {
      const release = await opened.acquire(resource);
      if ((await witness.incr(`inside ${resource}`)) !== 1) overlaps += 1;
      await sleep(1);
      await witness.decr(`inside ${resource}`);
      acquired += 1;
      process.send?.({ acquired, overlaps } satisfies MigrationReport);
      await release();
    } catch {
      // It was not served in its retry window, and asks again.
    }
    await sleep(pauseMs);
  }
  process.send?.({ acquired, overlaps } satisfies MigrationReport);
  await opened.close();
  witness.disconnect();
  process.disconnect();
});
