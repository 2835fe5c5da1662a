// A process of callers for one resource; test/fleet/contention.test.ts starts several of it.
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Redlock, WaitTimeoutError } from '../../src/index.ts';

export interface ContentionTerms {
  readonly urls: readonly string[];
  readonly resource: string;
  readonly callers: number;
  readonly runMs: number;
  /** It goes on after that until it has had this number, as long as the machine is busy, but not for ever. */
  readonly least: number;
}

/** How much longer it goes on at the most. */
const LONGEST_EXTRA_MS = 40_000;

export interface ContentionReport {
  readonly attempts: number;
  readonly acquired: number;
  readonly timedOut: number;
  /** What else an attempt came to. */
  readonly failures: readonly string[];
  /** How often another process was inside while this process held the lock. */
  readonly overlaps: number;
}

process.once('message', async (terms: ContentionTerms) => {
  process.send?.(await contend(terms));
  process.disconnect();
});

async function contend({
  urls,
  resource,
  callers,
  runMs,
  least,
}: ContentionTerms): Promise<ContentionReport> {
  const redlock = new Redlock(urls, { nodeTimeout: 5_000, connectTimeout: 20_000 });
  const witness = new Redis(urls[0] ?? '');
  const until = performance.now() + runMs;
  const failures: string[] = [];
  let attempts = 0;
  let acquired = 0;
  let timedOut = 0;
  let overlaps = 0;

  const caller = async () => {
    const isOver = () => {
      const extraMs = performance.now() - until;
      return extraMs >= LONGEST_EXTRA_MS || (extraMs >= 0 && acquired >= least);
    };
    while (!isOver()) {
      attempts += 1;
      try {
        await using _lock = await redlock.acquire(resource, { ttl: 30_000, waitTime: 60_000 });
        acquired += 1;
        if ((await witness.incr(`inside ${resource}`)) !== 1) overlaps += 1;
        await sleep(1);
        await witness.decr(`inside ${resource}`);
      } catch (error) {
        if (error instanceof WaitTimeoutError) timedOut += 1;
        else failures.push(String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: callers }, caller));
  await redlock.close();
  witness.disconnect();
  return { attempts, acquired, timedOut, failures, overlaps };
}
