// A process that has a lock when it is told to end; test/fleet/failures/shutdown.test.ts tells it. What it does it writes
// down on a server: what the next holder writes comes after it, or before.
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Redlock } from '../../src/index.ts';
import { endOnSigterm } from '../unit/docs/snippets/shutdown.ts';

const { journal, resource, stops, urls, ...options } = JSON.parse(process.argv[2] ?? '{}');
const [url = ''] = urls;
const store = new Redis(url);
const redlock = new Redlock(urls, { nodeTimeout: 500, connectTimeout: 10_000, ...options });
endOnSigterm(redlock);
await redlock.using(resource, {}, async (lock) => {
  await store.rpush(journal, 'held');
  if (!lock.signal.aborted) await once(lock.signal, 'abort');
  await store.rpush(journal, `asked to stop: ${lock.signal.reason?.code}`);
  // What it has begun it brings to an end, in more than the time that its lock would live by itself; or never.
  for (let step = 0; step < 5 || !stops; step += 1) await sleep(options.ttl / 4);
  lock.assertHeld();
  await store.rpush(journal, 'settled');
});
