import { cp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Fleet, type FleetNode } from '../../../scripts/fleet/fleet.ts';
import { eventually } from '../../../scripts/fleet/processes.ts';
import {
  type Lock,
  type NodeVote,
  type NoQuorumError,
  Redlock,
  type RedlockOptions,
  type RedlockWarning,
} from '../../../src/index.ts';
import { nodeAt, PATIENT, startDeployment, untilAllVote } from '../../support/deployment.ts';
import { LONG_TTL_MS } from '../../support/lock-keys.ts';

/** A master does not wait for more replicas before it serves the first. */
const AT_ONCE = ['--repl-diskless-sync-delay', '0'];

/** A lock that the first two of three nodes hold, and the third one does not. */
async function holdOnTwo(fleet: Fleet, redlock: Redlock, resource: string): Promise<Lock> {
  const lock = await redlock.acquire(resource, { ttl: LONG_TTL_MS });
  await eventually('the third node has it', async () => {
    await lock.extend();
    return (await nodeAt(fleet, 2).command('GET', `lock:${resource}`)) === lock.value;
  });
  // It may be late with the last extension, which would heal it. Its answer shows what it has done before.
  await redlock.inspect(resource);
  await nodeAt(fleet, 2).command('DEL', `lock:${resource}`);
  return lock;
}

/** What each node says to one who wants the lock; undefined where he got it. */
async function refusals(urls: readonly string[], resource: string, options: RedlockOptions = PATIENT) {
  await using newcomer = new Redlock(urls, options);
  try {
    await using _lock = await newcomer.acquire(resource, { ttl: LONG_TTL_MS, waitTime: 0 });
    return undefined;
  } catch (error) {
    const { votes = [] } = error as NoQuorumError;
    return votes.map((vote) => (vote.outcome === 'failed' ? vote.reason : vote.outcome));
  }
}

/** No client gets the lock, at no time, and the first node comes to say that it is quarantined. */
async function expectFirstQuarantined(urls: readonly string[], resource: string): Promise<void> {
  await eventually('the first node says that it is quarantined', async () => {
    const votes = await refusals(urls, resource);
    expect(votes).toBeDefined();
    return votes?.[0] === 'quarantined';
  });
}

const directoryOf = (fleet: Fleet, { index }: FleetNode) => join(fleet.directory, `node-${index}`);

/** The file that a server appends its writes to; its name depends on the version. */
async function appendOnlyFileOf(fleet: Fleet, node: FleetNode): Promise<string> {
  const files = await readdir(directoryOf(fleet, node), { recursive: true });
  const file =
    files.find((name) => name.endsWith('.incr.aof')) ?? files.find((name) => name.endsWith('.aof'));
  if (file === undefined) throw new Error(`node ${node.index} has no append-only file among ${files}`);
  return join(directoryOf(fleet, node), file);
}

describe('a node of a bare majority forgets a lock that is held', () => {
  it.each<[string, (node: FleetNode) => Promise<unknown>]>([
    ['killed, without fsync', (node) => node.restartEmpty()],
    ['FLUSHALL', (node) => node.command('FLUSHALL')],
  ])('%s: it does not vote, and no other client gets the lock', async (_, forget) => {
    await using fleet = await startDeployment(3);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using lock = await holdOnTwo(fleet, redlock, 'forgotten');

    await forget(nodeAt(fleet, 0));

    await expectFirstQuarantined(fleet.urls, 'forgotten');
    lock.assertHeld();
    expect(await refusals(fleet.urls, 'forgotten', { ...PATIENT, quarantine: 'off' })).toBeUndefined();
  });

  it('appendfsync everysec, the last second lost: it does not vote, and no other client gets the lock', async () => {
    await using fleet = await startDeployment(3, {
      directives: ['--appendonly', 'yes', '--appendfsync', 'everysec'],
    });
    const node = nodeAt(fleet, 0);
    const file = await appendOnlyFileOf(fleet, node);
    await eventually('its marker is on disk', async () => (await readFile(file)).includes('active '));
    const { length } = await readFile(file);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await using lock = await holdOnTwo(fleet, redlock, 'last second');

    await node.kill();
    await truncate(file, length);
    await node.restart();

    expect(await node.command('GET', 'lock:last second')).toBeNull();
    expect(await node.command('EXISTS', 'quorlock:node')).toBe(1);
    await expectFirstQuarantined(fleet.urls, 'last second');
    lock.assertHeld();
  });

  it('an old snapshot put back: its marker is of an earlier process, and no other client gets the lock', async () => {
    await using fleet = await startDeployment(3, { appendOnly: true });
    const node = nodeAt(fleet, 0);
    const backup = join(fleet.directory, 'backup');
    await node.kill();
    await cp(directoryOf(fleet, node), backup, { recursive: true });
    await node.restart();
    await using redlock = new Redlock(fleet.urls, PATIENT);
    await redlock.initialize();
    await using lock = await holdOnTwo(fleet, redlock, 'before the restore');

    await node.kill();
    await rm(directoryOf(fleet, node), { recursive: true });
    await cp(backup, directoryOf(fleet, node), { recursive: true });
    await node.restart();

    expect(await node.command('GET', 'lock:before the restore')).toBeNull();
    expect(await node.command('EXISTS', 'quorlock:node')).toBe(1);
    await expectFirstQuarantined(fleet.urls, 'before the restore');
    lock.assertHeld();
  });
});

describe('a replica in the place of its master', () => {
  it('is refused while it is one', async () => {
    await using fleet = await startDeployment(3, { directives: AT_ONCE });
    const replica = nodeAt(fleet, 2);
    await replica.command('REPLICAOF', '127.0.0.1', nodeAt(fleet, 0).port);
    await eventually('it has what its master has', async () =>
      String(await replica.command('INFO', 'replication')).includes('master_link_status:up'),
    );

    await using redlock = new Redlock(fleet.urls, PATIENT);
    // The others grant the lock, and a release waits for no more than a majority either.
    let vote: NodeVote | undefined;
    await eventually('the replica has answered', async () => {
      const { votes } = await redlock
        .acquire('refused', { ttl: LONG_TTL_MS })
        .then((lock) => lock.release())
        .catch((error: NoQuorumError) => error);
      vote = votes.find(({ node }) => node.endsWith(`:${replica.port}`));
      return vote?.outcome === 'failed' && vote.reason === 'refused';
    });
    expect(vote).toHaveProperty('message', expect.stringContaining('Give the address of a master'));
  });

  it('does not vote after a failover that lost a lock, and no other client gets it', async () => {
    await using fleet = await Fleet.start(4, { directives: AT_ONCE });
    const [first = '', second = '', third = '', spare = ''] = fleet.urls;
    await using redlock = new Redlock([first, second, third], PATIENT);
    await untilAllVote(redlock);
    const replica = nodeAt(fleet, 3);
    await replica.command('REPLICAOF', '127.0.0.1', nodeAt(fleet, 0).port);
    await eventually('the marker has been replicated', async () => {
      return (await replica.command('EXISTS', 'quorlock:node')) === 1;
    });
    // The lock is granted when the replica does not hear of it any more.
    await replica.command('REPLICAOF', 'NO', 'ONE');
    await using lock = await holdOnTwo(fleet, redlock, 'failed over');
    await nodeAt(fleet, 0).kill();

    await expectFirstQuarantined([spare, second, third], 'failed over');

    lock.assertHeld();
  });
});

describe('a node whose memory is full', () => {
  it('and that may evict keys is warned of', async () => {
    await using fleet = await Fleet.start(1, {
      directives: ['--maxmemory', '64mb', '--maxmemory-policy', 'volatile-lru'],
    });
    const warnings: RedlockWarning[] = [];
    await using redlock = new Redlock(fleet.urls, {
      ...PATIENT,
      onWarning: (warning) => warnings.push(warning),
    });
    await (await redlock.acquire('warned of')).release();

    expect(warnings.map(({ code }) => code)).toEqual(['QUORLOCK_EVICTION']);
    expect(warnings[0]?.message).toContain('volatile-lru');
    expect(warnings[0]?.message).toContain('Set maxmemory-policy to noeviction');
  });

  it('under noeviction grants nothing new, extends what it has, and takes releases', async () => {
    await using fleet = await startDeployment(3);
    await using redlock = new Redlock(fleet.urls, PATIENT);
    const lock = await redlock.acquire('kept', { ttl: LONG_TTL_MS });
    for (const node of fleet.nodes) await node.command('CONFIG', 'SET', 'maxmemory', '1');

    expect(await refusals(fleet.urls, 'another')).toContain('error');
    await lock.extend();
    lock.assertHeld();
    await using other = new Redlock(fleet.urls, PATIENT);
    expect(await other.tryAcquire('kept')).toBeNull();
    expect(await redlock.inspect('kept')).toMatchObject({ state: 'held', value: lock.value });
    expect((await lock.release()).freed).toBe(true);
  });
});
