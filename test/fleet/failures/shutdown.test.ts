import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { Fleet } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import { Redlock } from '../../../src/index.ts';
import { PATIENT, startDeployment } from '../../support/deployment.ts';

const HOLDER = fileURLToPath(new URL('../../support/terminated-holder.ts', import.meta.url));

let fleet: Fleet;
let store: Redis;
beforeAll(async () => {
  fleet = await startDeployment(3);
  store = new Redis(fleet.urls[0] ?? '');
});
afterAll(async () => {
  store.disconnect();
  await fleet.stop();
});

/** Has a process hold a lock, and this one wait for it; tells the process to end. Returns who did what, in this order. */
async function succession(resource: string, holder: object): Promise<readonly string[]> {
  const journal = `journal of ${resource}`;
  const terms = { journal, resource, urls: fleet.urls, ...holder };
  const child = fork(HOLDER, [JSON.stringify(terms)], {
    execArgv: ['--import', import.meta.resolve('tsx')],
    stdio: 'inherit',
  });
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  const exited = once(child, 'exit').then(([code]) => store.rpush(journal, `exited with ${code}`));
  await eventually('the process has the lock', async () => (await store.llen(journal)) > 0);
  await using next = new Redlock(fleet.urls, PATIENT);
  const waiting = next.acquire(resource, { waitTime: 60_000 }).then(async (lock) => {
    await store.rpush(journal, 'the next one has the lock');
    await lock.release();
  });
  await eventually('the next one waits', async () => (await next.waiting(resource)).processes.length > 0);
  child.kill('SIGTERM');
  await Promise.all([waiting, exited]);
  return await store.lrange(journal, 0, -1);
}

describe('a process that has a lock and is told to end, by SIGTERM', () => {
  it('keeps it until its routine has settled, and then the next one has it', async () => {
    const events = await succession('job', { ttl: 5_000, stops: true, closeTimeout: 30_000 });
    expect(events.slice(0, 3)).toEqual(['held', 'asked to stop: QUORLOCK_CLOSED', 'settled']);
    expect(events.slice(3).toSorted()).toEqual(['exited with 0', 'the next one has the lock']);
  });

  it('ends after closeTimeout where its routine does not stop, and the next one waits for the ttl', async () => {
    const events = await succession('endless job', { ttl: 6_000, stops: false, closeTimeout: 300 });
    expect(events).toEqual([
      'held',
      'asked to stop: QUORLOCK_CLOSED',
      'exited with 0',
      'the next one has the lock',
    ]);
  });
});
